"""The errors of attention and layer norm on speech, on Whisper base's size and on unlikely data: the table of the docs.

python -m bench.npu.attention_errors [RECORDING ...]
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.npu.attention_heads import heads
from bench.npu.demo import SAMPLE, demo_encoder, window
from kernels.attention.accuracy import Comparison, adversarial, compare, compare_attention, table
from kernels.attention.reference import rounded
from kernels.encoder.reference import apply, attend, embed, gelu
from kernels.encoder.reference import normalise as normalise_affine
from kernels.encoder.shapes import SHAPES
from kernels.encoder.weights import random_encoder
from kernels.rows.reference import Float64, call_row_kernels, halves, normalise


def speech(path: Path = SAMPLE, tiles: tuple[int, ...] = (1, 22)) -> list[Comparison]:
    """Return the errors of the attention kernel for every head of the demo model, on a window of speech.

    The queries of ``tiles``, each of 64 rows, attend to all keys. The reference is attention in float64.
    """
    return [compare_attention(head) for head in heads(demo_encoder(), window(path), "speech", tiles)]


def base() -> list[Comparison]:
    """Return the attention kernel's errors for a layer of Whisper base's size; weights and spectrogram are random."""
    encoder = random_encoder(SHAPES["base"])
    mel = np.random.default_rng(0).standard_normal((80, 3000)).astype(np.float32)
    return [compare_attention(head) for head in heads(replace(encoder, layers=encoder.layers[:1]), mel, "random")]


def streams(path: Path = SAMPLE, layers: int = 2) -> Iterator[tuple[Float64, Float64]]:
    """Yield the operands of the residual sums in the first ``layers`` layers, in float64: the stream and its summand.

    Two blocks of 64 rows are taken of every sum.
    """
    encoder = demo_encoder()
    x = embed(encoder, window(path))
    for layer in encoder.layers[:layers]:
        half = apply(layer.out, attend(apply(layer.qkv, normalise_affine(x, layer.attention_norm))))
        middle = x + half
        other = apply(layer.down, gelu(apply(layer.up, normalise_affine(middle, layer.ffn_norm))))
        for rows in (slice(64), slice(1408, 1472)):
            yield x[rows], half[rows]
            yield middle[rows], other[rows]
        x = middle + other


def norm_error(x: Float64, y: Float64, valid: int, columns: int = 4) -> tuple[Comparison, float]:
    """Return the error of the kernel's layer norm of x + y, and the largest relative error of the sum itself.

    The first ``valid`` columns count. The error of the sum is relative to the largest magnitude in its row.
    """
    high, low, norm = call_row_kernels(x, y, valid, columns)
    total = sum(halves(x)) + rounded(y)
    exact = np.zeros_like(norm)
    exact[:, :valid] = normalise(total[:, :valid])
    off = np.abs(high + low - total).max(axis=1) / np.abs(total).max(axis=1)
    return compare("layer norm", f"{valid} columns", norm, exact, rounded(exact)), float(off.max())


def middle_and_worst(data: str, errors: Iterable[Comparison]) -> list[Comparison]:
    """Return the median and the worst of these comparisons, described by ``data``."""
    ordered = sorted(errors, key=lambda error: error.relative)
    named = (("median", ordered[len(ordered) // 2]), ("worst", ordered[-1]))
    return [replace(error, data=f"{data}, {name} of {len(ordered)}") for name, error in named]


def main() -> None:
    """Print the table of errors, for the recordings on the command line or the demo model's sample."""
    recordings = [Path(name) for name in sys.argv[1:]] or [SAMPLE]
    lines = [
        *middle_and_worst("heads of the demo model on speech", (e for path in recordings for e in speech(path))),
        *middle_and_worst("heads of Whisper base's size, random", base()),
        *map(compare_attention, adversarial()),
        *middle_and_worst("demo model on speech", (norm_error(x, y, 256)[0] for x, y in streams())),
    ]
    sys.stdout.write(table(lines) + "\n")


if __name__ == "__main__":
    main()
