"""Attention heads as an encoder makes them: query, key and value of real and of random weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kernels.attention.accuracy import AttentionHead
from kernels.attention.reference import rounded
from kernels.encoder.reference import apply, embed, normalise, run_layer
from kernels.encoder.shapes import HEAD
from kernels.encoder.weights import QUERY_SCALE, EncoderWeights

TILE = 64


def heads(
    encoder: EncoderWeights, mel: NDArray[np.float32], data: str, tiles: tuple[int, ...] = (0,)
) -> Iterator[AttentionHead]:
    """Yield the query, key and value of every head of every layer, computed from ``mel``, float32 [n_mels, 3000].

    The queries are those of ``tiles``, each of 64 rows; the keys are all, padded to whole tiles with junk.
    """
    x = embed(encoder, mel)
    rows = np.concatenate([np.arange(tile * TILE, (tile + 1) * TILE) for tile in tiles])
    junk = ((0, -len(x) % TILE), (0, 0))
    for number, layer in enumerate(encoder.layers):
        x = run_layer(encoder.layers[number - 1], x) if number else x
        qkv = apply(layer.qkv, normalise(x, layer.attention_norm))
        parts = (np.split(part, part.shape[1] // HEAD, axis=1) for part in np.split(qkv, 3, axis=1))
        for head, (query, key, value) in enumerate(zip(*parts, strict=True)):
            key, value = (rounded(np.pad(part, junk, constant_values=3.0)) for part in (key, value))
            name = f"{data}, layer {number}, head {head}"
            yield AttentionHead(name, rounded(query[rows] * QUERY_SCALE), key, value, len(x))
