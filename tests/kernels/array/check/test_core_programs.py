"""Core programs: held objects, arguments, loops."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kernels.array.check import core_programs as programs
from kernels.array.check.check import check
from kernels.array.design import Design, KernelFunction, ObjectFifo, TileBuffer
from kernels.array.program import Acquire, Call, Core, Held, Index, Local, Loop, Release, Statement, statements
from kernels.array.tile import Block, Tile
from tests.kernels.array.arrays import holding
from tests.kernels.array.designs import CORE, SHIM, forward, names, violations

BLOCK = Block("bf16", 128)
COPY = Call("copy", (Held("in_core"), Held("out_core")))
PASS = holding(("in_core", "out_core"), COPY)


def program(*body: Statement) -> Design:
    design = forward(objects=4)
    numbered = KernelFunction("numbered", (BLOCK, "i32"), "test/copy.cc")
    return replace(
        design,
        kernels=(*design.kernels, numbered),
        buffers=(
            TileBuffer("here", CORE, BLOCK),
            TileBuffer("there", Tile(0, 3), BLOCK),
            TileBuffer("wide", CORE, Block("f32", 128)),
        ),
        cores=(Core(CORE, body, 1_024),),
    )


@pytest.mark.parametrize(
    "body",
    [
        PASS,
        (Loop("twice", 2, PASS),),
        (Loop("never", 0, holding(("in_core",), Call("numbered", (Held("in_core"), Index("never"))))), *PASS),
        # held across a loop, and given back and taken again inside one
        holding(("out_core",), Loop("k", 1, holding(("in_core",), COPY))),
        (Loop("a", 2, PASS), Loop("a", 2, PASS)),
        (Acquire("in_core"), Acquire("out_core"), COPY, Release("out_core"), Release("in_core")),
        holding(("in_core", "out_core"), Call("copy", (Local("here"), Held("out_core")))),
    ],
)
def test_programs_that_run(body: tuple[Statement, ...]) -> None:
    check(program(*body))


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ((*PASS, Acquire("in_core")), "balance"),
        ((Loop("k", 2, (Acquire("in_core"), Acquire("out_core"), COPY)),), "balance"),
        ((*PASS, Release("in_core")), "release"),
        ((Acquire("in_core"), Loop("k", 1, (Release("in_core"),)), *holding(("out_core",))), "balance"),
        ((Acquire("in_core"), *PASS), "acquire"),
        ((COPY, *PASS), "arguments"),
        ((*PASS, COPY), "arguments"),
        ((Acquire("in_shim"), Release("in_shim"), *PASS), "acquire"),
        (holding(("in_core", "out_core"), Call("copy", (Held("in_core"),))), "arguments"),
        (holding(("in_core", "out_core"), Call("copy", (Held("in_core"), 3))), "arguments"),
        (holding(("in_core", "out_core"), Call("copy", (Held("in_core"), Local("wide")))), "arguments"),
        (holding(("in_core", "out_core"), Call("copy", (Held("in_core"), Local("there")))), "arguments"),
        (holding(("in_core", "out_core"), Call("numbered", (Held("in_core"), Index("k")))), "arguments"),
        (holding(("in_core", "out_core"), Call("numbered", (Held("in_core"), 1 << 31))), "arguments"),
        (holding(("in_core", "out_core"), Call("numbered", (Held("in_core"), Held("out_core")))), "arguments"),
        ((Loop("k", 1, (Loop("k", 4, PASS),)),), "loops"),
        ((Loop("k", -1, PASS),), "loops"),
        (holding(("in_core",)), "ends"),
    ],
)
def test_programs_that_do_not(body: tuple[Statement, ...], name: str) -> None:
    assert name in names(program(*body))


def test_index_after_its_loop() -> None:
    late = Call("numbered", (Held("in_core"), Index("k")))
    body = (Loop("k", 2, PASS), *holding(("in_core", "out_core"), late))
    assert "arguments" in names(program(*body))


def test_a_fifo_to_a_core_without_a_program() -> None:
    fifo = ObjectFifo("lost", SHIM, (Tile(0, 4),), BLOCK, (2, 2))
    (violation,) = violations(replace(forward(), fifos=(*forward().fifos, fifo)))
    assert (violation.where, violation.name) == ("fifo lost", "ends")


Body = tuple[Statement, ...]


def flat(parts: list[Body]) -> Body:
    return tuple(statement for part in parts for statement in part)


def loop(body: Body) -> Body:
    return (Loop(f"k{len(list(statements(body)))}", 2, body),)


fifos = st.sampled_from(["in_core", "out_core"])


@st.composite
def bodies(draw: st.DrawFn, depth: int = 3) -> Body:
    """Draw core programs, about half of which release all that they acquire."""
    parts: list[Body] = []
    for _ in range(draw(st.integers(0, 3))):
        fifo = draw(fifos)
        kind = draw(st.sampled_from(["both", "both", "acquire", "release", "loop", "loop", "around"]))
        inner = draw(bodies(depth - 1)) if depth and kind in ("loop", "around") else ()
        made: dict[str, Body] = {
            "both": holding((fifo,)),
            "acquire": (Acquire(fifo),),
            "release": (Release(fifo),),
            "loop": loop(inner),
            "around": holding((fifo,), *inner),
        }
        parts.append(made[kind])
    return flat(parts)


def held_after(body: Body, held: dict[str, int]) -> bool:
    """Run a program with two passes of every loop; ``held`` counts the objects held of each FIFO.

    Return False if the program acquires a held object or releases one that is not held.
    """
    for statement in body:
        if isinstance(statement, Loop):
            if not all(held_after(statement.body, held) for _ in range(2)):
                return False
        elif isinstance(statement, Acquire | Release):
            held[statement.fifo] = held.get(statement.fifo, 0) + (1 if isinstance(statement, Acquire) else -1)
            if held[statement.fifo] not in (0, 1):
                return False
    return True


@given(bodies())
def test_what_is_accepted_runs_any_number_of_passes(body: Body) -> None:
    """Check accepts no program that, when run, would acquire a held object or release one that it does not hold."""
    wrong = {"balance", "release", "acquire"} & {violation.name for violation in programs.violations(program(*body))}
    held: dict[str, int] = {}
    runs = all(held_after(body, held) for _ in range(3)) and not any(held.values())
    assert runs or wrong
