"""Runtime sequences: descriptors, queues and tokens at every step, and equal numbers of objects sent and taken."""

from __future__ import annotations

import math
from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kernels.array.check.check import check
from kernels.array.check.races import shared, touched
from kernels.array.design import Design
from kernels.array.pattern import pattern
from kernels.array.program import Loop
from kernels.array.sequence import Await, Free, Sequence, Start, Step, Transfer
from kernels.array.tile import Block, Dim
from tests.kernels.array.designs import forward, matmul, names, seed_mel, violations

X, Y = Block("bf16", 1 << 16), Block("bf16", 1 << 16)
OBJECT = 128  # elements of the forward design


def run(*steps: Step, arguments: tuple[tuple[str, Block], ...] = (("x", X), ("y", Y))) -> Design:
    return replace(forward(), sequences=(Sequence("run", arguments, steps),))


def send(task: str, objects: int = 1, **more: object) -> Start:
    return Start(task, "in_shim", (Transfer("x", 0, objects * OBJECT),), **more)  # type: ignore[arg-type]


def get(task: str, objects: int = 1, token: bool = True) -> Start:
    return Start(task, "out_shim", (Transfer("y", 0, objects * OBJECT),), token=token)


def test_tasks_in_flight() -> None:
    """Four on a channel and no more; an await or a free of a later one makes room."""
    four = [send(f"i{n}") for n in range(4)]
    frees = [Free(f"i{n}") for n in range(4)]
    check(run(get("o", 4), *four, Await("o"), *frees))
    five = (*four, send("i4"))
    (violation,) = violations(run(get("o", 5), *five, Await("o"), *frees, Free("i4")))
    assert violation.where == "sequence run, task i4"
    assert violation.name == "task queue"
    assert "i0, i1, i2, i3" in violation.found
    ok = run(get("o0", 1), get("o", 4), *four, Await("o0"), Free("i0"), send("i4"), Await("o"), *frees[1:], Free("i4"))
    assert check(ok).sequences[0].queued == 4


def test_an_await_shows_that_older_tasks_of_its_channel_have_ended() -> None:
    tasks = [get(f"o{n}", token=n == 3) for n in range(4)]
    steps: tuple[Step, ...] = (
        send("i", 8),
        *tasks,
        Await("o3"),
        *(get(f"p{n}", token=n == 3) for n in range(4)),
        Await("p3"),
    )
    frees = [Free(f"{letter}{n}") for letter in "op" for n in range(3)]
    check(run(*steps, Free("i"), *frees))


def test_descriptors_are_counted_on_each_shim() -> None:
    """Chains of five take 15 of 16 with three tasks; the fourth does not fit."""

    def chain(task: str, links: int) -> Start:
        return Start(task, "in_shim", tuple(Transfer("x", 256 * n, 2 * OBJECT) for n in range(links)))

    frees = tuple(Free(f"i{n}") for n in range(3))
    good: tuple[Step, ...] = (get("o", 30), *(chain(f"i{n}", 5) for n in range(3)), Await("o"), *frees)
    assert check(run(*good)).sequences[0].descriptors == 16
    bad: tuple[Step, ...] = (
        get("o", 32),
        *(chain(f"i{n}", 5) for n in range(3)),
        chain("j", 1),
        Await("o"),
        *frees,
        Free("j"),
    )
    (violation,) = violations(run(*bad))
    assert violation.name == "descriptors"
    assert violation.found.startswith("17 ")


def test_descriptors_must_come_back() -> None:
    assert names(run(get("o"), send("i"), Await("o"))) == {"end"}
    older = (get("o0", token=False), get("o1"), send("i", 2), Await("o1"), Free("i"))
    (violation,) = violations(run(*older))
    assert violation.found == "o0 is not freed"
    check(run(*older, Free("o0")))
    assert names(run(get("o"), send("i"), Await("o"), Free("i"), Free("i"))) == {"free"}
    assert names(run(get("o"), send("i"), Await("o"), Free("i"), Free("none"))) == {"free"}


def test_free_needs_to_know_that_the_task_has_ended() -> None:
    assert names(run(get("o"), send("i"), Free("i"), Await("o"))) == {"free"}
    # an await from before the start says nothing
    late = run(get("o0"), send("i0"), Await("o0"), Free("i0"), get("o1"), send("i1"), Free("i1"), Await("o1"))
    assert names(late) == {"free"}


