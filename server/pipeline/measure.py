"""The choice of the CPU encoder, by measurement on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from time import perf_counter

import numpy as np

from server.pipeline.checkpoint import Checkpoint
from server.pipeline.cpu import cpu_flags, has_bf16_matrix
from server.pipeline.ct2_weights import encoder_weights
from server.pipeline.encoder import Ct2Encoder
from server.pipeline.settings import ModelSettings
from server.pipeline.stages import Encoder
from server.pipeline.types import MEL_FRAMES

REPEATS = 3


def choose_encoder(candidates: Mapping[str, Encoder], n_mels: int, repeats: int = REPEATS) -> tuple[Encoder, str]:
    """The fastest of the named candidates on one window of full size, and every timing as the reason.

    A single candidate is not timed: there is nothing to choose.
    """
    if len(candidates) == 1:
        [(name, encoder)] = candidates.items()
        return encoder, name
    times = {name: window_ms(encoder, n_mels, repeats) for name, encoder in candidates.items()}
    fastest = min(times, key=times.__getitem__)
    measured = ", ".join(f"{name} {ms:.0f} ms" for name, ms in times.items())
    return candidates[fastest], f"{fastest}: {measured} per window, median of {repeats} at start-up"


def window_ms(encoder: Encoder, n_mels: int, repeats: int = REPEATS) -> float:
    """Median wall time of one window, in ms, after one run to warm up. The time does not depend on what is heard."""
    mel = np.random.default_rng(0).uniform(-1, 1, (1, n_mels, MEL_FRAMES)).astype(np.float32)
    encoder(mel)
    times = []
    for _ in range(repeats):
        start = perf_counter()
        encoder(mel)
        times.append((perf_counter() - start) * 1e3)
    return median(times)


def cpu_encoder(
    checkpoint: Checkpoint, settings: ModelSettings, flags: frozenset[str] | None = None
) -> tuple[Encoder, str]:
    """The CPU encoder that ``settings`` ask for, and why it is the one.

    torch is imported only where it is asked for by name, or where auto meets bfloat16 matrix hardware and an
    arithmetic that is free to choose. ``flags`` are those of this processor unless given.
    """
    ctranslate2 = f"ctranslate2 {checkpoint.compute_type}"
    bf16 = has_bf16_matrix(cpu_flags() if flags is None else flags)
    if settings.encoder == "torch":
        return _torch(checkpoint, bf16=bf16), f"torch {'bfloat16' if bf16 else 'float32'}, as configured"
    if settings.encoder == "ctranslate2":
        return Ct2Encoder(checkpoint), f"{ctranslate2}, as configured"
    if settings.compute_type != "auto":
        return Ct2Encoder(checkpoint), f"{ctranslate2}, as model.compute_type asks"
    if not bf16:
        return Ct2Encoder(checkpoint), f"{ctranslate2}: this processor has no bfloat16 matrix hardware"
    candidates = {ctranslate2: Ct2Encoder(checkpoint), "torch bfloat16": _torch(checkpoint, bf16=True)}
    return choose_encoder(candidates, checkpoint.n_mels)


def _torch(checkpoint: Checkpoint, *, bf16: bool) -> Encoder:
    from server.pipeline.encoder_torch import TorchEncoder

    weights = encoder_weights(checkpoint.directory / "model.bin")
    return TorchEncoder(weights, "bfloat16" if bf16 else "float32", checkpoint.threads)
