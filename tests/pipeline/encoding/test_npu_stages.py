"""mel and encoder on a simulated NPU inside the pipeline: the words are right, and a fault is told by name."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from kernels.mel.audio import Float32
from kernels.mel.features import Features
from npu.errors import NpuUnavailable
from npu.kernel_folders import Folders
from npu.probe import DeviceReport, probe
from npu.runtime.npu import Npu
from npu.simulated import Machine
from npu.simulated.execution import Execution
from npu.simulated.faults import Ends, Fault, Garbage, Hang, LoadError, Lost
from npu.stages.pending_features import PendingFeatures
from npu.stages.stage import SLOTS, NpuStage
from npu.xrt import device as xrt
from server.checkpoints.catalog import DEMO_DIR
from server.errors import ConfigurationError
from server.pipeline import alone
from server.pipeline.encoding.npu_choice import Cost, measure
from server.pipeline.encoding.npu_device import open_device, require_npu
from server.pipeline.encoding.npu_stages import EncoderOpener, NpuStages, Opener, Timer, open_encoder
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.stages.protocols import Encoder, Retired
from server.settings.stages import DecodeSettings, ModelSettings, NpuSettings, StageSettings
from server.transcript import Finished, Options, Progress, StageTime, Transcript
from tests.audio_files import write

MODEL = ModelSettings(encoder="ctranslate2", offline=True)
DECODE = DecodeSettings(beam_size=1, batch_size=1)
NO_ENCODER = "this test has no time for it"

Open = Callable[..., LoadedModel]


def no_encoder(npu: Npu, directory: Path, settings: NpuSettings) -> tuple[NpuStage[Features], str]:
    """Refuse to open the NPU's encoder, which takes ten seconds for a window in simulation."""
    raise NpuUnavailable(NO_ENCODER)


def costs(*wanted: Cost) -> Timer:
    """Return a timer that runs the call and reports these costs in turn: of the NPU, of the CPU, and so on."""
    iterator = iter(wanted)

    def timer(run: Callable[[], object]) -> Cost:
        run()
        return next(iterator)

    return timer


def npu_pays() -> Timer:
    """Return a timer by which the NPU is always the faster device."""
    return costs(*(cost for _ in range(4) for cost in (Cost(1, 1), Cost(7, 7))))


@pytest.fixture
def machine() -> Machine:
    """A simulated NPU in the place of a real one."""
    return Machine()


@pytest.fixture
def machine_opener(machine: Machine, simulated_kernels: Path) -> Opener:
    def open_machine(settings: NpuSettings) -> Npu:
        device = xrt.Device(machine.pyxrt, target="host", watchdog_s=600 if settings.mode == "required" else 5)
        return Npu(device, Folders(Path("/nowhere"), "host", simulated_kernels))

    return open_machine


@pytest.fixture
def open_parts(demo_model: Path, machine_opener: Opener) -> Iterator[Open]:
    """A function that loads the demo model with settings of the NPU; by default only mel runs there.

    The models are closed after the test.
    """
    opened: list[LoadedModel] = []

    def open_(
        mode: str,
        timer: Timer = measure,
        encoder: EncoderOpener = no_encoder,
        opener: Opener | None = None,
        **npu: Any,
    ) -> LoadedModel:
        settings = StageSettings(MODEL, decode=DECODE, npu=NpuSettings.model_validate({"mode": mode, **npu}))
        stages = partial(NpuStages, opener=opener or machine_opener, timer=timer, encoder_opener=encoder)
        opened.append(LoadedModel("demo", demo_model, settings, npu_stages=stages))
        return opened[-1]

    yield open_
    for parts in opened:
        parts.close()


@pytest.fixture
def sample(demo_model: Path) -> Path:
    return demo_model / "sample.wav"


