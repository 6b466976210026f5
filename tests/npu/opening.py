"""A simulated NPU with the registered overlays, opened as a real one is, and a small encoder for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kernels.encoder.shapes import Shape
from kernels.encoder.weights import EncoderWeights, random_encoder
from npu.kernel_folders import Folders
from npu.runtime.npu import Npu
from npu.simulated import Machine
from npu.xrt import device as xrt

SMALL = Shape("small window", 256, 4, 1, frames=250)
NOWHERE = Path("/nowhere")


def small_encoder(seed: int = 0) -> EncoderWeights:
    return random_encoder(SMALL, seed)


@contextmanager
def opened_npu(cache: Path, machine: Machine | None = None, folders: Folders | None = None) -> Iterator[Npu]:
    device = xrt.Device((machine or Machine()).pyxrt, target="host", watchdog_s=60)
    with Npu(device, folders or Folders(NOWHERE, "host", cache)) as npu:
        yield npu
