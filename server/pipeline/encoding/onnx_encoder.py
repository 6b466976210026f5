"""Whisper's encoder on onnxruntime, in int8.

onnxruntime computes attention block by block, where CTranslate2 writes 1500 x 1500 scores for each head to memory.
"""

from __future__ import annotations

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NotThere

from kernels.encoder.weights import EncoderLayer, EncoderWeights, Linear, Norm, StoredTensor
from kernels.mel.audio import ENCODER_FRAMES, MEL_FRAMES, Float32
from kernels.mel.features import Features
from server.errors import ModelUnavailable
from server.pipeline.encoding.onnx_graph import Graph, quantised_matmul

MICROSOFT = "com.microsoft"
REFUSALS = (Fail, InvalidGraph, NotThere)  # raised by an onnxruntime without these operators


class OnnxEncoder:
    """The encoder stage, window by window: float32 [B, n_mels, 3000] -> float32 [B, 1500, d_model].

    Matrix products are in int8 with one scale for each row of a weight, as in CTranslate2, but with one scale for all
    activations of a window, where CTranslate2 has one for each frame. The weights are a second copy beside
    CTranslate2's. The results are correct only where the processor has int8 dot products (``cpu.has_int8_dot``):
    without them, onnxruntime's sums saturate. Raises ModelUnavailable where onnxruntime refuses the graph.
    """

    device = "cpu"

    def __init__(self, weights: EncoderWeights, threads: int) -> None:
        self.shape = (ENCODER_FRAMES, weights.d_model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(
                encoder_model(weights), options, providers=["CPUExecutionProvider"]
            )
        except REFUSALS as error:
            raise ModelUnavailable(f"onnxruntime refuses the encoder: {error}.", param="model.encoder") from error

    def __call__(self, features: Features) -> Float32:
        states = np.empty((len(features), *self.shape), np.float32)
        for window in range(len(features)):
            states[window] = self.session.run(None, {"mel": features[window][None]})[0][0]
        return states


def encoder_model(weights: EncoderWeights) -> bytes:
    """Return the encoder for one window as an ONNX model: ``mel`` [1, n_mels, 3000] in, [1, 1500, d_model] out."""
    graph = Graph()
    x = _convolved(graph, "mel", weights.conv1, stride=1)
    x = graph.add("Transpose", _convolved(graph, x, weights.conv2, stride=2), perm=(0, 2, 1))
    x = graph.add("Add", x, graph.constant(weights.positions))
    for layer in weights.layers:
        x = _layer(graph, x, layer, weights.heads)
    states = _normalised(graph, x, weights.norm)
    return graph.model({"mel": (1, weights.n_mels, MEL_FRAMES)}, states, (1, ENCODER_FRAMES, weights.d_model))


def _layer(graph: Graph, x: str, layer: EncoderLayer, heads: int) -> str:
    parts = graph.constant(np.full(3, layer.out.shape[1], np.int64))
    qkv = _linear(graph, _normalised(graph, x, layer.attention_norm), layer.qkv)
    q, k, v = graph.split("Split", qkv, parts, outputs=3, axis=2)
    mixed = graph.add("MultiHeadAttention", q, k, v, domain=MICROSOFT, num_heads=heads)
    x = graph.add("Add", x, _linear(graph, mixed, layer.out))
    hidden = _linear(graph, _normalised(graph, x, layer.ffn_norm), layer.up)
    return graph.add("Add", x, _linear(graph, graph.add("Gelu", hidden, domain=MICROSOFT), layer.down))


def _convolved(graph: Graph, x: str, conv: Linear, *, stride: int) -> str:
    weight, bias = graph.constant(conv.weight), graph.constant(conv.bias)
    x = graph.add("Conv", x, weight, bias, kernel_shape=(3,), pads=(1, 1), strides=(stride,))
    return graph.add("Gelu", x, domain=MICROSOFT)


def _normalised(graph: Graph, x: str, norm: Norm) -> str:
    return graph.add("LayerNormalization", x, graph.constant(norm.gain), graph.constant(norm.bias), axis=2)


def _linear(graph: Graph, x: str, linear: Linear) -> str:
    return quantised_matmul(graph, x, *_int8_rows(linear), linear.bias)


def _int8_rows(linear: Linear) -> tuple[NDArray[np.int8], Float32]:
    """Return the weight as int8 and the size of one step in each row: as stored, or rounded the same way."""
    match linear.stored:
        case StoredTensor(values, "int8", scale) if scale is not None and scale.size == len(values):
            return values, np.float32(1) / scale
    exact = linear.weight
    step: Float32 = np.maximum(np.abs(exact).max(axis=1), np.float32(1e-12)) / np.float32(127)
    return np.rint(exact / step[:, None]).astype(np.int8), step
