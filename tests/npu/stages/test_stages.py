"""mel and encoder on the simulated NPU: every window has right values, or an error names the reason."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kernels.encoder import reference
from kernels.encoder.shapes import Shape
from kernels.encoder.weights import random_encoder
from kernels.mel.audio import Float32
from kernels.mel.reference import whisper_log_mel
from npu.errors import FolderRefused, NpuUnavailable, WrongResult
from npu.kernel_folders import Folders
from npu.runtime.npu import Npu, open_npu
from npu.runtime.selftest import BF16_ERROR, INT8_ERROR
from npu.simulated import Machine
from npu.simulated.execution import Execution
from npu.simulated.faults import Fault, Garbage
from npu.stages.encoder import NpuEncoder, check_layer, check_rows, shape_of
from npu.stages.mel import NpuMel
from npu.stages.pending_features import PendingFeatures
from server.pipeline.encoding.cpu_mel import CpuMel
from tests.npu.opening import NOWHERE, SMALL, opened_npu, small_encoder

MEL_ERROR = 0.01  # of Whisper's values, which span 2: kernels/mel/README.md


@pytest.fixture(scope="module")
def npu(simulated_kernels: Path) -> Iterator[Npu]:
    with opened_npu(simulated_kernels) as opened:
        yield opened


@pytest.fixture(scope="module")
def mel(npu: Npu) -> NpuMel:
    return NpuMel(npu)


def speech_like(seconds: float, seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return chords in noise whose loudness changes from second to second, at 16 kHz."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * 16_000)) / 16_000
    chords = sum(np.sin(2 * np.pi * f * t + f) for f in (140, 700, 1800, 3300))
    loudness = np.repeat(rng.uniform(0.001, 0.2, int(seconds) + 1), 16_000)[: len(t)]
    return (loudness * (chords + 0.3 * rng.standard_normal(len(t)))).astype(np.float32)


def features(seed: int, windows: int = 1, n_mels: int = 80) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(seed).uniform(-1, 1.5, (windows, n_mels, 2 * SMALL.frames)).astype(np.float32)


def relative(got: np.ndarray, want: np.ndarray) -> float:
    return float(np.linalg.norm(got - want) / np.linalg.norm(want))


def test_mel_of_a_batch_is_that_of_each_window(mel: NpuMel) -> None:
    windows = [speech_like(seconds, seed=n) for n, seconds in enumerate((30, 0.5, 11))] + [np.zeros(9, np.float32)]
    got = mel(windows)
    for one, samples in zip(got, windows, strict=True):
        assert np.abs(one - whisper_log_mel(samples, 80)).max() < MEL_ERROR
        assert np.abs(one - CpuMel(80)([samples])[0]).max() < MEL_ERROR


def test_mel_of_128_bands(npu: Npu) -> None:
    stage, samples = NpuMel(npu, 128), speech_like(7)
    assert np.abs(stage([samples])[0] - whisper_log_mel(samples, 128)).max() < MEL_ERROR
    stage.close()
    with pytest.raises(NpuUnavailable, match="96 bands, only for 80 and 128"):
        NpuMel(npu, 96)


def test_mel_counts_what_it_did(npu: Npu) -> None:
    mine = NpuMel(npu)
    assert mine.metrics()["windows"] == 0
    mine([speech_like(1)] * 3)
    metrics = mine.metrics()
    assert metrics["windows"] == 3
    assert 0 < metrics["launch_seconds"] <= metrics["seconds"]
    assert metrics["realtime"] == pytest.approx(90 / metrics["seconds"])
    mine.close()


def test_more_than_a_window_is_refused_and_the_next_is_right(mel: NpuMel) -> None:
    good = speech_like(2)
    with pytest.raises(ValueError, match="480001"):
        mel([good, np.zeros(480_001, np.float32), good])
    assert np.abs(mel([good])[0] - whisper_log_mel(good, 80)).max() < MEL_ERROR


@pytest.mark.parametrize("int8", [False, True])
def test_encoder(npu: Npu, int8: bool) -> None:
    weights, mels = small_encoder(), features(1, windows=3)
    stage = NpuEncoder(npu, weights, int8=int8)
    got = stage(mels)
    before = got.copy()
    for one, mel in zip(got, mels, strict=True):
        assert relative(one, reference.encode(weights, mel)) < (INT8_ERROR if int8 else BF16_ERROR) / 2
    stage(features(2))
    assert (got == before).all(), "results are the caller's own"
    assert (stage.metrics()["windows"], stage.metrics()["launches"]) == (4, 1)
    stage.close()


def test_separate_overlays_give_what_the_fused_one_gives(npu: Npu, simulated_kernels: Path, tmp_path: Path) -> None:
    """A folder set without the fused program, which may not fit, needs four launches in place of one."""
    names = ("matmul", "attention")
    host = tmp_path / "host"
    host.mkdir()
    for name in names:
        (host / name).symlink_to(npu.folders.read(name).path)
    weights, mels = small_encoder(), features(3)

    class Separate(Folders):
        def encoder(self, *, int8: bool) -> dict[str, object]:  # type: ignore[override]
            return {name: self.read(name) for name in names}

    with opened_npu(simulated_kernels, folders=Separate(tmp_path, "host", simulated_kernels)) as other:
        stage = NpuEncoder(other, weights)
        assert {resident.name for resident in stage.residents} == set(names)
        assert stage.metrics()["launches"] == 3
        separate = stage(mels)
        stage.close()
    fused = NpuEncoder(npu, weights)
    assert (fused(mels) == separate).all()
    fused.close()


def test_mel_and_encoder_run_side_by_side(npu: Npu, mel: NpuMel) -> None:
    """The next window's mel is launched while this window's encoder runs: two overlays, two threads."""
    weights, mels, audio = small_encoder(), features(4, windows=2), speech_like(5)
    stage = NpuEncoder(npu, weights)
    alone = stage(mels), mel([audio])
    together: dict[str, object] = {}
    threads = [
        threading.Thread(target=lambda: together.update(states=stage(mels))),
        threading.Thread(target=lambda: together.update(mel=mel([audio]))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (together["states"] == alone[0]).all()
    assert (together["mel"] == alone[1]).all()
    stage.close()


class Cut:
    """The first frames of pending features, for a small encoder."""

    def __init__(self, pending: PendingFeatures) -> None:
        self.pending = pending
        self.shape = (len(pending), 80, 2 * SMALL.frames)

    def __len__(self) -> int:
        return len(self.pending)

    def __getitem__(self, window: int) -> Float32:
        return self.pending[window][:, : 2 * SMALL.frames]

    def __array__(self, dtype: None = None) -> Float32:
        raise AssertionError("the encoder reads window by window")


class Watched(Fault):
    """A fault that changes nothing, and sets ``encoding`` when the first launch of the encoder begins."""

    def __init__(self) -> None:
        self.encoding = threading.Event()

    def run(self, execution: Execution) -> bool:
        if execution.context.number == 1:  # mel's context is the first, the encoder's the second
            self.encoding.set()
        return False


class Late(NpuMel):
    """A mel stage that reads no window but the first before the encoder has begun."""

    encoding: threading.Event
    windows = 0

    def _read(self, slot: int, result: Float32) -> None:
        self.windows += 1
        if self.windows > 1:
            assert self.encoding.wait(30)
        super()._read(slot, result)


def test_the_next_windows_mel_overlaps_this_windows_encoder(simulated_kernels: Path) -> None:
    """In this test the second window's mel cannot end before the encoder has begun with the first window."""
    machine = Machine()
    with opened_npu(simulated_kernels, machine) as npu:
        mel, encoder, late = NpuMel(npu), NpuEncoder(npu, small_encoder()), Late(npu)
        windows = [speech_like(4, seed) for seed in range(3)]
        whole = mel(windows)
        eager = encoder(whole[:, :, : 2 * SMALL.frames])
        watched = Watched()
        late.encoding = watched.encoding
        machine.faults.append(watched)
        pending = late.ahead(windows)
        assert pending.shape == whole.shape
        assert (encoder(Cut(pending)) == eager).all()
        assert (np.asarray(pending) == whole).all()
        for stage in (mel, encoder, late):
            stage.close()


