"""The choice of the CPU encoder: by the settings, else by measurement on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from time import perf_counter
from typing import Literal

import numpy as np

from kernels.mel.audio import MEL_FRAMES, Float32
from server.checkpoints.encoder_weights import encoder_weights
from server.errors import ModelUnavailable
from server.machine.memory import available_bytes
from server.pipeline.encoding.ct2_encoder import Ct2Encoder
from server.pipeline.stages.protocols import Encoder
from server.pipeline.stages.whisper import Checkpoint
from server.settings.stages import ModelSettings

EncoderName = Literal["ctranslate2", "openvino"]  # as model.encoder names them

# Encoders and arithmetic that auto may choose: those that passed `python -m bench.accuracy`. docs/accuracy.md says by
# how much CTranslate2 in int8 and OpenVINO in bfloat16 failed. An encoder that the settings name is taken as it is.
ACCURATE: frozenset[tuple[EncoderName, str]] = frozenset({("openvino", "float32"), ("ctranslate2", "float32")})

SHARE = 0.5  # of this machine's or container's memory, for the encoder's weights
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


def cpu_encoder(checkpoint: Checkpoint, settings: ModelSettings) -> EncoderChoice:
    """Build the CPU encoder that ``settings`` ask for.

    auto times those of ACCURATE, and takes CTranslate2 where none of them can be built. Raises ModelUnavailable where
    the encoder that the settings name cannot be built.
    """
    every = _encoders(checkpoint)
    if settings.encoder != "auto":
        name, arithmetic, build = next(encoder for encoder in every if encoder[0] == settings.encoder)
        return EncoderChoice(Candidate(name, arithmetic, build()), configured=True)
    candidates: list[Candidate] = []
    refused: list[str] = []
    for name, arithmetic, build in every:
        if (name, arithmetic) not in ACCURATE:
            continue
        try:
            candidates.append(Candidate(name, arithmetic, build()))
        except ModelUnavailable as error:
            refused.append(f"{name} {arithmetic} cannot: {error.message.rstrip('.')}")
    last_resort = Candidate("ctranslate2", checkpoint.compute_type, Ct2Encoder(checkpoint))
    return replace(choose_encoder(candidates or [last_resort], checkpoint.n_mels), refused=tuple(refused))


def _encoders(checkpoint: Checkpoint) -> Sequence[tuple[EncoderName, str, Callable[[], Encoder]]]:
    """Return name, arithmetic and constructor of each encoder."""
    return (
        ("ctranslate2", checkpoint.compute_type, partial(Ct2Encoder, checkpoint)),
        ("openvino", "float32", partial(_openvino, checkpoint)),
    )


def _openvino(checkpoint: Checkpoint) -> Encoder:
    try:
        from server.pipeline.encoding.openvino_encoder import OpenVinoEncoder, memory_bytes
    except ImportError as error:
        raise ModelUnavailable(f"openvino cannot be imported: {error}.", param="model.encoder") from error
    weights = encoder_weights(checkpoint.directory / "model.bin")
    if (needed := memory_bytes(weights)) > SHARE * available_bytes():
        raise ModelUnavailable(f"it would take {needed / 1e9:.1f} GB of memory.", param="model.encoder")
    return OpenVinoEncoder(weights, "float32", checkpoint.threads)
