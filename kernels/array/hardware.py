"""The limits of npu1 (mlir-aie's name of Phoenix and Hawk Point) and of the compilers, each with its source.

Sources: AM020 (Versal AI Engine-ML architecture), mlir-aie@97962964 (AIETargetModel.h and .cpp, AIEXDialect.cpp,
AIEDialect.cpp), aie-rt@1ad203d (xaiemlgbl_reginit.c), XRT and amd/xdna-driver@856409ca. Columns are numbered within the
partition (the columns that a design uses): column 0 is its first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kernels.array.tile import Tile

TileDirection = Literal["in", "out"]  # as seen from the tile: "in" is S2MM (stream to memory), "out" MM2S


@dataclass(frozen=True, slots=True)
class TileLimits:
    """The resources of one tile of a kind (core, memtile or shim).

    ``memory_bytes`` is its data memory, ``channels`` the DMA channels in each direction, ``descriptors`` the buffer
    descriptors (BDs), ``dims`` the nested dimensions of a descriptor besides the step between repeats. A dimension has
    at most ``wrap`` steps (the innermost counts 32-bit words; the outermost has no limit) of at most ``step_words``
    words.
    """

    memory_bytes: int
    channels: int
    descriptors: int
    locks: int
    dims: int
    wrap: int
    step_words: int


# Memory: AM020 and AIETargetModel.h (getLocalMemorySize, getMemTileSize). Channels: AIETargetModel.cpp, the DMA bundle
# of getNumDestSwitchboxConnections and getNumDestShimMuxConnections. Descriptors and locks: AIETargetModel.h
# (getNumBDs, getNumLocks). Wrap and step: xaiemlgbl_reginit.c (WrapMax, StepSizeMax) and AIEXDialect.cpp
# (verifyStridesWraps); a step is stored less one, so 2**bits words is the largest.
CORE = TileLimits(64 << 10, channels=2, descriptors=16, locks=16, dims=3, wrap=255, step_words=1 << 13)
MEMTILE = TileLimits(512 << 10, channels=6, descriptors=48, locks=64, dims=4, wrap=1023, step_words=1 << 17)
SHIM = TileLimits(0, channels=2, descriptors=16, locks=16, dims=3, wrap=1023, step_words=1 << 20)
LIMITS = {"core": CORE, "memtile": MEMTILE, "shim": SHIM}

PROGRAM_BYTES = 16 << 10  # of a core: AM020. mlir-aie's linker script would accept 128 KB (AIETargetLdScript.cpp)
MEMTILE_CHANNEL_DESCRIPTORS = 24  # even channels reach BDs 0 to 23, odd ones 24 to 47: isBdChannelAccessible
MAX_LOCK_VALUE = 63  # AIETargetModel.h, getMaxLockValue
MAX_STEPS = 64  # passes that a descriptor's step counts: 6 bits, AIEXDialect.cpp (NpuWriteBdOp)
MAX_PASSES = 256  # of a queued task: xaiemlgbl_reginit.c (MaxRepeatCount), AIEXDialect.cpp (NpuPushQueueOp)
QUEUED_TASKS = 4  # on a channel: xaiemlgbl_reginit.c (StartQSizeMax)
WORD_BYTES = 4  # addresses, strides and lengths of a DMA are multiples of a word: getAddressGenGranularity
STATIC_DIM = 512  # largest dimension of a FIFO's access pattern that mlir-aie accepts: AIEDialect.cpp (DMABDOp::verify)
STACK_ALIGNMENT = 32  # bytes; vector registers are spilled to the stack
LAUNCH_ARGUMENTS = 5  # buffers of an aiecc xclbin: aiecc.cpp (generateKernelsJson)
ARGUMENT_BYTES = 1 << 31  # the offset into an argument is a signed 32-bit word (NpuAddressPatchOp)
COLUMNS = (1, 2, 4)  # npu1_1col, npu1_2col, npu1; the chip's fifth column has no shim
ROWS = range(6)  # shim, memtile, four cores

# Stream switch ports between tiles: AIETargetModel.cpp, getNumDestSwitchboxConnections. The shim and the memtile pass 6
# northward and 4 southward as cores do; a memtile has no ports to its sides.
PORTS_NORTH = 6
PORTS_SOUTH = 4
PORTS_SIDE = 4
SIDE_ROWS = (0, 2, 3, 4, 5)


def exists(tile: Tile, columns: int) -> bool:
    """Return whether an array of ``columns`` columns has this tile."""
    return 0 <= tile.col < columns and tile.row in ROWS


def neighbours(first: Tile, second: Tile) -> bool:
    """Return whether two tiles share a memory, so that mlir-aie joins them without a DMA (isLegalMemAffinity)."""
    if first.kind != second.kind or first.kind == "shim":
        return False
    return abs(first.col - second.col) + abs(first.row - second.row) <= 1
