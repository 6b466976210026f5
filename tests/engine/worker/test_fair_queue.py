"""The order in which a fair queue serves the windows of several requests, whatever the windows hold."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from server.engine.worker.fair_queue import SHARE, Classes, FairClock, TagQueue


class Line:
    """A fair queue of the windows of several flows, and a server that takes one window at a time."""

    def __init__(self) -> None:
        self.clock = FairClock()
        self.queue: TagQueue[tuple[str, int]] = TagQueue()

    def push(self, flow: str, count: int) -> None:
        for number in range(count):
            self.queue.push(self.clock.tag(flow), flow, (flow, number))

    def serve(self) -> tuple[str, int]:
        [(tag, item)] = self.queue.take(1, lambda _: None)
        self.clock.serve(tag)
        return item


@given(st.lists(st.integers(1, 20), min_size=1, max_size=8))
def test_equal_requests_go_round_in_turn(lengths: list[int]) -> None:
    line = Line()
    for number, length in enumerate(lengths):
        line.push(str(number), length)
    served: Counter[str] = Counter()
    left = {str(flow): length for flow, length in enumerate(lengths)}
    while len(line.queue):
        flow, _ = line.serve()
        served[flow] += 1
        left[flow] -= 1
        waiting = [served[other] for other in left if left[other]]
        assert max(served[other] for other in left) - min(waiting, default=10**9) <= 1


@given(st.lists(st.integers(1, 5), max_size=12))
def test_windows_of_a_request_stay_in_order(lengths: list[int]) -> None:
    line = Line()
    for flow, length in enumerate(lengths):
        line.push(str(flow), length)
    order = [line.serve() for _ in range(len(line.queue))]
    assert len(order) == sum(lengths)
    for flow, length in enumerate(lengths):
        assert [number for name, number in order if name == str(flow)] == list(range(length))


@given(st.integers(1, 12), st.integers(0, 200))
def test_who_comes_late_waits_for_one_round_at_most(files: int, before: int) -> None:
    line = Line()
    for flow in range(files):
        line.push(f"file {flow}", 20)
    for _ in range(min(before, 20 * files - 1)):
        line.serve()
    line.push("late", 1)
    assert [line.serve()[0] for _ in range(len(line.queue))].index("late") < 2 * files


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_urgent_first_but_the_others_get_their_share(waiting: list[tuple[bool, bool]]) -> None:
    classes = Classes()
    passed_over = 0
    for urgent, other in waiting:
        turn = classes.next(urgent=urgent, other=other)
        assert turn is (None if not urgent and not other else (urgent and not (other and classes.due)))
        if turn is None:
            continue
        classes.serve(urgent=turn)
        passed_over = passed_over + 1 if turn and other else 0
        assert passed_over < SHARE


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=30), st.integers(1, 8))
def test_a_batch_holds_the_head_and_its_like_in_order(items: list[tuple[int, int]], limit: int) -> None:
    queue: TagQueue[tuple[int, int]] = TagQueue()
    for tag, kind in items:
        queue.push(float(tag), kind, (tag, kind))
    expected = sorted(items, key=lambda item: item[0])
    taken = queue.take(limit, lambda item: item[1])
    alike = [item for item in expected if item[1] == expected[0][1]] if expected else []
    assert [item for _, item in taken] == alike[:limit]
    assert len(queue) == len(items) - len(taken)


def test_what_is_dropped_is_gone_and_nothing_else() -> None:
    line = Line()
    line.push("stays", 3)
    line.push("goes", 3)
    assert len(line.queue.drop("goes")) == 3
    assert [line.serve()[0] for _ in range(len(line.queue))] == ["stays"] * 3


def test_a_flow_that_was_forgotten_starts_with_the_others() -> None:
    clock = FairClock()
    for _ in range(5):
        clock.serve(clock.tag("a"))
    clock.forget("a")
    assert clock.next_tag("a") == clock.next_tag("b") == 6.0
