"""The five wrong programs that aiecc accepts silently: a design cannot express them, or check refuses them."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from kernels.array.check.check import check
from kernels.array.lower.mlir import to_mlir
from kernels.array.program import Acquire, BufferWord, Call, Held, Loop, Release, Statement
from kernels.array.sequence import Sequence, Start, Transfer
from kernels.array.tile import Block, Dim
from tests.kernels.array.arrays import holding
from tests.kernels.array.designs import CORE, forward, matmul, names, there_and_back


def test_1_no_acquire_inside_a_branch() -> None:
    """The lowering drops acquires in branches. A design has no branches: a loop of 0 passes skips work by data."""
    assert set(get_args(Statement)) == {Acquire, Release, Call, Loop}
    text = to_mlir(matmul(4_096, 4_096, 16_384, 8_192, 1))
    assert "scf.if" not in text
    assert "index_switch" not in text


def test_2_objects_of_a_loop_are_picked_at_run_time() -> None:
    """One acquire in a loop and a depth of 2: static lowering would return the same object for ever."""
    looped = matmul(4_096, 4_096, 16_384, 8_192, 1)
    assert looped.cores[0].dynamic
    assert "dynamic_objfifo_lowering = true" in to_mlir(looped)
    nested = holding(
        ("out_core",), Loop("k", 1, (Loop("l", 1, holding(("in_core",), Call("copy", (Held("in_core"),) * 2))),))
    )
    design = forward()
    nested_design = replace(design, cores=(replace(design.cores[0], body=nested),))
    assert nested_design.cores[0].dynamic
    assert "dynamic_objfifo_lowering = true" in to_mlir(nested_design)
    assert not design.cores[0].dynamic  # a flat body is unrolled, which is right at any depth
    acquire, *rest = design.cores[0].body
    around = replace(design.cores[0], body=(acquire, Loop("idle", 0, ()), *rest))
    assert around.dynamic  # aiecc refuses to unroll the loop in the copies of the body
    assert isinstance(looped.cores[0].body[0], Loop)
    assert isinstance(looped.cores[0].body[0].count, BufferWord)
    assert looped.cores[0].tile == CORE


def with_input(start: Start) -> Sequence:
    block = Block("bf16", 1 << 12)
    steps = there_and_back("in_shim", "out_shim", 512, 512)
    return Sequence("run", (("x", block), ("y", block)), (steps[0], start, *steps[2:]))


def test_3_a_step_needs_a_task_that_repeats() -> None:
    """A fourth dimension alone does nothing: a quarter of the data would come, and the rest be waited for."""
    step = (Dim(4, 256), Dim(1, 0), Dim(1, 0), Dim(128, 1))
    good = Start("input", "in_shim", (Transfer("x", 0, 128, step),), repeat=3)
    check(replace(forward(), sequences=(with_input(good),)))
    assert "repeat" in names(replace(forward(), sequences=(with_input(replace(good, repeat=0)),)))
    assert "repeat" in names(replace(forward(), sequences=(with_input(replace(good, repeat=1)),)))


def test_4_a_repeat_in_place_is_the_task_s() -> None:
    """A fourth dimension of stride 0 is dropped in a chain; the repeat of the whole task does the same, rightly."""
    still = (Dim(2, 0), Dim(1, 0), Dim(1, 0), Dim(128, 1))
    chain = (Transfer("x", 0, 128, still), Transfer("x", 256, 128))
    bad = Start("input", "in_shim", chain, repeat=1)
    assert names(replace(forward(), sequences=(with_input(bad),))) == {"repeat"}
    good = Start("input", "in_shim", (Transfer("x", 0, 128), Transfer("x", 256, 128)), repeat=1)
    check(replace(forward(), sequences=(with_input(good),)))


def test_5_a_link_between_objects_of_two_sizes() -> None:
    """Both ends would move the larger size: the memtile waits for 512 bytes where 256 arrive."""
    for name in ("in_shim", "in_core", "out_core", "out_shim"):
        design = forward(
            lambda fifo, name=name: replace(fifo, block=Block("bf16", 256)) if fifo.name == name else fifo  # type: ignore[misc]
        )
        assert "object size" in names(design)
