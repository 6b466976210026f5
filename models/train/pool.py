"""The examples at hand, drawn in fixed shares; new shards join while training runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.train.corpus import Example, read_shard

KATHLEEN_SHARE = 0.18


class Pool:
    """All shards of a corpus folder in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: set[Path] = set()
        self._synthetic: list[Example] = []
        self._real: list[Example] = []
        self.refresh()

    def __len__(self) -> int:
        return len(self._synthetic) + len(self._real)

    def refresh(self) -> None:
        """Read the shards that are new since the last time."""
        for path in sorted(set(self._folder.glob("*.npz")) - self._read):
            self._read.add(path)
            target = self._synthetic if path.stem.startswith("synthetic") else self._real
            target.extend(read_shard(path))
        if not self._synthetic or not self._real:
            raise FileNotFoundError(f"{self._folder} has no corpus: run python -m models.train.corpus first")

    def draw(self, rng: np.random.Generator) -> Example:
        """One example."""
        source = self._real if rng.random() < KATHLEEN_SHARE else self._synthetic
        return source[int(rng.integers(len(source)))]
