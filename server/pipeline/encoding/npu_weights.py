"""An encoder's weights from the checkpoint's form to the one that the kernels' packing takes."""

from __future__ import annotations

from kernels.encoder import weights as packing
from server.checkpoints.weights import EncoderLayer, EncoderWeights, Linear, Norm


def for_packing(stored: EncoderWeights) -> packing.Encoder:
    """The same weights, float32."""
    return packing.Encoder(
        _linear(stored.conv1),
        _linear(stored.conv2),
        stored.positions,
        tuple(map(_layer, stored.layers)),
        _norm(stored.norm),
    )


def _layer(layer: EncoderLayer) -> packing.Layer:
    return packing.Layer(
        _norm(layer.attention_norm),
        _linear(layer.qkv),
        _linear(layer.out),
        _norm(layer.ffn_norm),
        _linear(layer.ffn_in),
        _linear(layer.ffn_out),
    )


def _linear(linear: Linear) -> packing.Linear:
    return packing.Linear(linear.weight.float32(), linear.bias)


def _norm(norm: Norm) -> packing.Norm:
    return packing.Norm(norm.gamma, norm.beta)
