"""The file models/demo/metrics.json: every figure of the model card, in parts that different steps write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read(path: Path) -> dict[str, Any]:
    """Return the figures in the file by part; an empty dictionary if there is no file."""
    stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return stored


def write_part(path: Path, part: str, content: dict[str, Any]) -> None:
    """Replace one part of the figures in the file, and keep the others."""
    path.write_text(json.dumps(read(path) | {part: content}, indent=1) + "\n", encoding="utf-8")
