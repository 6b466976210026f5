"""The cycle estimates are bounded by the multiplier and within the design's budget."""

from __future__ import annotations

import pytest

from kernels.matmul.cycles import cycles
from kernels.schedule import ALU, LOAD, MULTIPLY, STORE, Schedule

MACS = 64 * 64 * 64 // 128  # of a bf16 block; int8 has twice the depth at twice the rate


@pytest.mark.parametrize("name", ["gemm_mac", "gemm_mac_i8"])
def test_a_product_is_bound_by_its_macs(name: str) -> None:
    block = cycles(gelu=False)[name]

    assert MACS < block.best < 1.15 * MACS
    assert block.best < block.nominal < 1.5 * MACS


def test_a_bf16_block_stays_within_its_budget() -> None:
    assert cycles(gelu=False)["gemm_mac"].nominal <= 2_720


@pytest.mark.parametrize("name", ["gemm_out", "gemm_out_i8"])
def test_gelu_takes_two_cycles_for_each_element_at_most(name: str) -> None:
    plain, gelu = cycles(gelu=False)[name], cycles(gelu=True)[name]

    assert gelu.nominal - plain.nominal <= 2 * 64 * 64
    assert gelu.best - plain.best < 0.5 * 64 * 64


@pytest.mark.parametrize("tile", [16, 32])
def test_smaller_tiles_cost_less(tile: int) -> None:
    small, whole = cycles(gelu=True, tile=tile), cycles(gelu=True)

    assert all(small[name].nominal <= whole[name].nominal for name in whole)


def test_what_does_not_depend_on_each_other_issues_side_by_side() -> None:
    code = Schedule()
    for _ in range(4):
        code.issue(LOAD)

    assert (code.busiest, code.length) == (2, 1 + LOAD.latency)


def test_a_result_is_waited_for_and_the_gap_is_filled() -> None:
    code = Schedule()
    loaded = code.issue(LOAD)
    product = code.issue(MULTIPLY, loaded)
    aside = code.issue(MULTIPLY)
    code.issue(STORE, code.issue(ALU, product, aside), times=2)

    assert aside == MULTIPLY.latency
    assert code.length == LOAD.latency + MULTIPLY.latency + ALU.latency + 1 + STORE.latency
    assert code.busiest == 2
