"""mel and encoder on a simulated NPU inside the pipeline: right words whatever happens, and the reason by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from npu.errors import NpuUnavailable
from npu.kernel_folders import Folders
from npu.runtime.keep_alive import KeepAlive
from npu.runtime.npu import Npu
from npu.simulated import Machine
from npu.simulated.faults import Ends, Fault, Garbage, Hang, LoadError, Lost
from npu.stages.pending_features import Coming
from npu.xrt import device as xrt
from server.checkpoints.catalog import DEMO_DIR
from server.errors import ConfigurationError
from server.pipeline import alone
from server.pipeline.encoding import npu as npu_room
from server.pipeline.encoding.npu_choice import Cost
from server.pipeline.loaded_model import LoadedModel, StageSettings
from server.pipeline.stages.protocols import Encoder, Retired
from server.settings.stages import DecodeSettings, ModelSettings, NpuSettings
from server.transcript import Finished, Options, Progress, StageTime, Transcript
from tests.audio_files import write

MODEL = ModelSettings(encoder="ctranslate2", offline=True)
DECODE = DecodeSettings(beam_size=1, batch_size=1)
NO_ENCODER = "this test has no time for it"

Open = Callable[..., LoadedModel]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, simulated_kernels: Path) -> Machine:
    """A simulated NPU in the place of a real one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(simulated_kernels))
    machine = Machine()

    def open_npu(settings: NpuSettings) -> Npu:
        device = xrt.Device(machine.pyxrt, target="host", watchdog_s=600 if settings.mode == "required" else 5)
        return Npu(device, Folders(Path("/nowhere"), "host"))

    monkeypatch.setattr(npu_room, "_open_npu", open_npu)
    return machine


@pytest.fixture
def mel_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window of the encoder takes ten seconds in simulation."""

    def refuse(directory: Path) -> None:
        raise NpuUnavailable(NO_ENCODER)

    monkeypatch.setattr(npu_room, "encoder_of", refuse)


@pytest.fixture
def open_parts(demo_model: Path) -> Iterator[Open]:
    """The demo model with the NPU as the test wants it, closed after the test."""
    opened: list[LoadedModel] = []

    def open_(mode: str, **npu: Any) -> LoadedModel:
        settings = NpuSettings.model_validate({"mode": mode, **npu})
        opened.append(LoadedModel("demo", demo_model, StageSettings(MODEL, decode=DECODE, npu=settings)))
        return opened[-1]

    yield open_
    for parts in opened:
        parts.close()


@pytest.fixture
def sample(demo_model: Path) -> Path:
    return demo_model / "sample.wav"


@pytest.fixture(scope="module")
def long_sample(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample three times, each in a window of its own."""
    audio, _ = soundfile.read(demo_model / "sample.wav", dtype="float32")
    return write(
        tmp_path_factory.mktemp("audio") / "long.wav",
        np.tile(np.concatenate([audio, np.zeros(480_000 - len(audio), np.float32)]), 3),
    )


def transcribe(parts: LoadedModel, source: Path, **options: Any) -> Transcript:
    last = list(alone.transcribe(parts, source, Options(**options)))[-1]
    assert isinstance(last, Finished)
    return last.transcript


@cache
def on_cpu(source: Path) -> str:
    """The words of the CPU path."""
    parts = LoadedModel("demo", DEMO_DIR, StageSettings(MODEL, decode=DECODE, npu=NpuSettings(mode="off")))
    return transcribe(parts, source, vad=False).text


def stage(transcript: Transcript, name: str) -> list[StageTime]:
    return [one for one in transcript.stages if one.stage == name]


def devices(transcript: Transcript, name: str) -> list[str]:
    return [one.device for one in stage(transcript, name)]


def test_off(open_parts: Open, machine: Machine) -> None:
    parts = open_parts("off")
    assert (parts.mel.device, parts.encoder.device) == ("cpu", "cpu")
    assert parts.npu.reason("mel") == "npu.mode is off"
    assert parts.npu.notes() == ()
    assert machine.contexts == 0


def test_auto_without_an_npu(open_parts: Open, tmp_path: Path, sample: Path) -> None:
    parts = open_parts("auto", device=tmp_path / "accel0")
    result = transcribe(parts, sample)
    for name in ("mel", "encoder"):
        [one] = stage(result, name)
        assert (one.device, one.reason) == ("cpu", f"no NPU: there is no {tmp_path}/accel0")
    assert {one.reason for one in result.stages if one.stage not in ("mel", "encoder")} == {None}
    assert result.warnings == ()


def test_required_without_an_npu(open_parts: Open, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"npu.mode is required.*there is no {tmp_path}/accel0") as caught:
        open_parts("required", device=tmp_path / "accel0")
    assert caught.value.param == "npu.mode"
    with pytest.raises(ConfigurationError, match=f"there is no {tmp_path}/accel0.*set npu.mode to auto"):
        npu_room.require_npu(NpuSettings(mode="required", device=tmp_path / "accel0"))
    npu_room.require_npu(NpuSettings(mode="auto", device=tmp_path / "accel0"))


