"""Checkpoints that were measured are loaded with other heads; their own files stay as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from server.pipeline.stages.alignment_heads import MEASURED, OWN_HEADS, with_measured_heads


@pytest.mark.parametrize("official", MEASURED)
def test_a_measured_checkpoint_is_loaded_with_its_heads(tmp_path: Path, official: tuple[tuple[int, int], ...]) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"alignment_heads": official, "lang_ids": [7]}))
    (tmp_path / "model.bin").write_bytes(b"weights")
    before = config.read_bytes()
    with with_measured_heads(tmp_path) as (files, timing):
        assert timing == MEASURED[official]
        assert json.loads((files / "config.json").read_text()) == {
            "alignment_heads": [list(head) for head in timing.heads],
            "lang_ids": [7],
        }
        assert (files / "model.bin").read_bytes() == b"weights"
    assert not files.exists()
    assert config.read_bytes() == before


@pytest.mark.parametrize(
    "content", ['{"alignment_heads": [[0, 0]]}', "{}", "[]", "damaged", '{"alignment_heads": [1]}']
)
def test_every_other_checkpoint_keeps_its_own(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with with_measured_heads(tmp_path) as found:
        assert found == (tmp_path, OWN_HEADS)
