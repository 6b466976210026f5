"""Keeps a whole recording on disk for the one stage that needs it whole."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np

from kernels.mel.audio import Float32


class Spool:
    """Does nothing unless ``enabled``."""

    def __init__(self, *, enabled: bool) -> None:
        self._file: IO[bytes] | None = tempfile.TemporaryFile() if enabled else None  # noqa: SIM115  closed by close()

    def close(self) -> None:
        """The copy is gone."""
        if self._file is not None:
            self._file.close()

    def through(self, blocks: Iterable[Float32]) -> Iterator[Float32]:
        """Pass the blocks on, keeping a copy of each."""
        for block in blocks:
            if self._file is not None:
                self._file.write(block.tobytes())
            yield block

    def samples(self) -> Float32:
        """Everything that passed: float32 [n], mapped from disk."""
        if self._file is None or self._file.tell() == 0:
            return np.zeros(0, np.float32)
        self._file.flush()
        return np.memmap(self._file, np.float32, mode="c")  # torch wants writable memory; the file stays as it is