def test_required_without_kernel_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclasses.dataclass
    class Fine:
        problems: tuple[()] = ()

    monkeypatch.setattr(npu_room, "probe", lambda node: Fine())
    with pytest.raises(ConfigurationError, match=r"no kernel folder encoder or matmul and attention.*kernels build"):
        npu_room.require_npu(NpuSettings(mode="required", kernels=tmp_path))


def test_required_and_refused_by_one_stage(open_parts: Open, machine: Machine, mel_only: None) -> None:
    with pytest.raises(ConfigurationError, match=NO_ENCODER):
        open_parts("required")
    assert machine.contexts == 0


def costs(monkeypatch: pytest.MonkeyPatch, *wanted: Cost) -> None:
    """In place of measured ones: NPU, then CPU."""
    iterator = iter(wanted)
    monkeypatch.setattr(npu_room, "measure", lambda run: (run(), next(iterator))[1])


def test_auto_takes_an_npu_that_pays(
    open_parts: Open, machine: Machine, mel_only: None, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs(monkeypatch, Cost(1, 1), Cost(7, 7))
    parts = open_parts("auto")
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


def test_auto_leaves_a_slow_npu_and_its_contexts(open_parts: Open, machine: Machine, mel_only: None) -> None:
    """The simulated one is slow in truth: nothing is made up here."""
    parts = open_parts("auto")
    assert parts.mel.device == "cpu"
    assert "ms of processor time), cpu" in parts.npu.reason("mel")
    assert machine.contexts == 0


@pytest.mark.parametrize(("prefer", "device"), [("latency", "cpu"), ("cpu_free", "npu")])
def test_what_is_preferred(
    open_parts: Open, machine: Machine, mel_only: None, monkeypatch: pytest.MonkeyPatch, prefer: str, device: str
) -> None:
    costs(monkeypatch, Cost(9, 1), Cost(7, 7))
    assert open_parts("auto", prefer=prefer).mel.device == device


def taken(monkeypatch: pytest.MonkeyPatch) -> None:
    costs(monkeypatch, *(cost for _ in range(4) for cost in (Cost(1, 1), Cost(7, 7))))


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
    mel_only: None,
    sample: Path,
    long_sample: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
) -> None:
    taken(monkeypatch)
    parts = open_parts("auto")
    progress = 0
    for event in alone.transcribe(parts, long_sample, Options(vad=False)):
        if isinstance(event, Progress):
            progress += 1
            if progress == 1:
                machine.faults.append(fault)
    assert isinstance(event, Finished)
    result = event.transcript
    assert result.text == on_cpu(long_sample) != ""
    assert devices(result, "mel") == ["npu", "cpu"]
    [warning] = result.warnings
    assert "mel_80" in warning or "mel launch" in warning
    assert parts.mel.device == "cpu"
    assert parts.npu.reason("mel").startswith("no NPU: it was retired: ")
    assert parts.npu.reason("encoder") == parts.npu.reason("mel")
    assert {one.reason for one in stage(result, "mel")} == {parts.npu.reason("mel")}
    assert transcribe(parts, sample).warnings == (), "said once, then it is what the reason says"


