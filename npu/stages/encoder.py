"""Whisper's encoder on the NPU: a few launches for each window, between which activations stay in device memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kernels.encoder import reference
from kernels.encoder.pack import load, pack_commands, pack_mel
from kernels.encoder.plan import EncoderPlan, plan
from kernels.encoder.regions import Matrix
from kernels.encoder.shapes import HEAD, Shape
from kernels.encoder.weights import EncoderWeights, Float32
from kernels.mel.audio import ENCODER_FRAMES
from kernels.mel.features import Features
from npu.errors import NpuUnavailable, WrongResult
from npu.kernel_folders import MELS
from npu.runtime.npu import Npu
from npu.runtime.selftest import Verdict, judge_layer
from npu.stages.stage import SLOTS, NpuStage
from npu.stages.weight_cache import load_packed
from npu.stages.window_program import window_streams

BF16_BYTES = 2
WIDEST = 1280  # d_model of large-v3
MEAN, SQUARES = 0.05, (0.5, 1.1)  # bounds for a normalised row: 0 and 1, but for bf16 and Whisper's epsilon


class NpuEncoder(NpuStage[Features]):
    """Whisper's encoder on the NPU, from features float32 [B, n_mels, 3000] to float32 [B, 1500, d_model].

    Products are in bf16, those of the layers in int8 with ``int8``; sums are float32. While the NPU runs one window,
    the host writes the next one and reads the result of the one before. ``cached`` is True if the packed weights were
    on disk.
    """

    def __init__(
        self, npu: Npu, weights: EncoderWeights, *, int8: bool = False, canary_windows: int | None = None
    ) -> None:
        """Load the overlays and copy the packed weights to the device. ``canary_windows`` is explained at NpuStage.

        Raises NpuUnavailable for an encoder that the kernels cannot compute, and the errors of ``Npu.resident``.
        """
        self.shape = shape_of(weights)
        self.norm = weights.norm
        folders = npu.folders.encoder(int8=int8)
        residents = {name: npu.resident(folder) for name, folder in folders.items()}
        first = next(iter(residents.values())).overlay
        self.plan: EncoderPlan = plan(self.shape, first.folder.manifest.columns, int8=int8)
        streams = window_streams(self.plan, folders)
        steps = [(residents[name], residents[name].overlay.program(data)) for name, data in streams]
        packed = first.buffer(self.plan.weight_elements * BF16_BYTES)
        self.cached = load_packed(self.plan, weights, npu.folders.cache / "weights", packed.view(np.uint16))
        words = pack_commands(self.plan)
        commands = first.buffer(words.nbytes)
        commands.view(np.uint16)[:] = words
        for buffer in (packed, commands):
            buffer.to_device()
        activations = [first.buffer(self.plan.activation_elements * BF16_BYTES) for _ in range(SLOTS)]
        slots = [(buffer, packed, commands) for buffer in activations]
        super().__init__("encoder", npu, steps, slots, canary_windows)

    def _allocate(self, features: Features) -> Float32:
        shape = self.shape
        if features.shape[1:] != (shape.n_mels, 2 * shape.frames):
            raise ValueError(
                f"features of shape {features.shape} for an encoder of {shape.n_mels} x {2 * shape.frames}"
            )
        return np.empty((len(features), shape.frames, shape.width), np.float32)

    def _write(self, window: Float32, slot: int) -> None:
        activations = self._slots[slot][0]
        pack_mel(self.plan, window, activations.view(np.uint16))
        activations.view(np.uint16)[_elements(self.plan.norm)] = 0xFFFF  # NaN, should the launch not write it
        for place in (self.plan.conv_in, self.plan.norm):
            activations.to_device(*_bytes(place))

    def _read(self, slot: int, result: Float32) -> None:
        activations = self._slots[slot][0]
        activations.from_device(*_bytes(self.plan.norm))
        rows = load(activations.view(np.uint16), self.plan.norm)[: self.shape.frames, : self.shape.width]
        check_rows(rows)
        np.multiply(rows, self.norm.gain, out=result)
        result += self.norm.bias


def check_layer(npu: Npu, weights: EncoderWeights, *, int8: bool = False, frames: int = ENCODER_FRAMES) -> Verdict:
    """Run a model's convolutions and first layer on the NPU with random features, and compare with float64.

    ``frames`` is the number of positions of the window. Returns the deviation; raises WrongResult if it is too large,
    and the errors of NpuEncoder.
    """
    first = replace(weights, positions=weights.positions[:frames], layers=weights.layers[:1])
    shape = shape_of(first)
    mel = np.random.default_rng(5).uniform(-1, 1.5, (1, shape.n_mels, 2 * shape.frames)).astype(np.float32)
    stage = NpuEncoder(npu, first, int8=int8)
    try:
        return judge_layer(stage(mel)[0], reference.encode(first, mel[0]), f"layer of {shape.width}", int8=int8)
    finally:
        stage.close()


def shape_of(weights: EncoderWeights) -> Shape:
    """Return the dimensions of an encoder.

    Raises NpuUnavailable, with the dimension, if the kernels cannot compute it.
    """
    frames, width = weights.positions.shape
    n_mels, up = weights.n_mels, weights.layers[0].up
    shape = Shape("window", width, width // HEAD, len(weights.layers), n_mels, frames)
    if width % HEAD or not HEAD <= width <= WIDEST:
        raise NpuUnavailable(f"the kernels serve widths of {HEAD} to {WIDEST} in steps of {HEAD}, not {width}")
    if n_mels not in MELS:
        raise NpuUnavailable(f"the kernels serve 80 or 128 mel bands, not {n_mels}")
    if weights.heads != shape.heads:
        raise NpuUnavailable(f"the kernels serve heads of {HEAD} dimensions, not of {width // weights.heads}")
    if up.shape != (shape.hidden, width):
        raise NpuUnavailable(f"the kernels serve feed-forward layers of 4 x {width}, not {up.shape[0]}")
    return shape


def check_rows(rows: NDArray[np.float32]) -> None:
    """Check that rows, float32 [frames, d_model], are normalised like a layer norm's before gain and bias.

    Raises WrongResult for others, such as garbage, zeros, or NaN that the launch did not overwrite.
    """
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


def _elements(place: Matrix) -> slice:
    return slice(place.offset, place.offset + place.elements)


def _bytes(place: Matrix) -> tuple[int, int]:
    return place.offset * BF16_BYTES, place.elements * BF16_BYTES
