"""A picture of a window's log-mel: Whisper's in float64, the kernel's, and their difference.

python -m bench.npu.mel_picture --out docs/mel.png
"""

from __future__ import annotations

import argparse
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kernels.mel.accuracy import MAX_ERROR, error_report
from kernels.mel.audio import WINDOW_SAMPLES
from server.checkpoints.catalog import DEMO_DIR
from server.pipeline.stages.decode import AudioStream

Pixels = NDArray[np.uint8]  # [height, width, 3]

DARK_TO_LIGHT = np.array([[20, 12, 60], [60, 70, 140], [40, 140, 140], [120, 200, 90], [250, 230, 60]], float)
BLUE_TO_RED = np.array([[40, 70, 180], [245, 245, 245], [180, 40, 40]], float)
HEIGHT = 2  # pixels of a band
GAP = 8


def colours(values: NDArray[np.floating], low: float, high: float, scale: NDArray[np.float64]) -> Pixels:
    """Draw values [n_mels, frames] as pixels, low bands at the bottom; ``scale`` goes from ``low`` to ``high``."""
    place = np.clip((values[::-1] - low) / (high - low), 0, 1) * (len(scale) - 1)
    mixed = np.stack([np.interp(place, np.arange(len(scale)), channel) for channel in scale.T], axis=-1)
    return mixed.round().astype(np.uint8).repeat(HEIGHT, axis=0)


def png(pixels: Pixels) -> bytes:
    """Return pixels as a PNG file (W3C PNG, 8-bit RGB)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = pixels.shape
    rows = np.hstack([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)])
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def picture(samples: NDArray[np.float32], n_mels: int) -> Pixels:
    """Draw Whisper's log-mel, the kernel's, and their difference as three panels below each other.

    The last panel is red or blue where the kernel's error is at its limit.
    """
    report = error_report(samples, n_mels)
    top = float(report["reference"].max())
    panels = [colours(report[name], top - 2.0, top, DARK_TO_LIGHT) for name in ("reference", "kernel")]
    panels.append(colours(report["difference"], -MAX_ERROR, MAX_ERROR, BLUE_TO_RED))
    gap = np.full((GAP, panels[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([panels[0], gap, panels[1], gap, panels[2]])


def main() -> None:
    """Write the picture of a recording's first window as PNG."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audio", type=Path, default=DEMO_DIR / "sample.wav")
    parser.add_argument("--mels", type=int, default=80, choices=(80, 128))
    parser.add_argument("--out", type=Path, default=Path("docs/mel.png"))
    arguments = parser.parse_args()
    samples = np.concatenate(list(AudioStream(arguments.audio)))[:WINDOW_SAMPLES]
    arguments.out.write_bytes(png(picture(samples, arguments.mels)))


if __name__ == "__main__":
    main()