def test_a_canary_ends_it_between_two_windows(
    open_parts: Open, machine: Machine, mel_only: None, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken(monkeypatch)
    parts = open_parts("auto", canary_windows=3)
    parts.mel([np.zeros(0, np.float32)])
    launches = 0

    @dataclasses.dataclass
    class Second(Garbage):
        """Strikes the launch after the window's own, which is right."""

        def run(self, job: Any) -> bool:
            nonlocal launches
            launches += 1
            return launches == 2 and super().run(job)

    machine.faults.append(Second())
    result = transcribe(parts, sample)
    assert devices(result, "mel") == ["npu", "cpu"]
    assert "a canary found it wrong while it served" in result.warnings[0]
    assert result.text == on_cpu(sample)


def test_a_selftest_that_fails_at_start_up(open_parts: Open, machine: Machine, mel_only: None) -> None:
    machine.faults.append(Garbage())
    parts = open_parts("auto")
    assert parts.mel.device == parts.encoder.device == "cpu"
    assert "the self-test gave another result than the host model: mel_80.energies" in parts.npu.reason("encoder")
    with pytest.raises(ConfigurationError, match="another result than the host model"):
        open_parts("required")


def test_no_context_is_left(open_parts: Open, machine: Machine) -> None:
    machine.faults.append(LoadError(text="DRM_IOCTL_AMDXDNA_CREATE_HWCTX IOCTL failed (err=-22): Invalid argument"))
    parts = open_parts("auto")
    assert "hardware context" in parts.npu.reason("mel")
    assert parts.encoder.device == "cpu"


def test_heads_that_the_kernels_do_not_serve(tiny_multilingual: Path, machine: Machine) -> None:
    settings = StageSettings(MODEL, decode=DECODE, npu=NpuSettings(mode="auto"))
    parts = LoadedModel("tiny", tiny_multilingual, settings)
    assert parts.npu.reason("encoder") == "no NPU: the kernels serve heads of 64 dimensions, not of 32"
    parts.close()


def test_two_models_share_one_npu(
    open_parts: Open, machine: Machine, mel_only: None, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken(monkeypatch)
    first, second = open_parts("auto"), open_parts("auto")
    assert machine.contexts == 1
    first.close()
    first.close()
    assert devices(transcribe(second, sample), "mel") == ["npu"]
    machine.faults.append(Ends())
    assert transcribe(second, sample).warnings
    third = open_parts("auto")
    assert "retired" in third.npu.reason("mel") or "state ERROR" in third.npu.reason("mel")
    assert third.mel.device == "cpu"


def test_keep_alive_is_configured(
    open_parts: Open, machine: Machine, mel_only: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[float] = []

    class Watched(KeepAlive):
        def __init__(self, npu: Npu, resident: Any, seconds: float) -> None:
            started.append(seconds)
            super().__init__(npu, resident, seconds)

    monkeypatch.setattr(npu_room, "KeepAlive", Watched)
    taken(monkeypatch)
    open_parts("auto").close()
    assert started == []
    open_parts("auto", keep_alive_ms=5000).close()
    assert started == [5.0]


def test_simulated_is_named_everywhere(
    open_parts: Open, mel_only: None, sample: Path, monkeypatch: pytest.MonkeyPatch, simulated_kernels: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(simulated_kernels))
    parts = open_parts("simulated")
    assert parts.mel.device == "npu (simulated)"
    assert "no time of it is a time of an NPU" in parts.npu.reason("mel")
    result = transcribe(parts, sample)
    assert devices(result, "mel") == ["npu (simulated)"]
    assert result.text == on_cpu(sample)


def test_simulated_without_a_compiler(
    open_parts: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mel_only: None
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr("kernels.host.compile.CACHE", tmp_path / "objects")
    with pytest.raises(ConfigurationError, match=r"npu.mode is simulated, .*no-such-compiler"):
        open_parts("simulated")


class QuickEncoder:
    """In the place of NpuEncoder: launches the self-test for each window, and lets the CPU compute it."""

    cpu: Encoder

    def __init__(self, npu: Npu, weights: object, *, int8: bool) -> None:
        del weights
        folders = npu.folders.encoder(int8=int8)
        self.residents = {name: npu.resident(folder) for name, folder in folders.items()}
        self.windows: list[type] = []

    def __call__(self, mel: Any) -> Any:
        self.windows.append(type(mel))
        states = []
        for window in range(len(mel)):
            for resident in self.residents.values():
                resident.check()
            states.append(self.cpu(mel[window][None])[0])
        return np.stack(states)

    def close(self) -> None:
        """Has nothing."""


@pytest.mark.parametrize("context", [pytest.param(0, marks=SLOWLY), 1])
def test_both_stages_are_done_again_whichever_fails(
    open_parts: Open, machine: Machine, long_sample: Path, monkeypatch: pytest.MonkeyPatch, context: int
) -> None:
    QuickEncoder.cpu = open_parts("off").encoder
    monkeypatch.setattr(npu_room, "NpuEncoder", QuickEncoder)
    monkeypatch.setattr(npu_room, "check_layer", lambda *_, **__: "not tried")
    taken(monkeypatch)
    parts = open_parts("auto")
    assert parts.mel.device == parts.encoder.device == "npu"
    assert isinstance(parts.mel([np.zeros(1, np.float32)] * 2), Coming)
    progress = 0
    for event in alone.transcribe(parts, long_sample, Options(vad=False)):
        if isinstance(event, Progress):
            progress += 1
            if progress == 1:
                machine.faults.append(Garbage(context=context))
    assert isinstance(event, Finished)
    result = event.transcript
    assert result.text == on_cpu(long_sample) != ""
    assert (devices(result, "mel"), devices(result, "encoder")) == (["npu", "cpu"], ["npu", "cpu"])
    assert len(result.warnings) == 1
    coming = Coming((1, 80, 3000))
    with pytest.raises(Retired):
        parts.encoder(coming)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_the_whole_pipeline_on_the_simulated_npu(
    open_parts: Open, sample: Path, monkeypatch: pytest.MonkeyPatch, simulated_kernels: Path, precision: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(simulated_kernels))
    parts = open_parts("simulated", precision=precision)
    result = transcribe(parts, sample)
    assert devices(result, "mel") == devices(result, "encoder") == ["npu (simulated)"]
    assert f"{precision}, layer of 256: " in (stage(result, "encoder")[0].reason or "")
    assert result.text == on_cpu(sample)


@pytest.mark.slow
def test_an_encoder_retired_in_the_middle(open_parts: Open, machine: Machine, sample: Path, long_sample: Path) -> None:
    parts = open_parts("required")
    assert parts.encoder.device == parts.mel.device == "npu"
    progress = 0
    for event in alone.transcribe(parts, long_sample, Options(vad=False)):
        if isinstance(event, Progress):
            progress += 1
            if progress == 1:
                machine.faults.append(Garbage(context=1))
    assert isinstance(event, Finished)
    assert event.transcript.text == on_cpu(long_sample) != ""
    assert devices(event.transcript, "encoder") == ["npu", "cpu"]
    assert "rows that are not normalised" in event.transcript.warnings[0]
