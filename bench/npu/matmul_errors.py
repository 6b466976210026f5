"""The errors of the matmul kernels on real activations and on random ones of Whisper's size, as the tables of the docs.

python -m bench.npu.matmul_errors [RECORDING ...]
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.npu.demo import SAMPLE, demo_encoder, window
from kernels.encoder import reference as encoder
from kernels.encoder.shapes import SHAPES
from kernels.encoder.weights import EncoderWeights, Linear, random_encoder
from kernels.matmul import blocks, reference
from kernels.matmul.accuracy import ProductError, product_error
from kernels.matmul.blocks import Float32
from kernels.matmul.reference import Float64

ROWS = 512  # of 1,500, evenly spread: enough for every figure to settle


@dataclass(frozen=True, slots=True)
class Product:
    """A matrix product of an encoder: input, weight and bias; with ``gelu``, GELU follows."""

    name: str
    a: Float32
    linear: Linear
    gelu: bool

    @property
    def b(self) -> Float32:
        """The weight as the right operand, [in, out]."""
        return np.ascontiguousarray(self.linear.weight.T)


@dataclass(frozen=True, slots=True)
class ProductErrors:
    """The errors of one matrix product against float64.

    ``bf16`` and ``int8`` compare the kernels with the exact product of the same rounded operands, ``bf16_whole`` and
    ``int8_whole`` with that of the float32 operands. ``rounding`` is the error of rounding the exact result to bf16,
    ``quantisation`` that of int8 operands alone.
    """

    name: str
    rounding: ProductError
    bf16: ProductError
    bf16_whole: ProductError
    int8: ProductError
    int8_whole: ProductError
    quantisation: ProductError


@cache
def real(path: Path = SAMPLE) -> tuple[Product, ...]:
    """Return every matrix product of the demo model's layers on a window of speech."""
    return tuple(_products(demo_encoder(), encoder.embed(demo_encoder(), window(path))))


@cache
def whisper_base() -> tuple[Product, ...]:
    """Return the matrix products of a layer of Whisper base's size, with random weights and input."""
    weights = random_encoder(SHAPES["base"])
    x = np.random.default_rng(1).standard_normal((ROWS, 512)) * 2
    return tuple(_products(weights, x, layers=1))


def _products(weights: EncoderWeights, x: Float64, layers: int | None = None) -> Iterator[Product]:
    for number, layer in enumerate(weights.layers[:layers]):
        normal = encoder.normalise(x, layer.attention_norm)
        context = encoder.attend(encoder.apply(layer.qkv, normal))
        x = x + encoder.apply(layer.out, context)
        second = encoder.normalise(x, layer.ffn_norm)
        inner = encoder.gelu(encoder.apply(layer.up, second))
        x = x + encoder.apply(layer.down, inner)
        pairs = {"qkv": (normal, layer.qkv), "out": (context, layer.out), "up": (second, layer.up)}
        for name, (a, linear) in (pairs | {"down": (inner, layer.down)}).items():
            every = max(1, len(a) // ROWS)
            yield Product(f"{name}, layer {number}", a[::every][:ROWS].astype(np.float32), linear, name == "up")


def errors(product: Product) -> ProductErrors:
    """Compute the product by the bf16 and by the int8 kernels, and return their errors."""
    a, b, bias, gelu = product.a, product.b, product.linear.bias, product.gelu
    true = reference.exact(a, b, bias, gelu)
    same = reference.exact(_bf16(a), _bf16(b), bias, gelu)
    rows, columns = blocks.quantise_rows(a), blocks.quantise_columns(b)
    quantised = reference.exact(rows[0] * rows[1][:, None].astype(np.float64), columns[0] * columns[1], bias, gelu)
    c = reference.matmul(a, b, bias, gelu)
    c_i8 = reference.matmul_i8(rows, columns, bias, gelu)
    return ProductErrors(
        product.name,
        rounding=product_error(_bf16(same.astype(np.float32)), same),
        bf16=product_error(c, same),
        bf16_whole=product_error(c, true),
        int8=product_error(c_i8, quantised),
        int8_whole=product_error(c_i8, true),
        quantisation=product_error(quantised, true),
    )


def _bf16(values: NDArray[np.float32]) -> Float32:
    return blocks.from_bf16(blocks.to_bf16(values))


def table(title: str, products: Iterable[Product]) -> Iterator[str]:
    """Yield a Markdown table of errors: relative L2 (median, largest), and worst element over root mean square."""
    measured = [errors(product) for product in products]
    yield f"| {title} | typical | largest | worst element |"
    yield "|---|---|---|---|"
    rows = {
        "rounding the exact result to bf16": "rounding",
        "bf16 kernel, same operands": "bf16",
        "bf16, from float32 operands": "bf16_whole",
        "int8 kernel, same operands": "int8",
        "quantisation to int8 alone": "quantisation",
        "int8, from float32 operands": "int8_whole",
    }
    for label, name in rows.items():
        of_name: list[ProductError] = [getattr(each, name) for each in measured]
        relative = [error.relative for error in of_name]
        worst = max(error.worst for error in of_name)
        yield f"| {label} | {np.median(relative):.5f} | {max(relative):.5f} | {worst:.3f} |"


def main() -> None:
    """Print the tables of the errors on speech and on random activations."""
    recordings = [Path(name) for name in sys.argv[1:]] or [SAMPLE]
    speech = [product for path in recordings for product in real(path)]
    lines = [*table("demo model on speech", speech), "", *table("Whisper base, random", whisper_base())]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
