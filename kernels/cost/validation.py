"""The model's machine held against what others measured on this chip with mlir-aie's stock matmul.

The stock design (mlir-aie programming_examples/basic/matrix_multiplication/whole_array@97962964) is ours but for its
tiles (64 x 64 x 32, C in float32, in place), so that the streams bind it and not the kernel: what is tested is the
clock, the stream rate and the launch, and what DRAM gave. Nothing is fitted to these figures.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernels.cost.machine import LAUNCH_MS, STREAM_BYTES

CORES = 16
SIDE = 4
MACS_PER_CYCLE = {"bf16": 128, "int16": 64}  # AM020, chapter 4
BYTES = {"bf16": 2, "int16": 2}


@dataclass(frozen=True, slots=True)
class Measurement:
    """One published product of [m, k] and [k, n]: ``milliseconds`` of a launch, and who measured it on which chip."""

    m: int
    k: int
    n: int
    milliseconds: float
    source: str
    chip: str
    dtype: str = "bf16"
    tile: tuple[int, int, int] = (64, 64, 32)
    out_bytes: int = 4


def _gflops(m: int, k: int, n: int, rate: float) -> float:
    """Milliseconds of a product that was published as GFLOPS."""
    return 2 * m * k * n / rate * 1e-6


XDNA, TOOLKIT = "drakosha/whisper-xdna@d43cb82", "tibrezus/xdna-npu-toolkit"
MEASUREMENTS = (
    Measurement(512, 512, 512, 0.267, XDNA, "8845HS"),
    Measurement(1536, 1536, 384, _gflops(1536, 1536, 384, 1761), XDNA, "8845HS"),
    Measurement(1536, 5120, 1280, _gflops(1536, 5120, 1280, 1514), XDNA, "8845HS"),
    Measurement(1536, 1280, 1280, _gflops(1536, 1280, 1280, 1409), XDNA, "8845HS"),
    Measurement(1536, 64, 1536, _gflops(1536, 64, 1536, 386), XDNA, "8845HS", tile=(32, 64, 64)),
    Measurement(4096, 384, 1152, 2.638, TOOLKIT, "7840HS"),
    Measurement(512, 512, 512, _gflops(512, 512, 512, 264.7), TOOLKIT, "7840HS", dtype="int16"),
)


def modelled(given: Measurement, clock_ghz: float) -> float:
    """Milliseconds of one launch: the slowest of A's stream, B's stream, the MACs at peak and the drain of C."""
    m, k, n = given.tile
    size = BYTES[given.dtype]
    steps = (given.m // m) * (given.n // n) // CORES * (given.k // k)
    step = max(m * k * size / STREAM_BYTES, k * n * size / STREAM_BYTES, m * k * n / MACS_PER_CYCLE[given.dtype])
    drain = given.m * given.n * given.out_bytes / SIDE / STREAM_BYTES
    return LAUNCH_MS + max(steps * step, drain) / clock_ghz * 1e-6


def error(given: Measurement, clock_ghz: float) -> float:
    """How much longer the measurement took than the model says, as a share: 0.03 is 3 %."""
    return given.milliseconds / modelled(given, clock_ghz) - 1