def test_only_tokens_are_awaited_and_in_their_order() -> None:
    assert "await" in names(run(get("o", token=False), send("i"), Await("o"), Free("i")))
    assert "await" in names(run(get("o"), send("i"), Await("o"), Await("o"), Free("i")))
    assert "await" in names(run(get("o"), send("i"), Await("none"), Await("o"), Free("i")))
    crossed = run(get("o0"), get("o1"), send("i", 2), Await("o1"), Await("o0"), Free("i"))
    assert names(crossed) == {"await"}


def test_tokens_and_results_at_the_end() -> None:
    assert "end" in names(run(get("o0"), get("o1"), send("i", 2), Await("o0"), Free("i")))
    unfinished = run(get("o0"), get("o1", token=False), send("i", 2), Await("o0"), Free("i"))
    found = violations(unfinished)
    assert any("may still write" in violation.found for violation in found)


def test_names_of_tasks_and_fifos() -> None:
    assert "tasks" in names(run(get("o"), send("i"), send("i"), Await("o"), Free("i")))
    stray = Start("s", "in_core", (Transfer("x", 0, OBJECT),), token=True)
    assert {"tasks", "await"} == names(run(get("o"), send("i"), stray, Await("o"), Await("s"), Free("i")))


def test_arguments() -> None:
    six = tuple((f"a{n}", X) for n in range(6))
    assert "arguments" in names(run(arguments=six))
    check(run(arguments=six[:5]))
    assert "arguments" in names(run(arguments=(("x", X), ("x", Y))))
    unknown = Start("i", "in_shim", (Transfer("z", 0, OBJECT),))
    assert "arguments" in names(run(get("o"), unknown, Await("o"), Free("i")))


