"""The messages of a worker's threads about their work: steps that begin and end, and the time that stages take."""

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
    """Sends messages to the server by ``send``, from any thread; measurements are reported for ``model``."""

    def __init__(self, model: str, send: Send) -> None:
        self.send = send
        self._model = model

    @contextmanager
    def announced(self, lane: str, stage: str, windows: int, requests: Iterable[int]) -> Iterator[None]:
        """Tell the server what a thread is about to do, before it can crash or hang, and when it has come back."""
        self.send(Began(lane, stage, windows, tuple(requests)))
        try:
            yield
        finally:
            self.send(Ended(lane))

    @contextmanager
    def measured(self, stage: str, windows: int, device: str = "cpu") -> Iterator[None]:
        """Report the wall time of a stage if it succeeds."""
        began = perf_counter()
        yield
        self.ran(stage, windows, perf_counter() - began, device)

    def ran(self, stage: str, windows: int, seconds: float, device: str = "cpu") -> None:
        """Report one run of a stage."""
        self.send(Observed(StageRun(self._model, stage, device, windows, seconds)))

    def fell_back(self, stage: Literal["encoder", "decoder"], reason: FallbackReason) -> None:
        """Report that a batch of the encoder, or a window of the decoder, is computed again."""
        self.send(Observed(Fallback(self._model, stage, reason)))

    @contextmanager
    def watch(self, stage: str, device: str, works: Sequence[Work]) -> Iterator[None]:
        """Announce and measure one run of a batched stage, and charge it to the requests in the batch: a Watch."""
        requests = dict.fromkeys(work.request for work in works)
        with (
            self.announced(f"compute-{stage}", stage, len(works), requests),
            self.measured(stage, len(works), device),
            charged(stage, device, works),
        ):
            yield
