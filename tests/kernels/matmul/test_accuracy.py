"""The errors of the matmul kernels on activations, real and of Whisper's size, are within the documented limits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.npu.matmul_errors import Product, errors, real, table, whisper_base
from kernels.matmul import blocks, reference
from kernels.matmul.accuracy import BF16, BF16_WHOLE, INT8, INT8_WHOLE, product_error


def hold(product: Product) -> None:
    measured = errors(product)

    assert measured.bf16.within(BF16)
    assert measured.bf16_whole.within(BF16_WHOLE)
    assert measured.int8.within(INT8)
    assert measured.int8_whole.within(INT8_WHOLE)
    assert measured.bf16.relative <= 1.03 * measured.rounding.relative  # the kernel adds next to nothing
    assert measured.int8_whole.relative <= 1.12 * measured.quantisation.relative


@pytest.mark.parametrize("number", range(16))
def test_on_the_demo_model(number: int) -> None:
    hold(real()[number])


@pytest.mark.parametrize("number", range(4))
def test_on_whisper_base_with_random_weights(number: int) -> None:
    hold(whisper_base()[number])


@pytest.mark.slow
def test_on_recorded_speech(shared_audio: Path) -> None:
    for path in sorted((shared_audio / "librispeech").glob("*.flac"))[:6]:
        for product in real(path):
            hold(product)


def test_a_wrong_product_is_out_of_tolerance() -> None:
    product = real()[0]
    swapped = product.b.copy()
    swapped[[0, 1]] = swapped[[1, 0]]  # two rows of 256 exchanged

    c = reference.matmul(product.a, swapped, product.linear.bias)

    assert not product_error(c, reference.exact(product.a, product.b, product.linear.bias)).within(BF16_WHOLE)


def test_a_lost_last_step_of_k_is_out_of_tolerance() -> None:
    product = real()[0]
    short = product.b.copy()
    short[-8:] = 0

    c = reference.matmul(product.a, short, product.linear.bias)

    assert not product_error(c, reference.exact(product.a, product.b, product.linear.bias)).within(INT8_WHOLE)


def test_scales_of_the_wrong_rows_are_out_of_tolerance() -> None:
    product = real()[0]
    rows, columns = blocks.quantise_rows(product.a), blocks.quantise_columns(product.b)

    c = reference.matmul_i8((rows[0], np.roll(rows[1], 1)), columns, product.linear.bias)

    assert not product_error(c, reference.exact(product.a, product.b, product.linear.bias)).within(INT8_WHOLE)


def test_the_table_shows_typical_and_largest() -> None:
    products = whisper_base()[:2]
    measured = [errors(product).int8.relative for product in products]

    row = next(line for line in table("random", products) if line.startswith("| int8 kernel"))

    assert f"| {np.mean(measured):.5f} | {max(measured):.5f} |" in row
