"""Which step is next: the scheduler's decisions, apart from threads and models.

Windows wait in two queues, for the encoder and for the decoder, both in the order of their tags.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from server.pipeline.batches import Work
from server.pipeline.types import Window
from server.worker.fair import FairClock, TagQueue
from server.worker.request import Item, Request

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
        self._clock = FairClock()
        self._to_encode: TagQueue[Item] = TagQueue()
        self._to_decode: TagQueue[Item] = TagQueue()

    def add(self, request: Request) -> None:
        self.requests[request.id] = request

    def remove(self, request: Request) -> None:
        """It is over: its windows are dropped."""
        request.over = True
        self.requests.pop(request.id, None)
        self._clock.forget(request.id)
        self._to_encode.drop(request.id)
        self._to_decode.drop(request.id)

    def next_to_read(self) -> Request | None:
        """Whose file to look at, or whose next 10 s to read: headers first, then whose turn comes first."""
        unseen = next((request for request in self.requests.values() if not request.probed), None)
        if unseen:
            return unseen
        held = sum(request.undelivered for request in self.requests.values())
        reading = Counter(r.urgent for r in self.requests.values() if r.opened and not r.read_whole)
        may = [request for request in self.requests.values() if self._may_read(request, held, reading)]
        return min(may, key=self._reading_order, default=None)

    def _may_read(self, request: Request, held: int, reading: Counter[bool]) -> bool:
        if request.read_whole:
            return False
        if not request.opened:
            return reading[request.urgent] < OPEN
        ahead = request.undelivered < self.sizes.ahead and held < self.sizes.ahead_in_all
        return ahead or request.undelivered == 0

    def _reading_order(self, request: Request) -> tuple[float, bool, int]:
        return self._clock.next_tag(request.id, request.weight), not request.opened, request.id

    def cut(self, request: Request, windows: Iterable[Window]) -> None:
        """Windows of a request join the queue."""
        for window in windows:
            tag = self._clock.tag(request.id, request.weight)
            self._to_encode.push(tag, request.id, Item(request, Work(request.session, window)))
            request.undelivered += 1

    def encoded(self, items: Iterable[tuple[float, Item]]) -> None:
        for tag, item in items:
            if not item.request.over:
                self._to_decode.push(tag, item.request.id, item)

    def again(self, items: Iterable[tuple[float, Item]]) -> None:
        """Windows that climb the ladder keep their place, but their request pays for the further attempt."""
        for tag, item in items:
            if not item.request.over:
                self._clock.tag(item.request.id, item.request.weight)
                self._to_decode.push(tag, item.request.id, item)

    def next_step(self, stages: tuple[str, ...] = ("decoder", "encoder")) -> Step | None:
        """What to compute next, taken from the queues."""
        if "decoder" in stages and self._decode_now(alone="encoder" not in stages):
            return Step("decoder", self._to_decode.take(self.sizes.decoder, Item.decoder_key))
        if "encoder" in stages and len(self._to_encode) and len(self._to_decode) < self.sizes.ahead_in_all:
            items = self._to_encode.take(self.sizes.encoder, Item.encoder_key)
            self._clock.serve(items[0][0])
            return Step("encoder", items)
        return None

    def _decode_now(self, *, alone: bool) -> bool:
        """Decode when the batch is full, when nothing can fill it, or when only the head of the two is urgent."""
        decode, encode = self._to_decode.head, self._to_encode.head
        if decode is None:
            return False
        if alone or encode is None or len(self._to_decode) >= self.sizes.ahead_in_all:
            return True
        if decode[1].request.urgent != encode[1].request.urgent:
            return decode[1].request.urgent
        return self._to_decode.alike(Item.decoder_key) >= self.sizes.decoder
