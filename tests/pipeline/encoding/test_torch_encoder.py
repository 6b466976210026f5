from __future__ import annotations

import threading
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
import torch

from kernels.encoder.weights import EncoderWeights
from kernels.mel.audio import Float32
from server.checkpoints.encoder_weights import encoder_weights
from server.pipeline.encoding.torch_encoder import TorchEncoder


@pytest.fixture(scope="module")
def weights(tiny_multilingual: Path) -> EncoderWeights:
    return encoder_weights(tiny_multilingual / "model.bin")


@pytest.fixture(scope="module")
def mel() -> Float32:
    return np.random.default_rng(0).uniform(-1, 1, (2, 80, 3000)).astype(np.float32)


@pytest.fixture(scope="module")
def expected(tiny_multilingual: Path, mel: Float32) -> Float32:
    """The states by CTranslate2 in float32, from the int8 weights that ``weights`` has."""
    model = ctranslate2.models.Whisper(str(tiny_multilingual), device="cpu", compute_type="float32")
    return np.array(model.encode(ctranslate2.StorageView.from_array(mel)))


def test_float32_is_what_ctranslate2_computes(weights: EncoderWeights, mel: Float32, expected: Float32) -> None:
    states = TorchEncoder(weights, "float32", threads=1)(mel)
    assert states.dtype == np.float32
    assert states.shape == (2, 1500, 64)
    assert np.abs(states - expected).max() <= 1e-4


def test_bfloat16_is_near(weights: EncoderWeights, mel: Float32, expected: Float32) -> None:
    states = TorchEncoder(weights, "bfloat16", threads=1)(mel)
    assert states.dtype == np.float32
    difference = np.abs(states - expected)
    assert difference.max() <= 0.15
    assert difference.mean() <= 0.015


def test_the_caller_owns_the_states(weights: EncoderWeights, mel: Float32) -> None:
    encoder = TorchEncoder(weights, "float32", threads=1)
    first = encoder(mel[:1])
    kept = first.copy()
    encoder(mel[1:])
    first += 0.0  # writable
    assert np.array_equal(first, kept)


def test_inference_mode_and_precision_stay_inside(weights: EncoderWeights, mel: Float32) -> None:
    TorchEncoder(weights, "bfloat16", threads=1)(mel[:1])
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() == torch.float32


def test_threads_may_share_an_encoder(weights: EncoderWeights, mel: Float32) -> None:
    encoder = TorchEncoder(weights, "float32", threads=1)
    alone = [encoder(window[None]) for window in mel]
    together: list[Float32 | None] = [None, None]

    def run(index: int) -> None:
        together[index] = encoder(mel[index][None])

    threads = [threading.Thread(target=run, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, together, strict=True):
        assert other is not None
        assert np.allclose(one, other, atol=1e-5)
