"""The constants of the cost model, each with its source, and the three sets of assumptions to run it with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

STREAM_BYTES = 4  # per cycle and stream: 32-bit stream interconnect (AM020)
LAUNCH_MS = 0.127  # passthrough of 4 KB on an 8845HS, fw 1.5.5.391, XRT 2.25 (Scottcjn/open-xdna RESULTS.md)
SWITCH_MS = 1.4  # one change of the resident overlay: 2.81 ms for a pair (drakosha/whisper-xdna HISTORY.md)
CLOCKS_GHZ = (1.0, 1.6)  # the array's, derived from AMD's 10 TOPS (Phoenix) and 16 TOPS (Hawk Point) of 20 cores

Name = Literal["best", "nominal", "pessimistic"]


@dataclass(frozen=True, slots=True)
class Assumptions:
    """Four figures of the cost model that nobody has measured on this chip: each of them is a guess.

    ``lag``: the position of a kernel between loops pipelined down to their busiest slot (0) and loops whose passes do
    not overlap at all (1). ``acquire_cycles``: one acquire and release with the FIFO object picked at run time (about
    ten scalar instructions each way, read off mlir-aie's lowering). ``boundary_ms``: from the last result of an op in
    memory to the first data of the next. ``dram_gbs``: gigabytes a second of DRAM for the four shims together.
    """

    name: Name
    lag: float
    acquire_cycles: int
    boundary_ms: float
    dram_gbs: float


# DRAM: 18 to 30 GB/s is what six published GEMMs on this chip moved (validation.py).
ASSUMPTIONS: dict[Name, Assumptions] = {
    "best": Assumptions("best", lag=0.0, acquire_cycles=30, boundary_ms=0.01, dram_gbs=30.0),
    "nominal": Assumptions("nominal", lag=1.0, acquire_cycles=50, boundary_ms=0.03, dram_gbs=24.0),
    "pessimistic": Assumptions("pessimistic", lag=1.5, acquire_cycles=100, boundary_ms=0.06, dram_gbs=18.0),
}
