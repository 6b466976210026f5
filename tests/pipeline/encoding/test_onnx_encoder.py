from __future__ import annotations

from pathlib import Path

import ctranslate2
import numpy as np
import pytest
from ctranslate2.converters import TransformersConverter

from kernels.mel.audio import Float32
from server.checkpoints.encoder_weights import encoder_weights
from server.errors import ModelUnavailable
from server.machine.cpu import cpu_flags, has_int8_dot
from server.pipeline.encoding.onnx_encoder import OnnxEncoder
from server.pipeline.encoding.onnx_graph import Graph

pytestmark = pytest.mark.skipif(not has_int8_dot(cpu_flags()), reason="this processor has no int8 dot products")


@pytest.fixture(scope="module")
def mel() -> Float32:
    return np.random.default_rng(0).uniform(-1, 1, (2, 80, 3000)).astype(np.float32)


def _ctranslate2(directory: Path, mel: Float32, compute_type: str) -> Float32:
    model = ctranslate2.models.Whisper(str(directory), device="cpu", compute_type=compute_type)
    states: Float32 = np.array(model.encode(ctranslate2.StorageView.from_array(mel)))
    return states


@pytest.mark.parametrize("quantization", ["int8", None])
def test_as_near_to_float32_as_ctranslate2_in_int8(
    tiny_multilingual: Path, tmp_path: Path, mel: Float32, quantization: str | None
) -> None:
    source = tiny_multilingual.with_name(f"{tiny_multilingual.name}-hf")
    directory = tmp_path / "model"
    TransformersConverter(str(source)).convert(str(directory), quantization=quantization)
    exact = _ctranslate2(directory, mel, "float32")
    theirs = np.abs(_ctranslate2(directory, mel, "int8") - exact).mean()
    states = OnnxEncoder(encoder_weights(directory / "model.bin"), threads=1)(mel)
    assert states.dtype == np.float32
    assert states.shape == (2, 1500, 64)
    assert np.abs(states - exact).mean() <= 1.5 * theirs


def test_a_window_does_not_depend_on_its_neighbours(tiny_multilingual: Path, mel: Float32) -> None:
    encoder = OnnxEncoder(encoder_weights(tiny_multilingual / "model.bin"), threads=1)
    assert np.array_equal(encoder(mel), np.concatenate([encoder(mel[:1]), encoder(mel[1:])]))


def test_a_graph_that_onnxruntime_refuses(tiny_multilingual: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = encoder_weights(tiny_multilingual / "model.bin")
    monkeypatch.setattr("server.pipeline.encoding.onnx_encoder.MICROSOFT", "com.example")
    with pytest.raises(ModelUnavailable, match="onnxruntime refuses the encoder"):
        OnnxEncoder(weights, threads=1)


def test_every_kind_of_attribute_and_a_large_constant() -> None:
    """A graph with lengths of more than one byte is written here and read by onnxruntime."""
    import onnxruntime

    graph = Graph()
    table = np.arange(3 * 5000, dtype=np.float32).reshape(3, 5000)
    x = graph.add("Add", "x", graph.constant(table))
    first, second = graph.split("Split", x, graph.constant(np.array([1, 2], np.int64)), outputs=2, axis=0)
    joined = graph.add("Concat", second, first, axis=0)
    turned = graph.add("Transpose", joined, perm=(1, 0))
    session = onnxruntime.InferenceSession(
        graph.model({"x": (3, 5000)}, turned, (5000, 3)), providers=["CPUExecutionProvider"]
    )
    result = session.run(None, {"x": np.ones((3, 5000), np.float32)})[0]
    assert np.array_equal(result, (table[[1, 2, 0]] + 1).T)
