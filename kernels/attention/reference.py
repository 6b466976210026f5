"""The reference of the attention kernels: attention in float64, and the host-compiled kernels called in plain loops.

Queries have the scale that the kernels expect, ``QUERY_SCALE`` (kernels/encoder/weights.py): the product of a query and
a key is a score in units of four octaves, so the softmax is 2 ** (4 * score).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.command import WORDS, AttentionWord
from kernels.host.buffers import buffer, pointer
from kernels.host.compile import build
from kernels.matmul.blocks import TILE, activation_blocks, activation_matrix, from_bf16, to_bf16

Float64 = NDArray[np.float64]

SOURCE = Path(__file__).with_name("attention.cc")
OCTAVES = 4.0  # per unit of a scaled query times a key
ACC, TABLE, STATE = 4096, 1024, 256  # elements of a core's buffers


def rounded(values: NDArray[Any]) -> Float64:
    """Return the bf16 number nearest to each value, as float64 of the same shape."""
    return from_bf16(to_bf16(values)).astype(np.float64)


def attend(query: NDArray[Any], key: NDArray[Any], value: NDArray[Any]) -> Float64:
    """Return the softmax attention of one head in float64, [n, 64], for query [n, 64], key and value [m, 64]."""
    return _mean(_weights(query, key), value)


def attend_rounding(query: NDArray[Any], key: NDArray[Any], value: NDArray[Any]) -> Float64:
    """Return ``attend`` with only the weights (largest 1) and the result rounded to bf16: the best that bf16 allows."""
    return rounded(_mean(rounded(_weights(query, key)), value))


def call_kernels(query: NDArray[Any], key: NDArray[Any], value: NDArray[Any], valid: int | None = None) -> Float64:
    """Return the attention of one head, [n, 64], as the host-compiled kernels compute it.

    The queries are [n, 64], key and value [m, 64], of which the first ``valid`` (default: all) count; n and m are
    multiples of 64; inputs are rounded to bf16. Raises CompileError if the kernels do not compile.
    """
    library = build([SOURCE])
    q, k, v, weights, context = (buffer(TILE * TILE, np.uint16) for _ in range(5))
    acc, table, state = (buffer(count, np.float32) for count in (ACC, TABLE, STATE))
    prm = buffer(WORDS, np.int32)
    prm[AttentionWord.VALID_KEYS] = len(key) if valid is None else valid
    scratch = [pointer(array) for array in (acc, table, state)]
    keys, values = activation_blocks(key)[:, 0], activation_blocks(value)[:, 0]
    out = []
    for tile in activation_blocks(query)[:, 0]:
        q[:] = tile
        library.attn_query(pointer(q), pointer(context), 1, 0)  # of another column: must be ignored
        library.attn_query(pointer(q), pointer(context), 1, 1)
        library.attn_begin(*scratch)
        for number, (k[:], v[:]) in enumerate(zip(keys, values, strict=True)):
            library.attn_scores(pointer(context), pointer(k), pointer(weights), *scratch, pointer(prm), number)
            library.attn_values(pointer(weights), pointer(v), scratch[0], scratch[2])
        library.attn_end(scratch[0], scratch[2], pointer(context))
        out.append(context.copy())
    return activation_matrix(np.array(out)[:, None]).astype(np.float64)


def _weights(query: NDArray[Any], key: NDArray[Any]) -> Float64:
    scores = OCTAVES * query.astype(np.float64) @ key.astype(np.float64).T
    weights: Float64 = np.exp2(scores - scores.max(axis=1, keepdims=True))
    return weights


def _mean(weights: Float64, value: NDArray[Any]) -> Float64:
    mean: Float64 = weights @ value.astype(np.float64) / weights.sum(axis=1, keepdims=True)
    return mean
