"""Measurement, when a model is loaded, of the number of windows that a stage should take in one batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Thread
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from kernels.mel.audio import MEL_FRAMES
from server.engine.messages import GAIN, Curve, Measured
from server.machine.cpu import usable_cores

if TYPE_CHECKING:
    from server.pipeline.loaded_model import LoadedModel

BUDGET = 3.0  # seconds that measuring one stage may take
TOKENS = 16
REPEATS = 2
FEW_CORES = 2  # side by side, a clip of 3 s beside ten files took 1.9 s (median) on two cores, in turn 0.5 s


def measure(run: Callable[[int], None], largest: int, budget: float = BUDGET) -> dict[int, float]:
    """Time batches of 1, 2, 4, ... windows, up to ``largest`` or until the next size would exceed ``budget`` seconds.

    Returns ms per window by batch size; ``run`` computes one batch of the size that it is given.
    """
    began = perf_counter()
    run(1)  # warm-up
    curve: dict[int, float] = {}
    size = 1
    while size <= largest:
        seconds = min(_timed(partial(run, size)) for _ in range(REPEATS))
        curve[size] = seconds / size * 1e3
        size *= 2
        if perf_counter() - began + 2 * REPEATS * seconds > budget:
            break
    return curve


def best(curve: Curve, gain: float = GAIN) -> int:
    """Return the smallest batch size whose time per window no larger one beats by the share ``gain``."""
    least = min(curve.values())
    return min(size for size, ms in curve.items() if ms <= least * (1.0 + gain))


def describe(curve: Curve) -> str:
    """Return a phrase for people with the measured times and the batch size chosen from them."""
    measured = ", ".join(f"{size}: {ms:.0f}" for size, ms in curve.items())
    return f"batches of {best(curve)} (ms per window by batch size {measured}, at start-up)"


def overlap_gain(encode: Callable[[], None], decode: Callable[[], None]) -> float:
    """Time two functions in turn and side by side, and return the first time divided by the second.

    The result is 2.0 at best, and 1.0 if side by side saves nothing.
    """

    def both() -> None:
        beside = Thread(target=encode)
        beside.start()
        decode()
        beside.join()

    apart = sum(min(_timed(run) for _ in range(REPEATS)) for run in (encode, decode))
    return apart / min(_timed(both) for _ in range(REPEATS))


def measure_stages(model: LoadedModel) -> Measured:
    """Time a model's encoder and decoder on noise: alone in batches of 1, 2, 4, ... windows, and both at once.

    The measurement takes a few seconds. An encoder on the NPU is timed with one window only. On a slow machine both at
    once are not timed, nor on few cores, where an encoder on the CPU would take the cores from the decoder.
    """
    largest = model.settings.decode.batch_size
    mel = np.random.default_rng(0).uniform(-1, 1, (largest, model.checkpoint.n_mels, MEL_FRAMES)).astype(np.float32)
    states = np.repeat(model.encoder(mel[:1]), largest, axis=0)

    def encode(size: int) -> None:
        model.encoder(mel[:size])

    def decode(size: int) -> None:
        model.decoder.rehearse(states[:size], TOKENS)

    one_by_one = model.encoder.device != "cpu"  # an NPU takes one window for each launch, so a batch saves nothing
    encoder = measure(encode, 1 if one_by_one else largest)
    decoder = measure(decode, largest)
    slow = encoder[1] + decoder[1] > BUDGET * 1e3 / (4 * REPEATS)
    crowded = not one_by_one and usable_cores() <= FEW_CORES
    gain = 1.0 if slow or crowded else overlap_gain(lambda: encode(best(encoder)), lambda: decode(best(decoder)))
    return Measured(model.encoder_name, model.encoder_reason, encoder, decoder, gain)


def _timed(run: Callable[[], None]) -> float:
    began = perf_counter()
    run()
    return perf_counter() - began
