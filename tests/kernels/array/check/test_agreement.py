"""Check beside the real aiecc (mlir-aie@97962964, run without the chip's compiler): the same verdict and the same map.

What aiecc said is recorded in aiecc.json (see aiecc_cases). Nothing that it refuses passes check; what check refuses
besides is listed here with the reason.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from kernels.array.check.check import check
from kernels.array.check.memory_map import STACK, memory_maps
from kernels.array.design import Design
from kernels.array.wiring import Wiring
from kernels.errors import DesignError
from tests.kernels.array.check.aiecc_cases import RECORD, cases

CASES = cases()
AIECC: dict[str, Any] = json.loads(RECORD.read_text())
STRICTER = {
    "inner_stride_2": "reads neighbours instead of every second element",
    "step_without_repeat": "runs once",
    "past_the_end": "reads behind the argument",
    "odd_length": "drops the last element",
    "queue_5": "the fifth task is lost",
    "six_arguments": "an xclbin has five; found only when that is written",
    "link_sizes": "the memtile waits for ever",
    "link_depths": "one of the depths is dropped",
    "link_types": "sizes are counted in elements of one of the types",
    "link_offsets": "parts overlap or are longer than their FIFO's objects",
    "unlinked": "objects fill the memtile and stop",
    "neighbours": "becomes one pool without a DMA",
    "order_too_few_elements": "sends half an object",
    "order_half_words": "half words are cut off when the registers are written",
    "order_odd_strides": "63 elements become 31 words when the registers are written",
    "unaligned": "vector loads would read from the wrong address",
}


def verdict(design: Design) -> str | None:
    try:
        check(design)
    except DesignError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", CASES)
def test_same_verdict(name: str) -> None:
    refused = verdict(CASES[name])
    if "error" in AIECC[name]:
        assert refused, f"aiecc refuses it: {AIECC[name]['error']}"
        assert name not in STRICTER
    else:
        assert (refused is not None) == (name in STRICTER), refused


def test_the_record_covers_every_case_and_both_verdicts() -> None:
    assert AIECC.keys() == CASES.keys()
    assert STRICTER.keys() <= CASES.keys()
    refused = [name for name in CASES if "error" in AIECC[name]]
    assert len(refused) >= 20
    assert len(CASES) - len(refused) - len(STRICTER) >= 20


def maps(wiring: Wiring) -> dict[str, list[list[object]]]:
    """Return name, address and bytes of every memory region, the stack among them, by tile."""
    every = memory_maps(wiring)
    return {
        str(memory.tile): sorted([part.name, part.address, part.nbytes] for part in memory.regions) for memory in every
    }


def without_stacks(every: dict[str, list[list[object]]]) -> dict[str, list[list[object]]]:
    buffers = {tile: [part for part in regions if part[0] != STACK] for tile, regions in every.items()}
    return {tile: regions for tile, regions in buffers.items() if regions}


@pytest.mark.parametrize("name", [name for name, said in AIECC.items() if "maps" in said])
def test_same_map_locks_and_descriptors(name: str) -> None:
    """Every buffer of every tile by name, address and size, also where check is stricter."""
    if name == "neighbours":
        return  # has another memory than the description says, which is why it is refused
    wiring = Wiring(CASES[name])
    tiles = CASES[name].tiles()
    assert without_stacks(maps(wiring)) == AIECC[name]["maps"]
    assert {str(tile): wiring.locks(tile) for tile in tiles if wiring.at(tile)} == AIECC[name]["locks"]
    descriptors = {str(tile): sum(end.descriptors for end in wiring.at(tile)) for tile in tiles if tile.kind != "shim"}
    assert descriptors == AIECC[name]["descriptors"]


@pytest.mark.parametrize("name", [name for name, said in AIECC.items() if "map" in said])
def test_same_map_in_the_refusal(name: str) -> None:
    assert AIECC[name]["map"] in maps(Wiring(CASES[name])).values()
