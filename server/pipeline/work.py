"""A window on its way through the stages that take batches, and the measurement of these stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from time import perf_counter

import numpy as np

from kernels.mel.audio import ENCODER_FRAMES, Float32
from server.pipeline.clock import StageClock
from server.pipeline.recheck import Half
from server.pipeline.stages.decoder import Attempts
from server.pipeline.window import Window


class Work:
    """A window with its results so far, from the cutting of the audio to the last stage that takes batches.

    ``request`` is the number of its request, ``clock`` adds up the request's stage times, and ``warn`` adds a sentence
    to the warnings of the answer. A batch may hold works of several requests. ``half`` is the place of a half that is
    decoded again, None for a whole window; ``cut`` is where another language begins, None if none does.

    ``frames`` are the encoder frames to compute. ``waits_for_encoder`` is True until the encoder's output is there.
    """

    __slots__ = ("_attempts", "_states", "clock", "cut", "frames", "half", "request", "warn", "window")

    def __init__(
        self,
        window: Window,
        *,
        request: int,
        clock: StageClock,
        warn: Callable[[str], None],
        half: Half | None = None,
    ) -> None:
        self.window = window
        self.request = request
        self.clock = clock
        self.warn = warn
        self.half = half
        self.cut: float | None = None
        self.frames = window.frames_to_encode
        self._states: Float32 | None = None
        self._attempts: Attempts | None = None

    @property
    def states(self) -> Float32:
        """The encoder's output, float32 [F, d_model] with F frames of 20 ms; the window must have been encoded."""
        assert self._states is not None, "a window is encoded before its states are used"  # noqa: S101
        return self._states

    def encoded(self, states: Float32) -> None:
        """Store the encoder's output, float32 [F, d_model]."""
        self._states = states

    @property
    def attempts(self) -> Attempts:
        """The decoder's parameters, its results so far and the next temperature; the window must have been prepared."""
        assert self._attempts is not None, "a window is prepared before it is decoded"  # noqa: S101
        return self._attempts

    def prepare(self, attempts: Attempts) -> None:
        """Store the object that holds the decoder's parameters and will collect its results."""
        self._attempts = attempts

    @property
    def waits_for_encoder(self) -> bool:
        """True until the encoder's output is there, and again after ``widen``."""
        return self._states is None

    @property
    def short(self) -> bool:
        """True if the encoder's output is there and is not that of the full window."""
        return self._states is not None and len(self._states) < ENCODER_FRAMES

    def widen(self) -> None:
        """Ask for the encoder's output of the full window, with a first attempt after it."""
        self.frames, self._states, self._attempts = ENCODER_FRAMES, None, None

    @property
    def decoded(self) -> bool:
        """True if the window has its text: it was encoded, and no temperature is left to try."""
        return self._attempts is not None and self._attempts.temperature is None

    def release(self) -> None:
        """Drop the encoder's output, the largest part of a window (3 MB with Whisper base)."""
        self._states = None

    @property
    def temperature(self) -> float | None:
        """The temperature to decode at next; None if the window is decoded, or not prepared yet."""
        return self._attempts.temperature if self._attempts else None

    @property
    def decoder_key(self) -> tuple[float, ...] | None:
        """A key that is equal for windows that the decoder can take in one batch; None if nothing is left to decode."""
        if self.temperature is None:
            return None
        return len(self.states), *self.attempts.search.batch_key(self.temperature)


Watch = Callable[[str, str, Sequence[Work]], AbstractContextManager[None]]
"""A function that returns a context manager which measures one run of a stage: ``watch(stage, device, works)``."""


@contextmanager
def charged(stage: str, device: str, works: Sequence[Work]) -> Iterator[None]:
    """Measure the ``with`` block, which runs a batch, and add an equal share of its time to each window's request.

    The time is counted even if the batch fails.
    """
    began = perf_counter()
    try:
        yield
    finally:
        share = (perf_counter() - began) / len(works)
        for work in works:
            work.clock.add(stage, device, share)


def stacked(works: Sequence[Work]) -> Float32:
    """Return the encoder's outputs of a batch as one array, float32 [B, F, d_model]."""
    return np.stack([work.states for work in works])
