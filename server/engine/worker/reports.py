"""Messages from a worker's threads to the server about their work: current steps, and the time that stages take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Literal

from server.engine.contract import Fallback, FallbackReason, StageRun
from server.engine.messages import Began, Ended, FromWorker, Observed
from server.pipeline.work import Work, charged

Send = Callable[[FromWorker], None]


class Reports:
    """A sender of messages to the server, by ``send`` and from any thread; measurements are those of ``model``."""

    def __init__(self, model: str, send: Send) -> None:
        self.send = send
        self._model = model

    @contextmanager
    def announced(self, lane: str, stage: str, windows: int, requests: Iterable[int]) -> Iterator[None]:
        """Send Began before the ``with`` block, which could crash or hang, and Ended after it.

        ``lane`` names the thread, ``windows`` bounds the time of the block, and ``requests`` are those that it works
        on.
        """
        self.send(Began(lane, stage, windows, tuple(requests)))
        try:
            yield
        finally:
            self.send(Ended(lane))

    @contextmanager
    def measured(self, stage: str, windows: int, device: str = "cpu") -> Iterator[None]:
        """Measure the wall time of the ``with`` block, and send it as a run of the stage unless the block fails."""
        began = perf_counter()
        yield
        self.ran(stage, windows, perf_counter() - began, device)

    def ran(self, stage: str, windows: int, seconds: float, device: str = "cpu") -> None:
        """Send the measured wall time of one run of a stage, for the metrics."""
        self.send(Observed(StageRun(self._model, stage, device, windows, seconds)))

    def fell_back(self, stage: Literal["encoder", "decoder"], reason: FallbackReason) -> None:
        """Send an observation for the metrics: an encoder's batch or a decoder's window is computed again."""
        self.send(Observed(Fallback(self._model, stage, reason)))

    @contextmanager
    def watch(self, stage: str, device: str, works: Sequence[Work]) -> Iterator[None]:
        """Surround one run of a stage over a batch: announce and measure it, and share its time among the requests.

        The method is a Watch, as the functions of ``server.pipeline.batches`` take.
        """
        requests = dict.fromkeys(work.request for work in works)
        with (
            self.announced(f"compute-{stage}", stage, len(works), requests),
            self.measured(stage, len(works), device),
            charged(stage, device, works),
        ):
            yield
