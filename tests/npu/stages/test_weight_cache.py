"""Packed weights on disk are used only if the file is whole and was made from the same tensors."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.encoder.pack import Bits, pack_weights
from kernels.encoder.plan import plan
from kernels.encoder.weights import EncoderWeights
from npu.stages.weight_cache import fingerprint, load_packed
from tests.npu.opening import SMALL, small_encoder

PLAN = plan(SMALL)
ENCODER = small_encoder()
PACKED = pack_weights(PLAN, ENCODER)


def loaded(folder: Path, encoder: EncoderWeights = ENCODER) -> tuple[bool, Bits]:
    into = np.full(PLAN.weight_elements, 0xABCD, np.uint16)
    return load_packed(PLAN, encoder, folder, into), into


def only_file(folder: Path) -> Path:
    [path] = folder.iterdir()
    return path


def test_packed_once(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    for served in (False, True):
        found, values = loaded(folder)
        assert found == served
        assert (values == PACKED).all()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    loaded(folder)
    return folder


@settings(max_examples=12)
@given(st.data())
def test_a_damaged_file_is_packed_anew(kept: Path, data: st.DataObject) -> None:
    path = only_file(kept)
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    kind = data.draw(st.sampled_from(["flipped", "cut", "longer"]))
    path.write_bytes(
        {
            "flipped": whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :],
            "cut": whole[:at],
            "longer": whole + b"\0",
        }[kind]
    )
    found, values = loaded(kept)
    assert not found
    assert (values == PACKED).all()
    assert path.read_bytes() == whole


def test_other_weights_are_not_these(tmp_path: Path) -> None:
    loaded(tmp_path)
    other = dataclasses.replace(ENCODER, norm=dataclasses.replace(ENCODER.norm, bias=ENCODER.norm.bias + 1))
    assert loaded(tmp_path, other)[0] is False
    assert fingerprint(PLAN, ENCODER) != fingerprint(plan(SMALL, int8=True), ENCODER)


def test_a_folder_that_cannot_be_written_costs_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "weights").write_text("a file where a folder should be")
    found, values = loaded(tmp_path / "weights")
    assert not found
    assert (values == PACKED).all()
    assert "cannot be kept" in caplog.text
    folder = tmp_path / "full"

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "replace", full)
    assert (loaded(folder)[1] == PACKED).all()
    assert list(folder.iterdir()) == [], "nothing half written stays"
