"""How many windows a stage should take together: measured on this machine, with this model, when it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter

import numpy as np

from server.pipeline.parts import Parts
from server.pipeline.types import MEL_FRAMES

GAIN = 0.1  # a larger batch must save this part of a window's time: it makes everybody else wait for longer
BUDGET = 3.0  # seconds that measuring one stage may take
TOKENS = 16
REPEATS = 2

Curve = Mapping[int, float]  # windows in the batch -> ms per window


def measure(run: Callable[[int], None], largest: int, budget: float = BUDGET) -> dict[int, float]:
    """Time batches of 1, 2, 4, ... windows; stops before a size that would break the budget."""
    began = perf_counter()
    run(1)  # warm-up
    curve: dict[int, float] = {}
    size = 1
    while size <= largest:
        seconds = min(_seconds(run, size) for _ in range(REPEATS))
        curve[size] = seconds / size * 1e3
        size *= 2
        if perf_counter() - began + 2 * REPEATS * seconds > budget:
            break
    return curve


def best(curve: Curve, gain: float = GAIN) -> int:
    """The smallest size that no larger one beats by ``gain``."""
    least = min(curve.values())
    return min(size for size, ms in curve.items() if ms <= least * (1.0 + gain))


def describe(curve: Curve) -> str:
    """For people: what was measured and what follows."""
    measured = ", ".join(f"{size}: {ms:.0f}" for size, ms in curve.items())
    return f"batches of {best(curve)} (ms per window by batch size {measured}, at start-up)"


def encoder_curve(parts: Parts) -> dict[int, float]:
    mel = np.random.default_rng(0).uniform(-1, 1, (_largest(parts), parts.checkpoint.n_mels, MEL_FRAMES))
    noise = mel.astype(np.float32)
    return measure(lambda size: _drop(parts.encoder(noise[:size])), _largest(parts))


def decoder_curve(parts: Parts) -> dict[int, float]:
    silence = np.zeros((1, parts.checkpoint.n_mels, MEL_FRAMES), np.float32)
    states = np.repeat(parts.encoder(silence), _largest(parts), axis=0)
    return measure(lambda size: parts.decoder.rehearse(states[:size], TOKENS), _largest(parts))


def _largest(parts: Parts) -> int:
    return parts.settings.decode.batch_size


def _seconds(run: Callable[[int], None], size: int) -> float:
    began = perf_counter()
    run(size)
    return perf_counter() - began


def _drop(_: object) -> None:
    """The result is not wanted, the time is."""
