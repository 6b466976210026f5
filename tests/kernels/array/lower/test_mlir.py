"""The text for mlir-aie. The real front end is not here: these tests hold the text against the syntax that it took."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from kernels.array.design import Design, KernelFunction, TileBuffer
from kernels.array.lower.mlir import to_mlir
from kernels.array.program import Acquire, Call, Core, Held, Index, Loop, Release
from kernels.array.sequence import Sequence, Start, Transfer
from kernels.array.tile import Block, Dim
from kernels.errors import DesignError
from tests.kernels.array.scale import CORES, PART, SEQUENCE, design


def text_of(changed: Design) -> list[str]:
    return [line.strip() for line in to_mlir(changed).splitlines()]


def test_every_part_once() -> None:
    lines = text_of(design())
    for line in (
        "aie.device(npu1_1col) {",
        "%tile_0_3 = aie.tile(0, 3)",
        "aie.objectfifo @in(%tile_0_0, {%tile_0_1}, [2, 2]) : !aie.objectfifo<memref<128xi32>>",
        (
            "aie.objectfifo @in1(%tile_0_1 dimensionsToStream [<size = 8, stride = 1>, <size = 8, stride = 8>], "
            "{%tile_0_3}, [2, 2]) : !aie.objectfifo<memref<64xi32>>"
        ),
        "aie.objectfifo.link [@in] -> [@in0, @in1] ([] [0, 64])",
        "aie.objectfifo.link [@out0, @out1] -> [@out] ([0, 64] [])",
        'func.func private @command(memref<64xi32>, memref<16xi32>) attributes {link_with = "scale.o"}',
        '%buffer_prm0 = aie.buffer(%tile_0_2) {sym_name = "prm0"} : memref<16xi32>',
        (
            '%buffer_table1 = aie.buffer(%tile_0_3) {sym_name = "table1"} : memref<8xi16>'
            ' = dense<"0x0000FFFFFEFFFDFFFCFFFBFFFAFFF9FF">'
        ),
        "%core_0_3 = aie.core(%tile_0_3) {",
        "aie.runtime_sequence @run(%arg_x: memref<4096xi32>, %arg_y: memref<8192xi32>) {",
        (
            "aie.dma_bd(%arg_y : memref<8192xi32>, 0, 128, [<size = 4, stride = 256>, <size = 1, stride = 0>,"
            " <size = 2, stride = 128>, <size = 64, stride = 1>])"
        ),
        "} {issue_token = true, repeat_count = 3 : i32}",
        "aie.next_bd ^bd1",
        "aiex.dma_await_task(%task_result)",
        "aiex.dma_free_task(%task_both)",
    ):
        assert lines.count(line) == 1, line
    assert lines.count("} {stack_size = 1024 : i32, dynamic_objfifo_lowering = true}") == 2


def test_a_loop_bound_is_read_where_the_loop_begins() -> None:
    lines = text_of(design())
    read = lines.index("%word2 = memref.load %buffer_prm0[%c2] : memref<16xi32>")
    assert lines[read - 1 : read + 4] == [
        "scf.for %twice_index = %c0 to %c2 step %c1 {",
        "%word2 = memref.load %buffer_prm0[%c2] : memref<16xi32>",
        "%count2 = arith.index_cast %word2 : i32 to index",
        "scf.for %k_index = %c0 to %count2 step %c1 {",
        "%k_i32 = arith.index_cast %k_index : index to i32",
    ]


def test_a_call_is_handed_what_its_core_holds() -> None:
    calls = [line for line in text_of(design()) if line.startswith("func.call @scale")]
    types = "(memref<64xi32>, memref<8xi16>, memref<64xi32>, memref<16xi32>, i32, i32) -> ()"
    values = "%object3_in{0}, %buffer_table{0}, %object4_out{0}, %buffer_prm{0}, %k_i32, %minus3_i32"
    assert calls == [f"func.call @scale({values.format(n)}) : {types}" for n in range(2)]


def test_no_value_is_used_before_it_is_defined() -> None:
    scopes: list[set[str]] = [set()]
    for line in text_of(design()):
        names = re.findall(r"%\w+", line)
        if re.match(r"%\w+ = |scf\.for %|aie\.runtime_sequence", line):
            defined = names if line.startswith("aie.runtime_sequence") else names[:1]
            used = [name for name in names if name not in defined]
        else:
            defined, used = [], names
        assert all(any(name in scope for scope in scopes) for name in used), line
        assert not any(name in scope for name in defined for scope in scopes), line
        if line.startswith("}"):
            scopes.pop()
        inner = line.endswith("{")
        if inner:
            scopes.append(set())
        scopes[-1 if not line.startswith("%") or not inner else -2].update(defined)
    assert len(scopes) == 1


def test_the_same_design_is_the_same_text() -> None:
    assert to_mlir(design()) == to_mlir(design())


def test_a_core_without_loops_is_unrolled_instead() -> None:
    flat = (Acquire("in0"), Call("command", (Held("in0"), 0)), Release("in0"))
    kernels = (KernelFunction("command", (PART, "i32"), "test/scale.cc"),)
    lines = text_of(replace(design(), kernels=kernels, cores=(Core(CORES[0], flat, 1_024),)))
    assert "} {stack_size = 1024 : i32}" in lines


def test_passes_that_would_be_folded_are_one_run() -> None:
    stepped = Transfer("y", 0, 128, (Dim(4, 128), Dim(1, 0), Dim(2, 64), Dim(64, 1)))
    lines = text_of(design(Sequence("run", SEQUENCE.arguments, (Start("result", "out", (stepped,), 3, True),))))
    assert "aie.dma_bd(%arg_y : memref<8192xi32>, 0, 512)" in lines
    assert "} {issue_token = true}" in lines


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: replace(d, fifos=(replace(d.fifos[0], name="in-0"), *d.fifos[1:])), r"not symbols: \['in-0'\]"),
        (lambda d: replace(d, buffers=(d.buffers[0], *d.buffers)), r"used twice: \['prm0'\]"),
        (
            lambda d: replace(d, kernels=(*d.kernels, KernelFunction("k", (), "b/scale.cc"))),
            r"one object file: \['scale.o'\]",
        ),
        (
            lambda d: replace(d, buffers=(*d.buffers, TileBuffer("t", CORES[0], Block("i16", 8), np.arange(4)))),
            "Buffer t: 32 bytes of initial values for 16",
        ),
        (
            lambda d: replace(d, cores=(Core(CORES[0], (Call("command", (Held("in0"), Index("k"))),), 1_024),)),
            r"Core \(0, 2\): command is handed in0, which is not held",
        ),
        (
            lambda d: replace(d, cores=(Core(CORES[0], (Release("in0"),), 1_024),)),
            r"Core \(0, 2\): in0 is released, which is not held",
        ),
        (
            lambda d: replace(d, cores=(Core(CORES[0], (Loop("a b", 1, ()),), 1_024),)),
            r"not symbols: \['a b'\]",
        ),
    ],
)
def test_refusals(change: object, message: str) -> None:
    assert callable(change)
    with pytest.raises(DesignError, match=message):
        to_mlir(change(design()))