@pytest.mark.parametrize(("length", "repeat", "fine"), [(128, 0, True), (64, 1, True), (64, 0, False), (192, 2, False)])
def test_a_task_is_whole_objects(length: int, repeat: int, fine: bool) -> None:
    task = Start("i", "in_shim", (Transfer("x", 0, length),), repeat=repeat)
    design = run(get("o", max(1, length * (repeat + 1) // OBJECT)), task, Await("o"), Free("i"))
    if fine:
        check(design)
    else:
        assert "length" in names(design)
    empty = run(get("o"), send("i"), Start("e", "in_shim", ()), Await("o"), Free("i"), Free("e"))
    assert "length" in names(empty)


@pytest.mark.parametrize(("repeat", "fine"), [(255, True), (256, False), (-1, False)])
def test_repeats(repeat: int, fine: bool) -> None:
    task = send("i", 1, repeat=repeat)
    design = run(get("o", max(1, repeat + 1)), task, Await("o"), Free("i"))
    if fine:
        check(design)
    else:
        assert "repeat" in names(design)


def test_a_chain_that_would_fold() -> None:
    """A transfer that steps by its own length is one run to mlir-aie, which then repeats its start."""
    step = (Dim(4, OBJECT), Dim(1, 0), Dim(1, 0), Dim(OBJECT, 1))
    alone = Start("i", "in_shim", (Transfer("x", 0, OBJECT, step),), repeat=3)
    check(run(get("o", 4), alone, Await("o"), Free("i")))
    chain = Start("i", "in_shim", (Transfer("x", 0, OBJECT, step), Transfer("x", 4_096, OBJECT)), repeat=3)
    assert names(run(get("o", 8), chain, Await("o"), Free("i"))) == {"repeat"}


def test_sequences_stand_alone() -> None:
    """Each sequence is checked by itself: the second may use the names of the first."""
    steps = (get("o"), send("i"), Await("o"), Free("i"))
    one = Sequence("one", (("x", X), ("y", Y)), steps)
    assert len(check(replace(forward(), sequences=(one, replace(one, name="two")))).sequences) == 2


@pytest.mark.parametrize(("sent", "got", "fine"), [(3, 3, True), (0, 0, True), (3, 2, False), (2, 3, False)])
def test_static_flow_comes_out_even(sent: int, got: int, fine: bool) -> None:
    """The core copies one for one: more in than out, or out than in, leaves it in the middle of a pass."""
    steps: tuple[Step, ...] = (
        *([get("o", got)] if got else []),
        *([send("i", sent)] if sent else []),
        *([Await("o")] if got else []),
        *([Free("i")] if sent else []),
    )
    if fine:
        check(run(*steps))
    else:
        assert names(run(*steps)) == {"flow"}


def test_an_await_of_what_is_sent_later() -> None:
    """The controller would wait for a result whose input it has yet to start."""
    (violation,) = violations(
        run(get("o"), Await("o"), send("i"), get("p"), send("j"), Await("p"), Free("i"), Free("j"))
    )
    assert violation.name == "flow"
    assert "await of o for 1 objects, with 0 of in_core sent" in violation.found
    two = run(
        get("o"), send("i"), get("p"), Await("o"), Await("p"), send("j"), get("q"), Await("q"), Free("i"), Free("j")
    )
    assert "await of p for 2 objects, with 1 of in_core sent" in violations(two)[0].found


def test_flow_of_loops_and_links() -> None:
    """Frames distributed to tiles: 2 objects sent and 1 taken is found behind the link as well."""
    design = seed_mel(2, 2, 0, 1_024)
    (sequence,) = design.sequences
    again = Start("more", "source", (Transfer("x", 0, 800),))
    steps = (*sequence.steps[:2], again, *sequence.steps[2:], Free("more"))
    (violation,) = violations(replace(design, sequences=(replace(sequence, steps=steps),)))
    assert violation.name == "flow"
    assert "source 2 objects at 1 a pass, result 1 objects at 1 a pass" in violation.found


@pytest.mark.parametrize(("objects", "fine"), [(4, True), (3, False)])
def test_flow_of_loops_of_constant_counts(objects: int, fine: bool) -> None:
    """Two objects a pass: three leave the core waiting for the fourth."""
    design = run(get("o", objects), send("i", objects), Await("o"), Free("i"))
    (core,) = design.cores
    design = replace(design, cores=(replace(core, body=(Loop("twice", 2, core.body),)),))
    if fine:
        check(design)
    else:
        assert names(design) == {"flow"}


def test_flow_that_data_decide_is_left_to_simulation() -> None:
    design = matmul(4_096, 4_096, 16_384, 8_192, 1)
    arguments = (("x", Block("i8", 1 << 14)),)
    steps = (
        Start("a", "a", (Transfer("x", 0, 4_096),)),
        Start("b", "b", (Transfer("x", 0, 4_096),)),
        Start("c", "c", (Transfer("x", 4_096, 8_192),), token=True),
        Await("c"),
        Free("a"),
        Free("b"),
    )
    check(replace(design, sequences=(Sequence("run", arguments, steps),)))


def test_reading_what_is_still_being_written() -> None:
    """Order holds on a channel only: the second op must start after the first one's result is awaited."""
    into_x = Start("o0", "out_shim", (Transfer("x", 1_024, 4 * OBJECT),), token=True)
    reads = Start("i1", "in_shim", (Transfer("x", 1_024 + 3 * OBJECT, OBJECT),))
    first = (into_x, send("i0", 4))
    check(run(*first, Await("o0"), Free("i0"), get("o1"), reads, Await("o1"), Free("i1")))
    early = run(*first, reads, Await("o0"), Free("i0"), get("o1"), Await("o1"), Free("i1"))
    (violation,) = violations(early)
    assert violation.name == "hazard"
    assert "task o0 may still write" in violation.found
    beside = replace(reads, transfers=(Transfer("x", 1_024 + 4 * OBJECT, OBJECT),))
    check(run(*first, beside, Await("o0"), Free("i0"), get("o1"), Await("o1"), Free("i1")))


def test_writing_what_is_still_being_read() -> None:
    over_x = Start("o", "out_shim", (Transfer("x", 0, OBJECT),), token=True)
    (violation,) = violations(run(send("i"), over_x, Await("o"), Free("i")))
    assert violation.name == "hazard"
    assert "task i may still read" in violation.found


@st.composite
def tasks(draw: st.DrawFn) -> Start:
    dims = draw(st.lists(st.builds(Dim, st.integers(1, 4), st.integers(0, 12)), max_size=4).map(tuple))
    length = math.prod(dim.size for dim in dims[-3:]) if dims else draw(st.integers(1, 8))
    return Start("t", "f", (Transfer("x", draw(st.integers(0, 40)), length, dims),), draw(st.integers(0, 3)))


def elements(start: Start) -> set[int]:
    visited = pattern(start.transfers[0])
    return {int(i) for number in range(start.repeat + 1) for i in visited.indices(number)}


@given(tasks(), tasks())
def test_hazards_are_exact(one: Start, other: Start) -> None:
    """Regions that interleave without touching are no hazard."""
    assert (shared(touched(one), touched(other)) is not None) == bool(elements(one) & elements(other))
