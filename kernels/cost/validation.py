"""The check of the cost model against published times of mlir-aie's stock matmul on this chip.

The stock design (mlir-aie programming_examples/basic/matrix_multiplication/whole_array@97962964) differs from ours in
its tiles (64 x 64 x 32, C in float32, in place). Its streams bind it and not its kernel, so the comparison tests the
clock, the stream rate, the cost of a launch and the rate of DRAM. Nothing is fitted to these figures.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernels.cost.assumptions import LAUNCH_MS, STREAM_BYTES

CORES = 16
SIDE = 4
MACS_PER_CYCLE = {"bf16": 128, "int16": 64}  # AM020, chapter 4
BYTES = {"bf16": 2, "int16": 2}


@dataclass(frozen=True, slots=True)
class Measurement:
    """One published measurement of a matrix product [m, k] @ [k, n]: ``milliseconds`` of a launch on ``chip``.

    ``source`` is the publication, ``tile`` the design's block sizes of m, k and n, ``out_bytes`` the size of an element
    of the result.
    """

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
    """Return the milliseconds of a product whose rate was published in GFLOPS."""
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
    """Return the modelled milliseconds of the launch that ``given`` measured.

    The time is that of the slowest of A's and B's streams, the MACs at peak rate, and the output stream of C.
    """
    m, k, n = given.tile
    size = BYTES[given.dtype]
    steps = (given.m // m) * (given.n // n) // CORES * (given.k // k)
    step = max(m * k * size / STREAM_BYTES, k * n * size / STREAM_BYTES, m * k * n / MACS_PER_CYCLE[given.dtype])
    drain = given.m * given.n * given.out_bytes / SIDE / STREAM_BYTES
    return LAUNCH_MS + max(steps * step, drain) / clock_ghz * 1e-6


def error(given: Measurement, clock_ghz: float) -> float:
    """Return the excess of measured over modelled time, as a share of the modelled time: 0.03 is 3 %."""
    return given.milliseconds / modelled(given, clock_ghz) - 1
