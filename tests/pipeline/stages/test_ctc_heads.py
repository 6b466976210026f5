"""The heads in the wheel: each belongs to one encoder, and no other encoder gets it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from server.checkpoints.encoder_weights import encoder_digest
from server.checkpoints.files import read_layout
from server.pipeline.stages.ctc import CtcHead
from server.pipeline.stages.ctc_heads import head_for


@pytest.fixture
def heads(tiny_multilingual: Path, tmp_path: Path) -> Path:
    """A folder with a head for the encoder of ``tiny_multilingual``."""
    model_bin = tiny_multilingual / "model.bin"
    width = read_layout(model_bin).variables["encoder/conv1/weight"].shape[0]
    head = CtcHead(np.zeros((2, width), np.float32), np.zeros(2, np.float32), "x")
    folder = tmp_path / "heads"
    folder.mkdir()
    head.write(folder / "tiny.npz", encoder=np.array(encoder_digest(model_bin)))
    return folder


def changed(directory: Path, tensor: str, target: Path) -> Path:
    """Copy a checkpoint and change the last value of one of its tensors."""
    shutil.copytree(directory, target)
    variable = read_layout(target / "model.bin").variables[tensor]
    with (target / "model.bin").open("r+b") as file:
        file.seek(variable.offset + variable.nbytes - 2)
        high = file.read(2)
        file.seek(-2, 1)
        file.write(bytes([high[0], high[1] ^ 0x01]))
    return target


def test_the_very_encoder_gets_its_head(tiny_multilingual: Path, heads: Path) -> None:
    head = head_for(tiny_multilingual, heads)
    assert head is not None
    assert head.alphabet == "x"


@pytest.mark.parametrize("tensor", ["encoder/layer_norm/gamma", "encoder/layer_0/ffn/linear_0/weight"])
def test_another_encoder_gets_none(tiny_multilingual: Path, heads: Path, tmp_path: Path, tensor: str) -> None:
    assert head_for(changed(tiny_multilingual, tensor, tmp_path / "tuned"), heads) is None


def test_another_decoder_does_not_matter(tiny_multilingual: Path, heads: Path, tmp_path: Path) -> None:
    assert head_for(changed(tiny_multilingual, "decoder/embeddings/weight", tmp_path / "tuned"), heads) is not None


def test_a_head_beside_the_model_comes_first(demo_model: Path, heads: Path) -> None:
    head = head_for(demo_model, heads)
    assert head is not None
    assert len(head.alphabet) == 28


def test_no_heads_at_all(tiny_multilingual: Path, tmp_path: Path) -> None:
    assert head_for(tiny_multilingual, tmp_path) is None
