"""The choice of the CPU encoder: by the settings, else by measurement on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from time import perf_counter
from typing import Literal

import numpy as np

from kernels.mel.audio import MEL_FRAMES, Float32
from server.checkpoints.encoder_weights import encoder_weights
from server.errors import ModelUnavailable
from server.machine.cpu import cpu_flags, has_bf16_matrix, has_int8_dot
from server.machine.optional_packages import require_extra
from server.pipeline.encoding.ct2_encoder import Ct2Encoder
from server.pipeline.encoding.torch_encoder import Precision
from server.pipeline.stages.protocols import Encoder
from server.pipeline.stages.whisper import Checkpoint
from server.settings.stages import ModelSettings

EncoderName = Literal["ctranslate2", "onnxruntime", "torch"]  # as model.encoder names them

REPEATS = 3
ENOUGH_MS = 2000.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A CPU encoder; ``ms`` is its median time for one window, None where it was not timed."""

    implementation: EncoderName
    arithmetic: str
    encoder: Encoder
    ms: float | None = None

    def __str__(self) -> str:
        return f"{self.implementation} {self.arithmetic}"


@dataclass(frozen=True, slots=True)
class EncoderChoice:
    """The CPU encoder of a model, and the facts that the choice rests on.

    ``timed`` are all candidates with their times, none where there was nothing to choose. ``refused`` are the errors of
    those that could not be built, ``configured`` tells that the settings name the encoder.
    """

    chosen: Candidate
    timed: tuple[Candidate, ...] = ()
    refused: tuple[str, ...] = ()
    configured: bool = False

    @property
    def reason(self) -> str:
        """The choice as one clause for people, with every measured time."""
        if self.configured:
            return f"{self.chosen}, as configured"
        times = ", ".join(f"{candidate} {candidate.ms:.0f} ms" for candidate in self.timed)
        measured = f": {times} per window, median at start-up" if times else ""
        return "; ".join((f"{self.chosen}{measured}", *self.refused))


def choose_encoder(candidates: Sequence[Candidate], n_mels: int, repeats: int = REPEATS) -> EncoderChoice:
    """Choose the candidate that is the fastest on one window of full size; a single candidate is not timed."""
    if len(candidates) == 1:
        return EncoderChoice(candidates[0])
    times = [window_ms(candidate.encoder, n_mels, repeats) for candidate in candidates]
    timed = tuple(replace(candidate, ms=ms) for candidate, ms in zip(candidates, times, strict=True))
    return EncoderChoice(timed[times.index(min(times))], timed)


def window_ms(encoder: Encoder, n_mels: int, repeats: int = REPEATS) -> float:
    """Return the median wall time of one window in ms, after one run to warm up; no time depends on the audio.

    An encoder that is so slow that warming up hardly counts is run once, or less often than ``repeats``: no run starts
    after ENOUGH_MS of timing.
    """
    mel = np.random.default_rng(0).uniform(-1, 1, (1, n_mels, MEL_FRAMES)).astype(np.float32)
    warm_up = _ms(encoder, mel)
    if warm_up >= ENOUGH_MS:
        return warm_up
    times: list[float] = []
    while not times or (len(times) < repeats and sum(times) < ENOUGH_MS):
        times.append(_ms(encoder, mel))
    return median(times)


def _ms(encoder: Encoder, mel: Float32) -> float:
    start = perf_counter()
    encoder(mel)
    return (perf_counter() - start) * 1e3


def cpu_encoder(checkpoint: Checkpoint, settings: ModelSettings, flags: frozenset[str] | None = None) -> EncoderChoice:
    """Build the CPU encoder that ``settings`` ask for.

    auto times those that could be the fastest on this processor, within the arithmetic that model.compute_type allows;
    the processor's ``flags`` are read unless given. torch is imported only where it is one of them or is asked for by
    name. Raises ModelUnavailable where the encoder that the settings name cannot be built.
    """
    candidates: list[Candidate] = []
    refused: list[str] = []
    for name, arithmetic, build in _promising(checkpoint, settings, cpu_flags() if flags is None else flags):
        try:
            candidates.append(Candidate(name, arithmetic, build()))
        except ModelUnavailable as error:
            if settings.encoder != "auto":
                raise
            refused.append(f"{name} {arithmetic} cannot: {error.message.rstrip('.')}")
    choice = choose_encoder(candidates, checkpoint.n_mels)
    return replace(choice, refused=tuple(refused), configured=settings.encoder != "auto")


def _promising(
    checkpoint: Checkpoint, settings: ModelSettings, flags: frozenset[str]
) -> Iterator[tuple[EncoderName, str, Callable[[], Encoder]]]:
    """Yield name, arithmetic and constructor of every encoder that may be chosen."""
    bf16 = has_bf16_matrix(flags)
    precision: Precision = "bfloat16" if bf16 else "float32"
    auto = settings.encoder == "auto"
    if auto or settings.encoder == "ctranslate2":
        yield "ctranslate2", checkpoint.compute_type, partial(Ct2Encoder, checkpoint)
    if (auto and has_int8_dot(flags) and checkpoint.compute_type == "int8") or settings.encoder == "onnxruntime":
        yield "onnxruntime", "int8", partial(_onnx, checkpoint)
    if (auto and bf16 and settings.compute_type == "auto") or settings.encoder == "torch":
        yield "torch", precision, partial(_torch, checkpoint, precision)


def _onnx(checkpoint: Checkpoint) -> Encoder:
    from server.pipeline.encoding.onnx_encoder import OnnxEncoder

    return OnnxEncoder(encoder_weights(checkpoint.directory / "model.bin"), checkpoint.threads)


def _torch(checkpoint: Checkpoint, precision: Precision) -> Encoder:
    from server.pipeline.encoding.torch_encoder import TorchEncoder

    require_extra("The encoder torch", param="model.encoder")
    return TorchEncoder(encoder_weights(checkpoint.directory / "model.bin"), precision, checkpoint.threads)
