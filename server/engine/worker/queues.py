"""Which step is next: the scheduler's decisions, apart from threads and models.

Windows wait in two queues, for the encoder and for the decoder, both in the order of their tags.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from server.engine.worker.fair_queue import Classes, FairClock, TagQueue
from server.engine.worker.request import Item, Request
from server.pipeline.batches import Work
from server.pipeline.window import Window

OPEN = 16  # files being read at a time, short ones and long ones each: what an open file holds is bounded


@dataclass(frozen=True, slots=True)
class Sizes:
    """Windows in one batch of each stage, as measured."""

    encoder: int
    decoder: int

    @property
    def ahead(self) -> int:
        """Windows that one request may have read and not delivered."""
        return 2 * max(self.encoder, self.decoder)

    @property
    def ahead_in_all(self) -> int:
        return 4 * self.ahead


@dataclass(slots=True)
class Step:
    """Items that go through a stage together."""

    stage: str
    items: list[tuple[float, Item]] = field(default_factory=list)


class Queues:
    """Not safe for threads: the scheduler holds its lock."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.requests: dict[int, Request] = {}
        self._clocks = {urgent: FairClock() for urgent in (True, False)}
        self._to_encode: dict[bool, TagQueue[Item]] = {urgent: TagQueue() for urgent in (True, False)}
        self._to_decode: dict[bool, TagQueue[Item]] = {urgent: TagQueue() for urgent in (True, False)}
        self._reading, self._encoding, self._decoding = Classes(), Classes(), Classes()

    def add(self, request: Request) -> None:
        self.requests[request.id] = request

    def remove(self, request: Request) -> None:
        """It is over: its windows are dropped."""
        request.over = True
        self.requests.pop(request.id, None)
        self._clocks[request.urgent].forget(request.id)
        self._to_encode[request.urgent].drop(request.id)
        self._to_decode[request.urgent].drop(request.id)

    # Reading

    def next_to_read(self) -> Request | None:
        """Whose file to look at, or whose next 10 s to read: headers first, then whose turn comes first."""
        unseen = next((request for request in self.requests.values() if not request.probed), None)
        if unseen:
            return unseen
        held = sum(request.undelivered for request in self.requests.values())
        reading = Counter(r.urgent for r in self.requests.values() if r.opened and not r.read_whole)
        may = [request for request in self.requests.values() if self._may_read(request, held, reading)]
        urgent = [request for request in may if request.urgent]
        other = [request for request in may if not request.urgent]
        turn = urgent if self._reading.next(urgent=urgent, other=other) else other
        return min(turn, key=self._reading_order, default=None)

    def _may_read(self, request: Request, held: int, reading: Counter[bool]) -> bool:
        if request.read_whole:
            return False
        if not request.opened:
            return reading[request.urgent] < OPEN
        ahead = request.undelivered < self.sizes.ahead and held < self.sizes.ahead_in_all
        return ahead or request.undelivered == 0

    def _reading_order(self, request: Request) -> tuple[float, bool, int]:
        return self._clocks[request.urgent].next_tag(request.id), not request.opened, request.id

    def cut(self, request: Request, windows: Iterable[Window]) -> None:
        """10 s were read; windows of the request join the queue."""
        self._reading.serve(urgent=request.urgent)
        for window in windows:
            tag = self._clocks[request.urgent].tag(request.id)
            self._to_encode[request.urgent].push(tag, request.id, Item(request, Work(request.session, window)))
            request.undelivered += 1

    # Computing

    def encoded(self, items: Iterable[tuple[float, Item]]) -> None:
        for tag, item in items:
            if not item.request.over:
                self._to_decode[item.request.urgent].push(tag, item.request.id, item)

    def again(self, items: Iterable[tuple[float, Item]]) -> None:
        """Windows that climb the ladder keep their place, but their request pays for the further attempt."""
        kept = [(tag, item) for tag, item in items if not item.request.over]
        for _, item in kept:
            self._clocks[item.request.urgent].tag(item.request.id)
        self.encoded(kept)

    def next_step(self, stages: tuple[str, ...] = ("decoder", "encoder")) -> Step | None:
        """What to compute next, taken from the queues."""
        encode = self._encoding.next(urgent=self._to_encode[True], other=self._to_encode[False])
        decode = self._decoding.next(urgent=self._to_decode[True], other=self._to_decode[False])
        full = sum(map(len, self._to_decode.values())) >= self.sizes.ahead_in_all
        if "encoder" not in stages or full:
            encode = None
        if decode is not None and "decoder" in stages and self._decode_now(decode, encode):
            self._decoding.serve(urgent=decode)
            return Step("decoder", self._to_decode[decode].take(self.sizes.decoder, Item.decoder_key))
        if encode is not None:
            self._encoding.serve(urgent=encode)
            items = self._to_encode[encode].take(self.sizes.encoder, Item.encoder_key)
            self._clocks[encode].serve(items[0][0])
            return Step("encoder", items)
        return None

    def _decode_now(self, decode: bool, encode: bool | None) -> bool:
        """When nothing could fill the batch, when it is full, when it is urgent and the other is not, or overdue."""
        if encode is None:
            return True
        if decode != encode:
            return decode or self._decoding.due
        return self._to_decode[decode].alike(Item.decoder_key) >= self.sizes.decoder
