"""Whisper's encoder on OpenVINO; the only file that imports openvino.

OpenVINO computes attention block by block, where CTranslate2 writes 1500 x 1500 scores for each head to memory. In
float32 it is exact and needs less time than CTranslate2 in int8. bfloat16, which is faster on processors with AMX, is
here for measurements: it did not pass `python -m bench.accuracy`.
"""

from __future__ import annotations

from math import prod
from typing import Any, Literal

import numpy as np
from openvino import CompiledModel, Core, Model, Node
from openvino import opset13 as ops

from kernels.encoder.weights import EncoderLayer, EncoderWeights, Linear, Norm
from kernels.mel.audio import Float32
from kernels.mel.features import Features
from server.errors import ModelUnavailable

Precision = Literal["bfloat16", "float32"]

HINTS: dict[Precision, str] = {"bfloat16": "bf16", "float32": "f32"}
EPSILON = 1e-5  # of every layer normalisation, as in openai/whisper (torch's default)


class OpenVinoEncoder:
    """The encoder stage, window by window: float32 [B, n_mels, 2 F] -> float32 [B, F, d_model], F at most 1500.

    The relative L2 distance of the states from CTranslate2's in float32 is 4e-6 in float32, and 0.016 to 0.019 in
    bfloat16 (base on speech). The weights are a second copy beside CTranslate2's. Raises ModelUnavailable where
    OpenVINO refuses the graph or has no plugin for this processor.
    """

    device = "cpu"

    def __init__(self, weights: EncoderWeights, precision: Precision, threads: int) -> None:
        self.precision = precision
        self.d_model = weights.d_model
        options = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # the decoder's threads run on the same cores
        }
        try:
            self.compiled: CompiledModel = Core().compile_model(encoder_model(weights), "CPU", options)
        except RuntimeError as error:
            raise ModelUnavailable(f"OpenVINO refuses the encoder: {error}.", param="model.encoder") from error

    def __call__(self, features: Features) -> Float32:
        states = np.empty((len(features), features.shape[2] // 2, self.d_model), np.float32)
        request = self.compiled.create_infer_request()  # threads may share the compiled model, but no request
        for window, row in enumerate(states):
            request.infer([features[window][None]], share_inputs=True)
            row[:] = request.get_output_tensor().data[0]
        return states


def memory_bytes(weights: EncoderWeights) -> int:
    """Return about how much memory the encoder takes: OpenVINO keeps its weights twice, as given and as packed.

    Measured, with 60 MB for the library: 708 MB for small's 324 MB of float32 weights, 541 MB in bfloat16.
    """
    linears = [linear for layer in weights.layers for linear in (layer.qkv, layer.out, layer.up, layer.down)]
    return 2 * 4 * sum(prod(linear.shape) for linear in linears)


def encoder_model(weights: EncoderWeights) -> Model:
    """Return the encoder for one window: mel float32 [1, n_mels, 2 F] in, states float32 [1, F, d_model] out.

    F is at most 1500, and not known before the window comes.
    """
    mel = ops.parameter([1, weights.n_mels, -1], np.float32)
    x = _convolved(_convolved(mel, weights.conv1, stride=1), weights.conv2, stride=2)
    x = ops.transpose(x, [0, 2, 1])
    x = ops.add(x, _first(weights.positions, frames=_length(x, axis=1)))
    for layer in weights.layers:
        x = _layer(x, layer, weights.heads)
    return Model([_normalised(x, weights.norm)], [mel], "encoder")


def _length(x: Node, axis: int) -> Node:
    return ops.gather(ops.shape_of(x), np.array([axis]), 0)


def _first(positions: Float32, frames: Node) -> Node:
    """Return the embeddings of the first positions: [1500, d] -> [1, frames, d]."""
    return ops.slice(ops.constant(positions[None]), np.array([0]), frames, np.array([1]), np.array([1]))


def _layer(x: Node, layer: EncoderLayer, heads: int) -> Node:
    qkv = _linear(_normalised(x, layer.attention_norm), layer.qkv)
    x = ops.add(x, _linear(_attended(qkv, heads), layer.out))
    hidden = ops.gelu(_linear(_normalised(x, layer.ffn_norm), layer.up), "erf")
    return ops.add(x, _linear(hidden, layer.down))


def _attended(qkv: Node, heads: int) -> Node:
    """Mix values by attention: query, key and value side by side [1, F, 3 d] -> [1, F, d]."""
    query, key, value = (_by_head(part, heads) for part in ops.split(qkv, 2, 3).outputs())
    mixed = ops.transpose(ops.scaled_dot_product_attention(query, key, value), [0, 2, 1, 3])
    return ops.reshape(mixed, [0, 0, -1], special_zero=True)


def _by_head(x: Any, heads: int) -> Node:
    """Sort the columns into heads: [1, F, d] -> [1, heads, F, d / heads]."""
    return ops.transpose(ops.reshape(x, [0, 0, heads, -1], special_zero=True), [0, 2, 1, 3])


def _convolved(x: Node, conv: Linear, *, stride: int) -> Node:
    product = ops.convolution(x, ops.constant(conv.weight), [stride], [1], [1], [1])
    return ops.gelu(ops.add(product, ops.constant(conv.bias[None, :, None])), "erf")


def _normalised(x: Node, norm: Norm) -> Node:
    centred = ops.mvn(x, [2], normalize_variance=True, eps=EPSILON, eps_mode="inside_sqrt")
    return ops.add(ops.multiply(centred, ops.constant(norm.gain)), ops.constant(norm.bias))


def _linear(x: Node, linear: Linear) -> Node:
    product = ops.matmul(x, ops.constant(linear.weight), transpose_a=False, transpose_b=True)
    return ops.add(product, ops.constant(linear.bias))
