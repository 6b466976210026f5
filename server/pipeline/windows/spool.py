"""A copy of a recording's samples on disk, for the one stage that needs the whole recording: diarization."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterable
from typing import IO

import numpy as np

from kernels.mel.audio import Float32


class Spool:
    """A temporary file that stores a recording's samples while they are read; without ``enabled`` it stores nothing."""

    def __init__(self, *, enabled: bool) -> None:
        self._file: IO[bytes] | None = tempfile.TemporaryFile() if enabled else None  # noqa: SIM115  closed by close()

    def close(self) -> None:
        """Close the temporary file, which deletes it."""
        if self._file is not None:
            self._file.close()

    def through(self, blocks: Iterable[Float32]) -> Generator[Float32, None, None]:
        """Yield the given blocks of samples, float32 [n], and write each to the file first."""
        for block in blocks:
            if self._file is not None:
                self._file.write(block.tobytes())
            yield block

    def samples(self) -> Float32:
        """Return all samples that were written, float32 [n], mapped from disk."""
        if self._file is None or self._file.tell() == 0:
            return np.zeros(0, np.float32)
        self._file.flush()
        return np.memmap(self._file, np.float32, mode="c")  # torch wants writable memory; the file stays as it is
