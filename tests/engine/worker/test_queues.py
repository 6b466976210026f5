"""The scheduler's decisions over random loads: a simulated worker that follows them, without threads or models."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.engine.messages import Submit
from server.engine.worker.queues import OPEN, Queues, Sizes, Step
from server.engine.worker.request import Request
from server.pipeline.clock import StageClock
from server.pipeline.session import Session
from server.pipeline.window import Window
from server.pipeline.work import Work
from server.transcript import Options
from tests.audio_files import tone, write

SESSION = cast("Session", object())  # the queues ask only whether there is one


def work(number: int, index: int = 0) -> Work:
    window = Window(index, 0.0, np.zeros(1, np.float32))
    return Work(window, request=number, clock=StageClock(), warn=print)


class Simulated:
    """A simulated worker, which reads and computes as the queues decide, without threads or models.

    ``served`` lists (stage, request, window) in order. Each window of a request is decoded ``rungs`` times, as if it
    needed that many temperatures.
    """

    def __init__(self, sizes: Sizes) -> None:
        self.queues = Queues(sizes)
        self.windows: dict[int, int] = {}
        self.cut: dict[int, int] = {}
        self.rungs: dict[int, int] = {}
        self.tried: Counter[tuple[int, int]] = Counter()
        self.served: list[tuple[str, int, int]] = []
        self.delivered: list[int] = []
        self.most_open = self.most_held = 0

    def add(self, number: int, windows: int, *, urgent: bool = False, rungs: int = 1) -> Request:
        request = Request(Submit(number, Path("none"), Options(), interactive=urgent))
        request.probed = True
        self.windows[number], self.cut[number], self.rungs[number] = windows, 0, rungs
        self.queues.add(request)
        return request

    def read(self) -> bool:
        request = self.queues.next_to_read()
        if request is None:
            return False
        request.begin(SESSION)
        if self.cut[request.id] < self.windows[request.id]:
            self.queues.cut(request, [work(request.id, self.cut[request.id])])
            self.cut[request.id] += 1
        else:
            request.read_whole = True
            self._leave_if_done(request)
        self.most_open = max(self.most_open, sum(r.begun and not r.read_whole for r in self.queues.requests.values()))
        self.most_held = max(self.most_held, sum(r.undelivered for r in self.queues.requests.values()))
        return True

    def compute(self) -> bool:
        step = self.queues.next_step()
        if step is None:
            return False
        self.served += [(step.stage, work.request, work.window.index) for work in step.works]
        if step.stage == "encoder":
            self.queues.encoded(step.entries)
        else:
            self._decode(step)
        return True

    def _decode(self, step: Step) -> None:
        again = []
        for tag, work in step.entries:
            self.tried[work.request, work.window.index] += 1
            if self.tried[work.request, work.window.index] < self.rungs[work.request]:
                again.append((tag, work))
            elif request := self.queues.requests.get(work.request):
                request.undelivered -= 1
                self.delivered.append(request.id)
                self._leave_if_done(request)
        self.queues.decode_again(again)

    def _leave_if_done(self, request: Request) -> None:
        if request.read_whole and not request.undelivered:
            self.queues.remove(request)

    def run(self) -> None:
        while self.read() or self.compute():
            pass


SIZES = st.builds(Sizes, st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 8]))
LOAD = st.lists(st.tuples(st.integers(0, 12), st.booleans(), st.integers(1, 3)), min_size=1, max_size=40)


@given(SIZES, LOAD)
def test_everything_is_computed_once_per_rung_and_everybody_leaves(
    sizes: Sizes, load: list[tuple[int, bool, int]]
) -> None:
    world = Simulated(sizes)
    for number, (windows, urgent, rungs) in enumerate(load):
        world.add(number, windows, urgent=urgent, rungs=rungs)
    world.run()
    assert world.queues.requests == {}
    for number, (windows, _, rungs) in enumerate(load):
        encoded = [index for stage, request, index in world.served if (stage, request) == ("encoder", number)]
        assert encoded == list(range(windows)), "in order, each once"
        decoded = [index for stage, request, index in world.served if (stage, request) == ("decoder", number)]
        assert sorted(decoded) == sorted(list(range(windows)) * rungs)


@given(SIZES, LOAD)
def test_what_is_held_does_not_grow_with_the_number_of_requests(
    sizes: Sizes, load: list[tuple[int, bool, int]]
) -> None:
    world = Simulated(sizes)
    for number, (windows, urgent, rungs) in enumerate(load * 3):
        world.add(number, windows, urgent=urgent, rungs=rungs)
    world.run()
    assert world.most_open <= 2 * OPEN
    assert world.most_held <= sizes.ahead_in_all + 2 * OPEN


@given(SIZES, st.integers(1, 12), st.integers(0, 60))
def test_a_clip_waits_for_no_file(sizes: Sizes, files: int, before: int) -> None:
    world = Simulated(sizes)
    for number in range(files):
        world.add(number, 40)
    while world.read():
        pass
    for _ in range(before):
        world.compute()
        world.read()
    world.add(99, 1, urgent=True)
    assert world.read()
    world.compute()
    world.compute()
    assert [entry[:2] for entry in world.served if entry[1] == 99] == [("encoder", 99), ("decoder", 99)]


@given(SIZES, st.integers(1, 20))
def test_a_file_does_not_starve_under_a_flood_of_clips(sizes: Sizes, flood: int) -> None:
    world = Simulated(sizes)
    world.add(0, 5)
    number = 0
    for _ in range(3000):
        while sum(request.urgent for request in world.queues.requests.values()) < flood:
            number += 1
            world.add(number, 1, urgent=True)
        world.read()
        world.compute()
        if world.delivered.count(0) == 5:
            return
    raise AssertionError(f"{world.delivered.count(0)} of 5 windows after 3000 turns")


@given(SIZES, LOAD, st.integers(0, 200))
def test_of_who_left_nothing_is_computed(sizes: Sizes, load: list[tuple[int, bool, int]], before: int) -> None:
    world = Simulated(sizes)
    requests = [
        world.add(number, windows, urgent=urgent, rungs=rungs) for number, (windows, urgent, rungs) in enumerate(load)
    ]
    for _ in range(before):
        world.read()
        world.compute()
    gone = requests[::2]
    for request in gone:
        world.queues.remove(request)
    seen = len(world.served)
    world.run()
    assert not {request.id for request in gone} & {number for _, number, _ in world.served[seen:]}
    assert world.queues.requests == {}


def test_a_request_that_was_at_work_when_a_process_ended_shares_no_batch() -> None:
    queues = Queues(Sizes(4, 4))
    for number, solo in ((1, False), (2, False), (3, True), (4, True)):
        queues.add(Request(Submit(number, Path("none"), Options(), solo=solo)))
    shared, other, alone, another = (work(number) for number in (1, 2, 3, 4))
    assert queues.encoder_key(shared) == queues.encoder_key(other)
    assert queues.encoder_key(alone) not in {queues.encoder_key(shared), queues.encoder_key(another)}
    assert queues.decoder_key(alone) != queues.decoder_key(other)


@pytest.mark.parametrize(
    ("name", "seconds", "urgent"),
    [("a.wav", 59, True), ("b.wav", 61, False), ("c.aac", 20, True), ("d.flac", 61, False)],
)
def test_short_recordings_are_urgent_even_when_they_do_not_say_how_long_they_are(
    tmp_path: Path, name: str, seconds: float, urgent: bool
) -> None:
    path = write(tmp_path / name, tone(seconds), codec={"aac": "aac", "flac": "flac"}.get(name[2:], "pcm_s16le"))
    request = Request(Submit(1, path, Options()))
    request.probe()
    assert request.urgent is urgent
