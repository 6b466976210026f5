"""The errors of the mel kernel on recordings, as they are, 40 dB down and at full scale: the table of the docs.

python -m bench.npu.mel_errors FOLDER [every N-th recording of its MANIFEST.tsv]
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kernels.mel.accuracy import QUIET, LogMelErrors, errors
from server.errors import UnsupportedMedia
from server.pipeline.stages.decode import AudioStream

Float32 = NDArray[np.float32]
BANDS = (80, 128)


def recordings(folder: Path, every: int = 1) -> Iterator[tuple[str, Float32]]:
    """Yield the name and samples, float32 [n] at 16 kHz, of the recordings of a manifest that hold any audio."""
    for line in (folder / "MANIFEST.tsv").read_text().splitlines()[1::every]:
        name = line.split("\t")[0]
        try:
            blocks = list(AudioStream(folder / name))
        except UnsupportedMedia:
            continue
        if blocks:
            yield name, np.concatenate(blocks)


def levels(samples: Float32) -> Iterator[tuple[str, Float32]]:
    """Yield the name of a level and the recording at it: as it is, 40 dB quieter, and scaled to a peak of 1."""
    yield "as it is", samples
    yield "-40 dB", samples * np.float32(QUIET)
    peak = np.abs(samples).max(initial=0)
    yield "full scale", samples / peak if peak > 0 else samples


def table(folder: Path, every: int) -> Iterator[str]:
    """Yield the lines of a table of the mel kernel's errors, one for each number of bands and level.

    A line has the largest error of all values, the mean over recordings, the lowest correlation and the worst
    recording.
    """
    found: dict[tuple[int, str], list[tuple[str, LogMelErrors]]] = defaultdict(list)
    for name, samples in recordings(folder, every):
        for level, version in levels(samples):
            for n_mels in BANDS:
                found[n_mels, level].append((name, errors(version, n_mels)))
    yield "bands  level       recordings  largest  mean      correlation  log on tile: largest  mean      worst"
    for (n_mels, level), rows in sorted(found.items()):
        all_ = [error for _, error in rows]
        yield (
            f"{n_mels:5}  {level:10}  {len(rows):10}  {max(e.largest for e in all_):.5f}  "
            f"{np.mean([e.mean for e in all_]):.6f}  {min(e.correlation for e in all_):.9f}  "
            f"{max(e.on_tile for e in all_):20.5f}  {np.mean([e.on_tile_mean for e in all_]):.6f}  "
            f"{max(rows, key=lambda row: row[1].largest)[0]}"
        )


if __name__ == "__main__":
    for text in table(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1):
        sys.stdout.write(f"{text}\n")
