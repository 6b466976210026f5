"""The scheduling decisions, without threads or models: which file to read and which batch to compute next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Literal

from server.engine.worker.fair_queue import Classes, FairClock, TagQueue
from server.engine.worker.request import Request
from server.pipeline.work import Work

SMALL = 2  # windows in a batch of other requests where urgent ones come now and then
SMALL_TURNS = 32  # batches of other requests after the last urgent batch that stay small
OPEN = 16  # files being read at a time, short ones and long ones each: this bounds the memory that open files take

StageName = Literal["encoder", "decoder"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """The number of windows that encoder and decoder compute in one batch, chosen by a measurement."""

    encoder: int
    decoder: int

    @property
    def ahead(self) -> int:
        """The limit on one request's windows that are read and not yet delivered."""
        return 2 * max(self.encoder, self.decoder)

    @property
    def ahead_in_all(self) -> int:
        """The limit on the windows of all requests together that are read and not yet delivered."""
        return 4 * self.ahead


@dataclass(frozen=True, slots=True)
class Step:
    """A batch of windows to compute in one stage; each entry is (position in the queue, window)."""

    stage: StageName
    entries: list[tuple[float, Work]]

    @property
    def works(self) -> list[Work]:
        return [work for _, work in self.entries]


class StageQueue:
    """The windows that wait for one stage, encoder or decoder, in two queues: those of urgent requests, and the others.

    ``size`` is the number of windows in a full batch; ``key`` gives equal values for windows that may share a batch.
    After an urgent batch the others go in small batches for a while, since the next urgent request would wait for them.
    """

    def __init__(self, stage: StageName, size: int, key: Callable[[Work], Hashable]) -> None:
        self.size = size
        self._stage = stage
        self._key = key
        self._classes = Classes()
        self._waiting: dict[bool, TagQueue[Work]] = {urgent: TagQueue() for urgent in (True, False)}
        self._since_urgent = SMALL_TURNS  # batches of others since the last one of urgent requests

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def push(self, tag: float, work: Work, *, urgent: bool) -> None:
        self._waiting[urgent].push(tag, work.request, work)

    def drop(self, request: Request) -> None:
        """Remove all windows of a request from the queue."""
        self._waiting[request.urgent].drop(request.id)

    @property
    def urgent(self) -> bool | None:
        """True if the next batch has windows of urgent requests, False if of others; None if no window waits."""
        return self._classes.next(urgent=self._waiting[True], other=self._waiting[False])

    def goes_before(self, other: StageQueue) -> bool:
        """Return True if this stage should compute its next batch before stage ``other`` does; windows wait for both.

        If one stage's batch is of urgent requests and the other's is not, this stage goes first if its own is the
        urgent one, or if its urgent requests have used up their turns. Otherwise this stage goes first if its batch is
        full.
        """
        urgent = self.urgent
        if urgent != other.urgent:
            return bool(urgent) or self._classes.due
        return urgent is not None and self._waiting[urgent].alike(self._key) >= self._full(urgent=urgent)

    def take(self) -> Step:
        """Remove the windows of the next batch from the queue and return them.

        Raises LookupError if no window waits.
        """
        urgent = self.urgent
        if urgent is None:
            raise LookupError(f"no window waits for the {self._stage}")
        full = self._full(urgent=urgent)
        self._classes.serve(urgent=urgent)
        self._since_urgent = 0 if urgent else self._since_urgent + 1
        return Step(self._stage, self._waiting[urgent].take(full, self._key))

    def _full(self, *, urgent: bool) -> int:
        """Return the number of windows in a full batch of one class of requests."""
        return self.size if urgent or self._since_urgent >= SMALL_TURNS else min(self.size, SMALL)