def test_what_fails_ahead_reaches_whoever_waits(simulated_kernels: Path) -> None:
    machine = Machine()
    with opened_npu(simulated_kernels, machine) as npu:
        mel = NpuMel(npu)
        good = mel.ahead([speech_like(1)] * 2)
        assert good[1].shape == (80, 3000)
        machine.faults.append(Garbage(launch=4))  # after the self-test, these two, and the next window
        pending = mel.ahead([speech_like(1)] * 3)
        assert np.isfinite(pending[0]).all()
        for window in (1, 2):
            with pytest.raises(WrongResult, match="completed and left"):
                pending[window]
        with pytest.raises(WrongResult):
            np.asarray(pending)
        mel.close()


def test_a_layer_of_the_model(npu: Npu) -> None:
    verdict = check_layer(npu, random_encoder(Shape("two", 320, 5, 2)), frames=100)
    assert verdict.elements == 100 * 320
    assert 0 < verdict.relative < verdict.allowed


@pytest.mark.slow
@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize(("width", "n_mels"), [(384, 80), (512, 80), (768, 80), (1024, 80), (1280, 128)])
def test_a_layer_of_every_whisper_size(npu: Npu, width: int, n_mels: int, int8: bool) -> None:
    weights = random_encoder(Shape("size", width, width // 64, 1, n_mels=n_mels))
    assert check_layer(npu, weights, int8=int8, frames=250).elements == 250 * width


def test_what_is_closed_gives_its_memory_back(simulated_kernels: Path) -> None:
    machine = Machine()
    with opened_npu(simulated_kernels, machine) as npu:
        locked = []
        for _ in range(3):
            mel, encoder = NpuMel(npu), NpuEncoder(npu, small_encoder())
            mel([speech_like(1)])
            encoder(features(6))
            mel.close()
            encoder.close()
            locked.append(machine.locked)
        assert locked[0] == locked[1] == locked[2]
    assert (machine.contexts, machine.locked) == (0, 0)


def test_a_layer_of_other_weights_is_found_out(npu: Npu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("npu.stages.weight_cache.pack_weights", _packed_wrongly)
    with pytest.raises(WrongResult, match="a layer of the model"):
        check_layer(npu, random_encoder(SMALL, seed=77), frames=100)


def _packed_wrongly(plan: object, encoder: object) -> object:
    from kernels.encoder.pack import pack_weights

    del encoder
    return pack_weights(plan, random_encoder(SMALL, seed=78))  # type: ignore[arg-type]


@pytest.mark.parametrize("stage", ["mel", "encoder"])
def test_garbage_that_completed_is_never_given_away(simulated_kernels: Path, stage: str) -> None:
    machine = Machine()
    with opened_npu(simulated_kernels, machine) as npu:
        mel, encoder = NpuMel(npu), NpuEncoder(npu, small_encoder())
        machine.faults.append(Garbage())
        with pytest.raises(WrongResult, match="completed and left"):
            mel([speech_like(3)]) if stage == "mel" else encoder(features(5))


def test_garbage_fails_the_selftest(simulated_kernels: Path) -> None:
    machine = Machine()
    machine.faults.append(Garbage())
    with (
        opened_npu(simulated_kernels, machine) as npu,
        pytest.raises(WrongResult, match=r"self-test .* mel_80.energies"),
    ):
        NpuMel(npu)


def test_rows_that_are_not_normalised() -> None:
    good = np.random.default_rng(0).standard_normal((10, 256)).astype(np.float32)
    good = (good - good.mean(axis=1, keepdims=True)) / good.std(axis=1, keepdims=True)
    check_rows(good)
    for spoilt in (0.0, np.nan, np.inf, 7.0, good[3] + 1, good[3] * 2):
        rows = good.copy()
        rows[3] = spoilt
        with pytest.raises(WrongResult, match=r"1 of 10 rows .*row 3"):
            check_rows(rows)


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        (Shape("odd", 96, 1, 1), "not 96"),
        (Shape("huge", 1344, 21, 1), "not 1344"),
        (Shape("bands", 256, 4, 1, n_mels=96), "not 96"),
    ],
)
def test_encoders_that_the_kernels_cannot_do(shape: Shape, why: str) -> None:
    with pytest.raises(NpuUnavailable, match=why):
        shape_of(random_encoder(dataclasses.replace(shape, frames=10)))


def test_a_feed_forward_layer_of_another_width() -> None:
    weights = small_encoder()
    narrow = dataclasses.replace(weights.layers[0].up, stored=weights.layers[0].up.weight[:512])
    layer = dataclasses.replace(weights.layers[0], up=narrow)
    with pytest.raises(NpuUnavailable, match="4 x 256, not 512"):
        shape_of(dataclasses.replace(weights, layers=(layer,)))


@pytest.mark.parametrize("target", ["npu1", "host"])
def test_folders_that_are_not_there(tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr("kernels.host.compile.CACHE", tmp_path / "objects")
    folders = Folders(tmp_path, target, tmp_path / "cache")  # type: ignore[arg-type]
    with pytest.raises(NpuUnavailable, match=r"no kernel folder mel_80|no-such-compiler") as caught:
        folders.mel(80)
    assert (target == "npu1") == ("kernels build" in str(caught.value.cure))
    with pytest.raises(NpuUnavailable, match=r"encoder or matmul and attention|cannot be built"):
        folders.encoder(int8=False)


def test_a_folder_of_other_kernels_is_refused(simulated_kernels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = Folders(NOWHERE, "host", simulated_kernels)
    path = folders.mel(80).path
    (simulated_kernels / "other" / "host").mkdir(parents=True)
    (simulated_kernels / "other" / "host" / "mel_80").symlink_to(path)
    monkeypatch.setattr("npu.kernel_folders.overlay_sha256", lambda design: "0" * 64)
    with pytest.raises(FolderRefused, match="other kernels than this version"):
        Folders(simulated_kernels / "other", "host", simulated_kernels).mel(80)


def test_usable_from_python_alone(simulated_kernels: Path) -> None:
    with open_npu(Folders(NOWHERE, "host", simulated_kernels), simulated=True) as npu:
        mel = NpuMel(npu)
        assert mel.device == "npu (simulated)"
        assert mel([speech_like(1)]).shape == (1, 80, 3000)
        mel.close()
    with pytest.raises(NpuUnavailable, match="there is no /nowhere/accel9"):
        open_npu(node=NOWHERE / "accel9")
