"""Whisper's encoder on the NPU: a few launches for each window, activations in device memory between all ops."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from kernels.encoder import reference
from kernels.encoder.pack import load, pack_commands, pack_mel
from kernels.encoder.plan import EncoderPlan, plan
from kernels.encoder.regions import Matrix
from kernels.encoder.shapes import HEAD, Shape
from kernels.encoder.weights import Encoder, Float32
from kernels.mel.audio import ENCODER_FRAMES
from npu.errors import NpuUnavailable, WrongResult
from npu.kernel_folders import MELS
from npu.runtime.npu import Npu
from npu.runtime.selftest import Verdict, judge_layer
from npu.stages.overlap import SLOTS, overlapped
from npu.stages.pending_features import Coming
from npu.stages.weight_cache import load_packed
from npu.stages.window_program import window_streams
from npu.xrt.buffer import Buffer

BF16_BYTES = 2
WIDEST = 1280  # d_model of large-v3
MEAN, SQUARES = 0.05, (0.5, 1.1)  # of a row that was normalised: 0 and 1, but for bf16 and Whisper's epsilon


class NpuEncoder:
    """float32 [B, n_mels, 3000] -> float32 [B, 1500, d_model], an array that the caller owns.

    Products are in bf16, those of the layers in int8 with ``int8``; sums are float32. While the NPU runs one window
    the host writes the next and reads out the one before.
    """

    def __init__(self, npu: Npu, weights: Encoder, *, int8: bool = False) -> None:
        """Raises NpuUnavailable for an encoder that the kernels cannot do, and as ``Npu.resident`` does."""
        self.device = npu.device
        self.shape = shape_of(weights)
        self.norm = weights.norm
        folders = npu.folders.encoder(int8=int8)
        self.residents = {name: npu.resident(folder) for name, folder in folders.items()}
        first = next(iter(self.residents.values())).overlay
        self.plan: EncoderPlan = plan(self.shape, first.folder.manifest.columns, int8=int8)
        streams = window_streams(self.plan, folders)
        self._launches = [(self.residents[at], self.residents[at].overlay.program(data)) for at, data in streams]
        self._weights = first.buffer(self.plan.weight_elements * BF16_BYTES)
        self.cached = load_packed(self.plan, weights, npu.folders.cache / "weights", self._weights.view(np.uint16))
        commands = pack_commands(self.plan)
        self._commands = first.buffer(commands.nbytes)
        self._commands.view(np.uint16)[:] = commands
        for buffer in (self._weights, self._commands):
            buffer.to_device()
        self._slots = [first.buffer(self.plan.activation_elements * BF16_BYTES) for _ in range(SLOTS)]
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="npu-encoder")
        self._lock = Lock()
        self._windows, self._seconds, self._launched = 0, 0.0, 0.0

    def __call__(self, mel: Float32 | Coming) -> Float32:
        """Windows that are still coming are waited for one by one.

        Raises ValueError for another shape, WrongResult, and what launches raise.
        """
        shape = self.shape
        if mel.shape[1:] != (shape.n_mels, 2 * shape.frames):
            raise ValueError(f"features of shape {mel.shape} for an encoder of {shape.n_mels} x {2 * shape.frames}")
        states = np.empty((len(mel), shape.frames, shape.width), np.float32)
        with self._lock:
            began = perf_counter()
            overlapped(
                len(mel),
                lambda window, slot: self._write(mel[window], self._slots[slot]),
                self._run,
                lambda window, slot: self._read(states[window], self._slots[slot]),
                self._thread,
            )
            self._windows += len(mel)
            self._seconds += perf_counter() - began
        return states

    def metrics(self) -> dict[str, float]:
        """Measured since the start: windows, launches of each, seconds in all, seconds of launches."""
        return {
            "windows": self._windows,
            "launches": len(self._launches),
            "seconds": self._seconds,
            "launch_seconds": self._launched,
        }

    def close(self) -> None:
        """Give back the thread and the memory of this model. The overlays stay: they are closed with the Npu."""
        self._thread.shutdown()
        for buffer in (self._weights, self._commands, *self._slots):
            buffer.close()

    def _write(self, mel: Float32, activations: Buffer) -> None:
        pack_mel(self.plan, mel, activations.view(np.uint16))
        activations.view(np.uint16)[_run(self.plan.norm)] = 0xFFFF  # NaN, should the launch not write it
        for place in (self.plan.conv_in, self.plan.norm):
            activations.to_device(*_bytes(place))

    def _run(self, slot: int) -> None:
        for resident, program in self._launches:
            self._launched += resident.launch(program, (self._slots[slot], self._weights, self._commands))

    def _read(self, states: Float32, activations: Buffer) -> None:
        activations.from_device(*_bytes(self.plan.norm))
        rows = load(activations.view(np.uint16), self.plan.norm)[: self.shape.frames, : self.shape.width]
        check_rows(rows)
        np.multiply(rows, self.norm.gain, out=states)
        states += self.norm.bias


def check_layer(npu: Npu, weights: Encoder, *, int8: bool = False, frames: int = ENCODER_FRAMES) -> Verdict:
    """The convolutions and the first layer of a model on random features, held against float64: the whole result.

    ``frames``: positions of the window that is tried. Raises WrongResult, and as NpuEncoder does.
    """
    one = replace(weights, positions=weights.positions[:frames], layers=weights.layers[:1])
    shape = shape_of(one)
    mel = np.random.default_rng(5).uniform(-1, 1.5, (1, shape.n_mels, 2 * shape.frames)).astype(np.float32)
    stage = NpuEncoder(npu, one, int8=int8)
    try:
        return judge_layer(stage(mel)[0], reference.encode(one, mel[0]), f"layer of {shape.width}", int8=int8)
    finally:
        stage.close()


def shape_of(weights: Encoder) -> Shape:
    """The shape that these weights have. Raises NpuUnavailable for one that the kernels cannot do, naming it."""
    frames, width = weights.positions.shape
    n_mels, first = weights.conv1.weight.shape[1], weights.layers[0]
    shape = Shape("window", width, width // HEAD, len(weights.layers), n_mels, frames)
    if width % HEAD or not HEAD <= width <= WIDEST:
        raise NpuUnavailable(f"the kernels serve widths of {HEAD} to {WIDEST} in steps of {HEAD}, not {width}")
    if n_mels not in MELS:
        raise NpuUnavailable(f"the kernels serve 80 or 128 mel bands, not {n_mels}")
    if first.up.weight.shape != (shape.hidden, width):
        raise NpuUnavailable(f"the kernels serve feed-forward layers of 4 x {width}, not {first.up.weight.shape[0]}")
    return shape


def check_rows(rows: NDArray[np.float32]) -> None:
    """Refuse what cannot be the end of a layer norm: garbage, zeros, or what was there before. Raises WrongResult."""
    with np.errstate(invalid="ignore", over="ignore"):
        mean = np.abs(rows.mean(axis=1))
        squares = np.einsum("ij,ij->i", rows, rows) / rows.shape[1]
    least, most = SQUARES
    good = (mean <= MEAN) & (squares >= least) & (squares <= most)
    if not good.all():
        bad = int(np.argmin(good))
        raise WrongResult(
            f"the encoder's launches completed and left {np.count_nonzero(~good)} of {len(rows)} rows that are not "
            f"normalised (row {bad}: mean {mean[bad]:.3g}, mean square {squares[bad]:.3g})"
        )


def _run(place: Matrix) -> slice:
    return slice(place.offset, place.offset + place.elements)


def _bytes(place: Matrix) -> tuple[int, int]:
    return place.offset * BF16_BYTES, place.elements * BF16_BYTES
