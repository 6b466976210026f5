from __future__ import annotations

import threading
from pathlib import Path

import ctranslate2
import numpy as np
import pytest

from kernels.encoder.weights import EncoderWeights
from kernels.mel.audio import Float32
from server.checkpoints.encoder_weights import encoder_weights
from server.errors import ModelUnavailable
from server.pipeline.encoding import openvino_encoder
from server.pipeline.encoding.openvino_encoder import OpenVinoEncoder


@pytest.fixture(scope="module")
def weights(tiny_multilingual: Path) -> EncoderWeights:
    return encoder_weights(tiny_multilingual / "model.bin")


@pytest.fixture(scope="module")
def mel() -> Float32:
    return np.random.default_rng(0).uniform(-1, 1, (2, 80, 3000)).astype(np.float32)


@pytest.fixture(scope="module")
def exact(weights: EncoderWeights) -> OpenVinoEncoder:
    return OpenVinoEncoder(weights, "float32", threads=1)


def _ctranslate2(directory: Path, mel: Float32) -> Float32:
    model = ctranslate2.models.Whisper(str(directory), device="cpu", compute_type="float32")
    return np.array(model.encode(ctranslate2.StorageView.from_array(mel)))


def test_float32_is_what_ctranslate2_computes(exact: OpenVinoEncoder, tiny_multilingual: Path, mel: Float32) -> None:
    states = exact(mel)
    assert states.dtype == np.float32
    assert states.shape == (2, 1500, 64)
    assert np.abs(states - _ctranslate2(tiny_multilingual, mel)).max() <= 1e-4


@pytest.mark.parametrize("frames", [512, 640, 1024])
def test_fewer_frames_are_encoded_as_ctranslate2_does(
    exact: OpenVinoEncoder, tiny_multilingual: Path, mel: Float32, frames: int
) -> None:
    states = exact(mel[:, :, : 2 * frames])
    assert states.shape == (2, frames, 64)
    short = np.ascontiguousarray(mel[:, :, : 2 * frames])
    assert np.abs(states - _ctranslate2(tiny_multilingual, short)).max() <= 1e-4


def test_float32_of_a_trained_model(demo_model: Path, mel: Float32) -> None:
    states = OpenVinoEncoder(encoder_weights(demo_model / "model.bin"), "float32", threads=1)(mel[:1])
    expected = _ctranslate2(demo_model, mel[:1])
    assert np.linalg.norm(states - expected) <= 1e-5 * np.linalg.norm(expected)


def test_bfloat16_is_near(weights: EncoderWeights, exact: OpenVinoEncoder, mel: Float32) -> None:
    """On a processor without bfloat16, OpenVINO may compute in float32."""
    states = OpenVinoEncoder(weights, "bfloat16", threads=1)(mel)
    assert states.dtype == np.float32
    difference = np.abs(states - exact(mel))
    assert difference.max() <= 0.15
    assert difference.mean() <= 0.015


def test_a_window_does_not_depend_on_its_neighbours(exact: OpenVinoEncoder, mel: Float32) -> None:
    assert np.array_equal(exact(mel), np.concatenate([exact(mel[:1]), exact(mel[1:])]))


def test_the_caller_owns_the_states(exact: OpenVinoEncoder, mel: Float32) -> None:
    first = exact(mel[:1])
    kept = first.copy()
    exact(mel[1:])
    first += 0.0  # writable
    assert np.array_equal(first, kept)


def test_threads_may_share_an_encoder(exact: OpenVinoEncoder, mel: Float32) -> None:
    alone = [exact(window[None]) for window in mel]
    together: dict[int, Float32] = {}

    def run(index: int) -> None:
        together[index] = exact(mel[index][None])

    threads = [threading.Thread(target=run, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, expected in enumerate(alone):
        assert np.array_equal(together[index], expected)


def test_a_graph_that_openvino_refuses(weights: EncoderWeights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(openvino_encoder.HINTS, "float32", "no such precision")
    with pytest.raises(ModelUnavailable, match="OpenVINO refuses the encoder"):
        OpenVinoEncoder(weights, "float32", threads=1)
