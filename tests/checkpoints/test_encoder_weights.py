from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
from ctranslate2.converters import TransformersConverter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernels.encoder.weights import StoredTensor
from kernels.mel.audio import Float32
from server.checkpoints.encoder_weights import encoder_weights, read_tensors
from server.errors import ModelUnavailable
from tests.pipeline.encoding.numpy_encoder import encode

Converted = Callable[[str | None], Path]


@pytest.fixture(scope="module")
def converted(tiny_multilingual: Path, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    """A function that converts the tiny checkpoint to CTranslate2 in a quantization, and returns its directory."""
    made: dict[str | None, Path] = {}

    def convert(quantization: str | None) -> Path:
        if quantization not in made:
            target = tmp_path_factory.mktemp("ct2") / str(quantization)
            source = tiny_multilingual.with_name(f"{tiny_multilingual.name}-hf")
            TransformersConverter(str(source)).convert(str(target), quantization=quantization)
            made[quantization] = target
        return made[quantization]

    return convert


def _mel(n_mels: int, batch: int = 2) -> Float32:
    return np.random.default_rng(0).standard_normal((batch, n_mels, 3000)).astype(np.float32)


def _ctranslate2(directory: Path, mel: Float32, compute_type: str = "float32") -> Float32:
    model = ctranslate2.models.Whisper(str(directory), device="cpu", compute_type=compute_type)
    states: Float32 = np.array(model.encode(ctranslate2.StorageView.from_array(mel)))
    return states


@pytest.mark.parametrize("quantization", [None, "float16", "bfloat16", "int8", "int16"])
def test_the_weights_give_what_ctranslate2_computes(converted: Converted, quantization: str | None) -> None:
    directory = converted(quantization)
    weights = encoder_weights(directory / "model.bin")
    mel = _mel(weights.n_mels)
    assert np.abs(encode(weights, mel) - _ctranslate2(directory, mel)).max() <= 1e-4


@pytest.mark.slow
def test_the_demo_model(demo_model: Path) -> None:
    weights = encoder_weights(demo_model / "model.bin")
    mel = _mel(weights.n_mels, batch=1)
    assert np.abs(encode(weights, mel) - _ctranslate2(demo_model, mel)).max() <= 1e-4


def test_int8_weights_stay_as_stored(converted: Converted) -> None:
    stored = encoder_weights(converted("int8") / "model.bin").layers[0].up.stored
    assert isinstance(stored, StoredTensor)
    assert stored.values.dtype == np.int8
    assert stored.scale is not None
    assert stored.scale.shape == stored.shape[:1]
    assert np.abs(stored.values).max() == 127


def test_sizes(converted: Converted) -> None:
    weights = encoder_weights(converted(None) / "model.bin")
    assert (weights.n_mels, weights.d_model, weights.heads, len(weights.layers)) == (80, 64, 2, 2)


def test_tensors_are_views_of_the_file(converted: Converted) -> None:
    values = read_tensors(converted(None) / "model.bin")["encoder/conv1/weight"].values
    assert not values.flags.writeable
    assert not values.flags.owndata


def test_an_alias_is_its_target(converted: Converted) -> None:
    tensors = read_tensors(converted(None) / "model.bin")
    embeddings, projection = tensors["decoder/embeddings/weight"], tensors["decoder/projection/weight"]
    assert np.shares_memory(embeddings.values, projection.values)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b"encoder/conv2/weight\0", b"encoder/conv2/weighs\0", "encoder/conv2/weight is missing"),
        (b"encoder/num_heads\0\0\2\2\0\0\0\2\0", b"encoder/num_heads\0\0\2\2\0\0\0\3\0", "3 heads do not divide 64"),
        (b"encoder/num_heads\0\0\2\2\0\0\0\2\0", b"encoder/num_heads\0\0\2\2\0\0\0\0\0", "0 heads do not divide 64"),
        (b"\2\xdc\5\0\0\x40\0\0\0", b"\2\x40\0\0\0\xdc\5\0\0", r"encodings has the shape \(64, 1500\)"),
        (b"weight_scale\0", b"weight_skale\0", "without a scale"),
    ],
)
def test_what_does_not_fit_is_named(
    converted: Converted, tmp_path: Path, old: bytes, new: bytes, complaint: str
) -> None:
    source = (converted("int8") / "model.bin").read_bytes()
    start = source.index(b"encoder/")  # the decoder is not ours to check
    damaged = tmp_path / "model.bin"
    assert old in source[start:]
    damaged.write_bytes(source[:start] + source[start:].replace(old, new, 1))
    with pytest.raises(ModelUnavailable, match=complaint) as caught:
        encoder_weights(damaged)
    assert str(damaged) in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"model\.bin"):
        read_tensors(tmp_path / "model.bin")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_refused_or_harmless(converted: Converted, tmp_path: Path, data: st.DataObject) -> None:
    """Bytes exchanged at random, mostly in headers: a clear refusal, or weights that can be read."""
    content = bytearray((converted("int8") / "model.bin").read_bytes())
    names = [found.start() for found in re.finditer(b"(en|de)coder/", content)]
    for _ in range(data.draw(st.integers(1, 4))):
        base = data.draw(st.sampled_from([0, *names]))
        content[min(base + data.draw(st.integers(0, 80)), len(content) - 1)] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(content))))
    damaged = tmp_path / "model.bin"
    damaged.write_bytes(content[:cut])
    with contextlib.suppress(ModelUnavailable):
        weights = encoder_weights(damaged)
        assert weights.conv1.weight.nbytes <= 8 * len(content)