@pytest.fixture(scope="module")
def long_sample(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo model's sample three times, each in a window of its own."""
    audio, _ = soundfile.read(demo_model / "sample.wav", dtype="float32")
    return write(
        tmp_path_factory.mktemp("audio") / "long.wav",
        np.tile(np.concatenate([audio, np.zeros(480_000 - len(audio), np.float32)]), 3),
    )


def transcribe(parts: LoadedModel, source: Path, **options: Any) -> Transcript:
    last = list(alone.transcribe(parts, source, Options(**options)))[-1]
    assert isinstance(last, Finished)
    return last.transcript


def faulty(parts: LoadedModel, source: Path, machine: Machine, fault: Fault) -> Transcript:
    """Transcribe with a fault of the NPU that strikes after the first window."""
    for event in alone.transcribe(parts, source, Options(vad=False)):
        if isinstance(event, Progress) and fault not in machine.faults:
            machine.faults.append(fault)
    assert isinstance(event, Finished)
    return event.transcript


@cache
def on_cpu(source: Path) -> str:
    """Return the text of a recording with every stage on the CPU."""
    parts = LoadedModel("demo", DEMO_DIR, StageSettings(MODEL, decode=DECODE, npu=NpuSettings(mode="off")))
    return transcribe(parts, source, vad=False).text


def stage(transcript: Transcript, name: str) -> list[StageTime]:
    return [entry for entry in transcript.stages if entry.stage == name]


def devices(transcript: Transcript, name: str) -> list[str]:
    return [entry.device for entry in stage(transcript, name)]


def test_off(open_parts: Open, machine: Machine) -> None:
    parts = open_parts("off")
    assert (parts.mel.device, parts.encoder.device) == ("cpu", "cpu")
    assert parts.npu.reason("mel") == "npu.mode is off"
    assert parts.npu.notes() == ()
    assert machine.contexts == 0


def test_auto_without_an_npu(open_parts: Open, tmp_path: Path, sample: Path) -> None:
    parts = open_parts("auto", opener=open_device, device=tmp_path / "accel0")
    result = transcribe(parts, sample)
    for name in ("mel", "encoder"):
        [entry] = stage(result, name)
        assert (entry.device, entry.reason) == ("cpu", f"no NPU: there is no {tmp_path}/accel0")
    assert {entry.reason for entry in result.stages if entry.stage not in ("mel", "encoder", "align")} == {None}
    assert result.warnings == ()


def test_required_without_an_npu(open_parts: Open, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"npu.mode is required.*there is no {tmp_path}/accel0") as caught:
        open_parts("required", opener=open_device, device=tmp_path / "accel0")
    assert caught.value.param == "npu.mode"
    with pytest.raises(ConfigurationError, match=f"there is no {tmp_path}/accel0.*set npu.mode to auto"):
        require_npu(NpuSettings(mode="required", device=tmp_path / "accel0"))
    require_npu(NpuSettings(mode="auto", device=tmp_path / "accel0"))


def test_required_without_kernel_folders(tmp_path: Path) -> None:
    def fine(node: Path) -> DeviceReport:
        return dataclasses.replace(probe(node), problems=())

    with pytest.raises(ConfigurationError, match=r"no kernel folder encoder or matmul and attention.*kernels build"):
        require_npu(NpuSettings(mode="required", kernels=tmp_path), look=fine)


def test_required_and_refused_by_one_stage(open_parts: Open, machine: Machine) -> None:
    with pytest.raises(ConfigurationError, match=NO_ENCODER):
        open_parts("required")
    assert machine.contexts == 0


def test_auto_takes_an_npu_that_pays(open_parts: Open, machine: Machine, sample: Path) -> None:
    parts = open_parts("auto", costs(Cost(1, 1), Cost(7, 7)))
    assert parts.npu.reason("mel") == (
        "the faster one: npu 1.0 ms (1.0 ms of processor time), cpu 7.0 ms (7.0 ms of processor time) per window, "
        "measured at start-up"
    )
    assert parts.npu.reason("encoder") == f"no NPU: {NO_ENCODER}"
    result = transcribe(parts, sample)
    assert (devices(result, "mel"), devices(result, "encoder")) == (["npu"], ["cpu"])
    assert stage(result, "mel")[0].reason == parts.npu.reason("mel")
    assert result.text == on_cpu(sample) != ""
    [note] = parts.npu.notes()
    assert note.startswith("NPU self-test mel_80.energies: 529,408 elements, largest difference 0,")


def test_auto_leaves_a_slow_npu_and_its_contexts(open_parts: Open, machine: Machine) -> None:
    """The simulated NPU is slow: these are measured times."""
    parts = open_parts("auto")
    assert parts.mel.device == "cpu"
    assert "ms of processor time), cpu" in parts.npu.reason("mel")
    assert machine.contexts == 0


@pytest.mark.parametrize(("prefer", "device"), [("latency", "cpu"), ("cpu_free", "npu")])
def test_what_is_preferred(open_parts: Open, machine: Machine, prefer: str, device: str) -> None:
    assert open_parts("auto", costs(Cost(9, 1), Cost(7, 7)), prefer=prefer).mel.device == device


SLOWLY = pytest.mark.slow


@pytest.mark.parametrize(
    "fault",
    [
        Garbage(),
        pytest.param(Hang(), marks=SLOWLY),
        pytest.param(Ends(), marks=SLOWLY),
        pytest.param(Lost(), marks=SLOWLY),
    ],
)
def test_retired_in_the_middle_of_a_recording(
    open_parts: Open,
    machine: Machine,
    sample: Path,
    long_sample: Path,
    fault: Fault,
) -> None:
    parts = open_parts("auto", npu_pays())
    result = faulty(parts, long_sample, machine, fault)
    assert result.text == on_cpu(long_sample) != ""
    assert devices(result, "mel") == ["npu", "cpu"]
    [warning] = result.warnings
    assert "mel_80" in warning or "mel launch" in warning
    assert parts.mel.device == "cpu"
    assert parts.npu.reason("mel").startswith("no NPU: it was retired: ")
    assert parts.npu.reason("encoder") == parts.npu.reason("mel")
    assert {entry.reason for entry in stage(result, "mel")} == {parts.npu.reason("mel")}
    assert transcribe(parts, sample).warnings == (), "said once, then it is what the reason says"


def test_a_canary_ends_it_between_two_windows(open_parts: Open, machine: Machine, sample: Path) -> None:
    parts = open_parts("auto", npu_pays(), canary_windows=3)
    parts.mel([np.zeros(0, np.float32)])
    launches = 0

    @dataclasses.dataclass
    class Second(Garbage):
        """A fault that garbles the second launch, which is the self-test after the window's own launch."""

        def run(self, execution: Execution) -> bool:
            nonlocal launches
            launches += 1
            return launches == 2 and super().run(execution)

    machine.faults.append(Second())
    result = transcribe(parts, sample)
    assert devices(result, "mel") == ["npu", "cpu"]
    assert "a canary found it wrong while it served" in result.warnings[0]
    assert result.text == on_cpu(sample)


def test_a_selftest_that_fails_at_start_up(open_parts: Open, machine: Machine) -> None:
    machine.faults.append(Garbage())
    parts = open_parts("auto")
    assert parts.mel.device == parts.encoder.device == "cpu"
    assert "the self-test gave another result than the host model: mel_80.energies" in parts.npu.reason("encoder")
    with pytest.raises(ConfigurationError, match="another result than the host model"):
        open_parts("required")


def test_no_context_is_left(open_parts: Open, machine: Machine) -> None:
    machine.faults.append(LoadError(text="DRM_IOCTL_AMDXDNA_CREATE_HWCTX IOCTL failed (err=-22): Invalid argument"))
    parts = open_parts("auto", encoder=open_encoder)
    assert "hardware context" in parts.npu.reason("mel")
    assert parts.encoder.device == "cpu"


def test_heads_that_the_kernels_do_not_serve(tiny_multilingual: Path, machine_opener: Opener) -> None:
    settings = StageSettings(MODEL, decode=DECODE, npu=NpuSettings(mode="auto"))
    parts = LoadedModel("tiny", tiny_multilingual, settings, npu_stages=partial(NpuStages, opener=machine_opener))
    assert parts.npu.reason("encoder") == "no NPU: the kernels serve heads of 64 dimensions, not of 32"
    parts.close()


def test_two_models_share_one_npu(open_parts: Open, machine: Machine, sample: Path) -> None:
    timer = npu_pays()
    first, second = open_parts("auto", timer), open_parts("auto", timer)
    assert machine.contexts == 1
    first.close()
    first.close()
    assert devices(transcribe(second, sample), "mel") == ["npu"]
    machine.faults.append(Ends())
    assert transcribe(second, sample).warnings
    third = open_parts("auto", timer)
    assert "retired" in third.npu.reason("mel") or "state ERROR" in third.npu.reason("mel")
    assert third.mel.device == "cpu"


def test_keep_alive_is_configured(open_parts: Open) -> None:
    timer = npu_pays()
    asleep = open_parts("auto", timer)
    assert asleep.npu.keep_alive is None
    asleep.close()
    awake = open_parts("auto", timer, keep_alive_ms=5000)
    assert awake.npu.keep_alive is not None
    assert awake.npu.keep_alive.seconds == 5.0
    assert "npu-keep-alive" in (thread.name for thread in threading.enumerate())
    awake.close()
    assert "npu-keep-alive" not in (thread.name for thread in threading.enumerate())


def test_simulated_is_named_everywhere(
    open_parts: Open, sample: Path, monkeypatch: pytest.MonkeyPatch, simulated_kernels: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(simulated_kernels))
    parts = open_parts("simulated", opener=open_device)
    assert parts.mel.device == "npu (simulated)"
    assert "no time of it is a time of an NPU" in parts.npu.reason("mel")
    result = transcribe(parts, sample)
    assert devices(result, "mel") == ["npu (simulated)"]
    assert result.text == on_cpu(sample)


def test_simulated_without_a_compiler(open_parts: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr("kernels.host.compile.CACHE", tmp_path / "objects")
    with pytest.raises(ConfigurationError, match=r"npu.mode is simulated, .*no-such-compiler"):
        open_parts("simulated", opener=open_device)


class QuickEncoder(NpuStage[Features]):
    """A quick substitute for NpuEncoder: the NPU runs its self-tests for each window, the CPU computes the states."""

    def __init__(self, npu: Npu, cpu: Encoder) -> None:
        super().__init__("encoder", npu, [], [()] * SLOTS)
        self._selftests = [npu.resident(folder) for folder in npu.folders.encoder(int8=False).values()]
        self._cpu = cpu
        self._states: dict[int, Float32] = {}

    def _allocate(self, features: Features) -> Float32:
        return np.empty((len(features), 1500, 256), np.float32)

    def _write(self, window: Float32, slot: int) -> None:
        for resident in self._selftests:
            resident.check()
        self._states[slot] = self._cpu(window[None])[0]

    def _read(self, slot: int, result: Float32) -> None:
        result[:] = self._states[slot]


@pytest.mark.parametrize("context", [pytest.param(0, marks=SLOWLY), 1])
def test_both_stages_are_done_again_whichever_fails(
    open_parts: Open, machine: Machine, long_sample: Path, context: int
) -> None:
    cpu = open_parts("off").encoder

    def quick(npu: Npu, directory: Path, settings: NpuSettings) -> tuple[NpuStage[Features], str]:
        return QuickEncoder(npu, cpu), "not checked"

    parts = open_parts("auto", npu_pays(), quick)
    assert parts.mel.device == parts.encoder.device == "npu"
    features = parts.mel([np.zeros(1, np.float32)] * 2)
    assert isinstance(features, PendingFeatures)
    result = faulty(parts, long_sample, machine, Garbage(context=context))
    assert result.text == on_cpu(long_sample) != ""
    assert (devices(result, "mel"), devices(result, "encoder")) == (["npu", "cpu"], ["npu", "cpu"])
    assert len(result.warnings) == 1
    with pytest.raises(Retired):
        parts.encoder(features)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_the_whole_pipeline_on_the_simulated_npu(
    open_parts: Open, sample: Path, monkeypatch: pytest.MonkeyPatch, simulated_kernels: Path, precision: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(simulated_kernels))
    parts = open_parts("simulated", encoder=open_encoder, opener=open_device, precision=precision)
    result = transcribe(parts, sample)
    assert devices(result, "mel") == devices(result, "encoder") == ["npu (simulated)"]
    assert f"{precision}, layer of 256: " in (stage(result, "encoder")[0].reason or "")
    assert result.text == on_cpu(sample)


@pytest.mark.slow
def test_an_encoder_retired_in_the_middle(open_parts: Open, machine: Machine, sample: Path, long_sample: Path) -> None:
    parts = open_parts("required", encoder=open_encoder)
    assert parts.encoder.device == parts.mel.device == "npu"
    result = faulty(parts, long_sample, machine, Garbage(context=1))
    assert result.text == on_cpu(long_sample) != ""
    assert devices(result, "encoder") == ["npu", "cpu"]
    assert "rows that are not normalised" in result.warnings[0]
