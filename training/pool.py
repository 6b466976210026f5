"""The examples of a corpus in memory, drawn in fixed shares; new shards are added while training runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.corpus import Example, read_shard

SHARES = {"kathleen": 0.16, "spliced": 0.12}  # the rest is synthetic


class Pool:
    """All shards of a corpus folder in memory, by kind, which is the name of the file up to the hyphen.

    Raises FileNotFoundError if the folder has no corpus.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: set[Path] = set()
        self._kinds: dict[str, list[Example]] = {}
        self.refresh()

    def __len__(self) -> int:
        return sum(map(len, self._kinds.values()))

    def refresh(self) -> None:
        """Read the shards that were added to the folder since the last call."""
        for path in sorted(set(self._folder.glob("*.npz")) - self._read):
            self._read.add(path)
            self._kinds.setdefault(path.stem.partition("-")[0], []).extend(read_shard(path))
        if not {"synthetic", "kathleen"} <= self._kinds.keys():
            raise FileNotFoundError(f"{self._folder} lacks a corpus: run python -m training.corpus first")

    def draw(self, rng: np.random.Generator) -> Example:
        """Return a random example; the share of a kind without shards goes to the synthetic speech."""
        at, kind = rng.random(), "synthetic"
        for name, share in SHARES.items():
            if 0 <= at < share and name in self._kinds:
                kind = name
            at -= share
        examples = self._kinds[kind]
        return examples[int(rng.integers(len(examples)))]
