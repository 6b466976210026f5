"""The stages that take batches: windows of one request, or of several, side by side.

A batch may mix requests, so nothing here knows more of one than its Work says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from kernels.mel.audio import Float32
from server.pipeline.loaded_model import Parts
from server.pipeline.stages.decoder import Attempts, Search
from server.pipeline.stages.protocols import Retired
from server.pipeline.window import Window

if TYPE_CHECKING:
    from server.pipeline.session import Session


class Work:
    """One window on its way. ``states`` are its encoder output, float32 [1500, d_model], once it has been encoded."""

    __slots__ = ("_search", "attempts", "session", "states", "window")

    def __init__(self, session: Session, window: Window) -> None:
        self.session = session
        self.window = window
        self.states: Float32 | None = None
        self.attempts: Attempts | None = None
        self._search: Search | None = None

    def settle(self, search: Search, attempts: Attempts) -> None:
        """How it is to be decoded."""
        self._search, self.attempts = search, attempts

    @property
    def search(self) -> Search:
        assert self._search is not None, "windows are settled before they are decoded"  # noqa: S101
        return self._search

    @property
    def temperature(self) -> float | None:
        """The rung of the ladder to decode at next; None for a window that is decoded."""
        return self.attempts.temperature if self.attempts else None

    @property
    def alike(self) -> tuple[int, int, float] | None:
        """Equal for windows that may share a decoder batch."""
        return None if self.temperature is None else self.search.alike(self.temperature)


Watch = Callable[[str, str, Sequence[Work]], AbstractContextManager[None]]


@contextmanager
def charged(stage: str, device: str, works: Sequence[Work]) -> Iterator[None]:
    """Shares the wall time of a batch out to the requests in it; that of a batch that fails was spent as well."""
    began = perf_counter()
    try:
        yield
    finally:
        share = (perf_counter() - began) / len(works)
        for work in works:
            work.session.clock.add(stage, device, share)


def encode(parts: Parts, works: Sequence[Work], watch: Watch = charged) -> None:
    """mel and encoder; both again on the CPU where the NPU fails in the middle of either."""
    while True:
        try:
            states = _encoded(parts, works, watch)
            break
        except Retired as retired:
            for session in {work.session.number: work.session for work in works}.values():
                session.warn(f"The NPU failed and was retired: {retired}. The CPU did its work.")
    for work, row in zip(works, states, strict=True):
        work.states = row


def _encoded(parts: Parts, works: Sequence[Work], watch: Watch) -> Float32:
    with watch("mel", parts.mel.device, works):
        mel = parts.mel([work.window.samples for work in works])
    with watch("encoder", parts.encoder.device, works):
        return parts.encoder(mel)


def decode(parts: Parts, works: Sequence[Work], watch: Watch = charged) -> list[str | None]:
    """One rung of the ladder, for works that are ``alike``; says of each why it wants a further one, or None."""
    [temperature] = {work.temperature for work in works}
    assert temperature is not None, "decoded already"  # noqa: S101
    with watch("decoder", parts.decoder.device, works):
        states = stacked(works)
        results = parts.decoder.generate(states, [work.search for work in works], temperature)
    return [work.attempts.add(result) for work, result in zip(works, results, strict=True) if work.attempts]


def stacked(works: Sequence[Work]) -> Float32:
    """float32 [B, 1500, d_model]."""
    return np.stack([work.states for work in works if work.states is not None])
