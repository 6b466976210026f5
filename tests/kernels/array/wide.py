"""A two-column design whose sequences use every form of a descriptor; ``streams/`` holds what aiecc wrote for them.

Made by aiecc of mlir-aie@97962964 (LLVM 22.1.8) from the text of ``to_mlir(design())``, on 2026-11-21:
aiecc --no-compile --no-link --aie-generate-npu-insts --npu-insts-name=wide_{1}.bin
"""

from __future__ import annotations

from kernels.array.design import Design, KernelFunction, Link, ObjectFifo
from kernels.array.program import Acquire, Call, Core, Held, Release
from kernels.array.sequence import Await, Free, Sequence, Start, Step, Transfer
from kernels.array.tile import Block, Dim, Tile

OBJECT = Block("bf16", 512)
WORDS, HALVES, BYTES = Block("i32", 1 << 20), Block("bf16", 1 << 20), Block("i8", 1 << 20)
ARGUMENTS = (("w", WORDS), ("h", HALVES), ("b", BYTES))

FORMS = (
    Transfer("h", 512, 4_096),
    Transfer("h", 0, 1_024, (Dim(1_024, 1),)),
    Transfer("h", 0, 512, (Dim(8, 64), Dim(64, 1))),
    Transfer("h", 2, 512, (Dim(2, 4_096), Dim(4, 128), Dim(64, 1))),
    Transfer("b", 4, 4_096, (Dim(4, 1_024), Dim(1_024, 1))),
    Transfer("b", 8, 4_096, (Dim(4, 2_048), Dim(1_024, 1))),
    Transfer("w", 0, 512, (Dim(256, 16), Dim(2, 4))),
    Transfer("w", 3, 512, (Dim(1, 5), Dim(512, 3))),
    Transfer("w", 0, 256, (Dim(256, 1), Dim(1, 1))),
    Transfer("w", 0, 1_048_576),
)
STEPPED = (
    Transfer("h", 0, 1_024, (Dim(64, 2_048), Dim(1, 0), Dim(16, 64), Dim(64, 1))),
    Transfer("h", 0, 1_024, (Dim(64, 0), Dim(2, 4_096), Dim(8, 128), Dim(64, 1))),
    Transfer("w", 1, 512, (Dim(64, 1_024), Dim(2, 8_192), Dim(8, 32), Dim(32, 1))),
)


def _every_form() -> tuple[Step, ...]:
    steps: list[Step] = []
    for number, transfer in enumerate(FORMS):
        steps += [Start(f"in{number}", f"in{number % 2}", (transfer,), repeat=number, token=number % 3 == 0)]
        steps += [Await(f"in{number}") if number % 3 == 0 else Free(f"in{number}")]
    return tuple(steps)


def _chains() -> tuple[Step, ...]:
    """Return steps with chains in two columns, on both channels of one; descriptors become free out of order."""
    return (
        Start("first", "in0", (FORMS[0], FORMS[3], FORMS[5])),
        Start("second", "in1", FORMS[6:8], repeat=255),
        Start("far", "in_far", STEPPED, repeat=63, token=True),
        Start("out", "out", (FORMS[3],), token=True),
        Free("first"),
        Start("third", "in0", STEPPED[:2], repeat=63),
        Await("far"),
        Await("out"),
        Start("fourth", "in_far", (FORMS[1],)),
        Free("fourth"),
    )


def _after_a_leak() -> tuple[Step, ...]:
    """Return steps that come after those of ``_chains``, which never frees its tasks "second" and "third"."""
    folded = Transfer("h", 64, 512, (Dim(16, 512), Dim(2, 256), Dim(4, 64), Dim(64, 1)))
    return (
        Start("a", "in0", FORMS[:2]),
        Start("b", "in1", (folded,), repeat=15, token=True),
        Free("a"),
        Await("b"),
        Start("c", "in0", FORMS[2:5]),
    )


SEQUENCES = (
    Sequence("forms", ARGUMENTS, _every_form()),
    Sequence("chains", ARGUMENTS, _chains()),
    Sequence("leak", ARGUMENTS, _after_a_leak()),
)


def _core(source: str, sink: str | None, tile: Tile) -> Core:
    fifos = (source, sink) if sink else (source,)
    call = Call("move" if sink else "eat", tuple(Held(fifo) for fifo in fifos))
    return Core(tile, (*map(Acquire, fifos), call, *map(Release, fifos)), 1_024)


def design() -> Design:
    shim, far = Tile(0, 0), Tile(1, 0)
    return Design(
        name="wide",
        columns=2,
        fifos=(
            ObjectFifo("in0", shim, (Tile(0, 2),), OBJECT, (2, 2)),
            ObjectFifo("in_far", far, (Tile(1, 1),), OBJECT, (2, 2)),
            ObjectFifo("far", Tile(1, 1), (Tile(1, 2),), OBJECT, (2, 2)),
            ObjectFifo("in1", shim, (Tile(0, 3),), OBJECT, (2, 2)),
            ObjectFifo("out", Tile(0, 2), (shim,), OBJECT, (2, 2)),
        ),
        links=(Link(("in_far",), ("far",)),),
        buffers=(),
        kernels=(
            KernelFunction("move", (OBJECT, OBJECT), "test/wide.cc"),
            KernelFunction("eat", (OBJECT,), "test/wide.cc"),
        ),
        cores=(_core("in0", "out", Tile(0, 2)), _core("in1", None, Tile(0, 3)), _core("far", None, Tile(1, 2))),
        sequences=SEQUENCES,
    )