class Queues:
    """The requests of a worker that are not over, and their windows in the queues of encoder and decoder.

    A window keeps, in both queues, the position ("tag") that it got when it was cut from the recording. Not safe for
    threads: Backlog holds the lock.
    """

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.requests: dict[int, Request] = {}
        self._clocks = {urgent: FairClock() for urgent in (True, False)}
        self._reading = Classes()
        self._encoder = StageQueue("encoder", sizes.encoder, self.encoder_key)
        self._decoder = StageQueue("decoder", sizes.decoder, self.decoder_key)

    def resize(self, sizes: Sizes) -> None:
        """Set the sizes of the batches to come."""
        self.sizes = sizes
        self._encoder.size, self._decoder.size = sizes.encoder, sizes.decoder

    def add(self, request: Request) -> None:
        self.requests[request.id] = request

    def remove(self, request: Request) -> None:
        """Drop a request that is over, and its windows from both queues."""
        self.requests.pop(request.id, None)
        self._clocks[request.urgent].forget(request.id)
        self._encoder.drop(request)
        self._decoder.drop(request)

    def encoder_key(self, work: Work) -> Hashable:
        """Return a key that is equal for windows that may share an encoder batch."""
        return work.request if self.requests[work.request].submit.solo else None

    def decoder_key(self, work: Work) -> Hashable:
        """Return a key that is equal for windows that may share a decoder batch."""
        return self.encoder_key(work), work.decoder_key

    def next_to_read(self) -> Request | None:
        """Return the request whose file is to be probed or read next, None if there is none.

        New files are probed first. Then requests take turns; one that is far enough ahead of its delivered windows
        waits.
        """
        unseen = next((request for request in self.requests.values() if not request.probed), None)
        if unseen:
            return unseen
        held = sum(request.undelivered for request in self.requests.values())
        reading = Counter(r.urgent for r in self.requests.values() if r.begun and not r.read_whole)
        may = [request for request in self.requests.values() if self._may_read(request, held, reading)]
        urgent = [request for request in may if request.urgent]
        other = [request for request in may if not request.urgent]
        turn = urgent if self._reading.next(urgent=urgent, other=other) else other
        return min(turn, key=self._reading_order, default=None)

    def _may_read(self, request: Request, held: int, reading: Counter[bool]) -> bool:
        if request.read_whole:
            return False
        if not request.begun:
            return reading[request.urgent] < OPEN
        ahead = request.undelivered < self.sizes.ahead and held < self.sizes.ahead_in_all
        return ahead or request.undelivered == 0

    def _reading_order(self, request: Request) -> tuple[float, bool, int]:
        return self._clocks[request.urgent].next_tag(request.id), not request.begun, request.id

    def cut(self, request: Request, works: Iterable[Work]) -> None:
        """Queue a request's new windows, which one read of 10 s has completed, for the encoder."""
        self._reading.serve(urgent=request.urgent)
        works = list(works)
        self.encode_again(request, works)
        request.undelivered += len(works)

    def encode_again(self, request: Request, works: Iterable[Work]) -> None:
        """Queue halves of a request's windows for the encoder, with turns of their own."""
        for work in works:
            self._encoder.push(self._clocks[request.urgent].tag(request.id), work, urgent=request.urgent)

    def encoded(self, entries: Iterable[tuple[float, Work]]) -> None:
        """Queue encoded windows for the decoder; those of requests that are over are dropped."""
        for tag, work in entries:
            if request := self.requests.get(work.request):
                self._decoder.push(tag, work, urgent=request.urgent)

    def decode_again(self, entries: Iterable[tuple[float, Work]]) -> None:
        """Queue windows for the decoder again, at their next temperature.

        The windows keep their positions in the queue, but the later windows of their requests move back by as many
        turns.
        """
        entries = list(entries)
        for _, work in entries:
            if request := self.requests.get(work.request):
                self._clocks[request.urgent].tag(request.id)
        self.encoded(entries)

    def encode_in_full(self, entries: Iterable[tuple[float, Work]]) -> None:
        """Queue windows for the encoder again, in their positions; the later windows of their requests move back."""
        for tag, work in entries:
            if request := self.requests.get(work.request):
                self._clocks[request.urgent].tag(request.id)
                self._encoder.push(tag, work, urgent=request.urgent)

    def next_step(self, stages: tuple[StageName, ...] = ("decoder", "encoder")) -> Step | None:
        """Take the next batch of one of ``stages`` out of the queues and return it; None if nothing is to compute."""
        encode = "encoder" in stages and len(self._encoder) > 0 and len(self._decoder) < self.sizes.ahead_in_all
        decode = "decoder" in stages and len(self._decoder) > 0
        if decode and (not encode or self._decoder.goes_before(self._encoder)):
            return self._decoder.take()
        if not encode:
            return None
        step = self._encoder.take()
        first_tag, first = step.entries[0]
        self._clocks[self.requests[first.request].urgent].serve(first_tag)
        return step
