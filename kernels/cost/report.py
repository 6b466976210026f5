"""The cost model as a text report: milliseconds a window by stage, assumptions, and errors on published products."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from kernels.cost.assumptions import ASSUMPTIONS, CLOCKS_GHZ, LAUNCH_MS, SWITCH_MS, Assumptions, Name
from kernels.cost.kernel_cycles import between, kernel_cycles
from kernels.cost.ops import window_cost
from kernels.cost.validation import MEASUREMENTS, error, modelled
from kernels.encoder.overlay import overlay
from kernels.encoder.plan import plan
from kernels.encoder.shapes import SHAPES
from kernels.encoder.window_ops import launches
from kernels.mel.cycles import window_cycles
from kernels.mel.plan import MelPlan
from kernels.registry import CHOICES, OPS

HEADER = (
    f"{'size':9} {'total':>7} {'mel':>5} {'matmul':>7} {'attention':>9} {'rows':>6} {'quantise':>8} {'launches':>8}"
)
LOOPS: dict[Name, str] = {
    "best": "loops pipelined down to their busiest issue slot",
    "nominal": "no pass of a loop overlaps the next",
    "pessimistic": "half as much again lost to what such a schedule does not show",
}
STAGES = ("matmul", "attention", "rows", "quantise")


@dataclass(frozen=True, slots=True)
class WindowCost:
    """The modelled milliseconds of device time for one window of 30 s of audio.

    ``mel`` is the mel launch. ``stages`` has the encoder's ops by kind, ``launches`` the cost of the encoder's launches
    themselves and of the changes of the overlay.
    """

    size: str
    mel: float
    stages: dict[str, float]
    launches: float

    @property
    def encoder(self) -> float:
        """The milliseconds of the encoder alone, without mel."""
        return sum(self.stages.values()) + self.launches

    @property
    def total(self) -> float:
        """The milliseconds of mel and encoder together."""
        return self.mel + self.encoder


@cache
def cost(size: str, name: Name, clock_ghz: float, *, int8: bool = False, fused: bool = True) -> WindowCost:
    """Return the modelled time of one window for a Whisper size, under the named assumptions.

    ``clock_ghz`` is the array's clock. With ``int8`` the layers' products are int8. ``fused`` runs all ops on one
    overlay; otherwise matmul and attention have overlays of their own.
    """
    given, shape = ASSUMPTIONS[name], SHAPES[size]
    placed = plan(shape, int8=int8)
    design = overlay("encoder", OPS["encoder_int8" if int8 else "encoder"])
    stages = dict.fromkeys(STAGES, 0.0)
    for op in window_cost(design, placed, kernel_cycles(given), clock_ghz, given):
        stages[op.kind] += op.total
    runs = [at for at, _ in launches(placed, CHOICES[int8][0 if fused else 1])]
    switches = sum(a != b for a, b in zip(runs, runs[1:] + runs[:1], strict=True))
    return WindowCost(size, mel(shape.n_mels, clock_ghz, given), stages, len(runs) * LAUNCH_MS + switches * SWITCH_MS)


def mel(n_mels: int, clock_ghz: float, given: Assumptions) -> float:
    """Return the modelled milliseconds of the launch that computes a window's mel, under these assumptions."""
    cycles = window_cycles(MelPlan(n_mels), given.acquire_cycles)
    return LAUNCH_MS + between(cycles, given) / clock_ghz * 1e-6


def text(sizes: Iterable[str] = ()) -> str:
    """Return the cost model's whole report as text, for the given Whisper sizes, or for all if none is given.

    The report has tables of modelled milliseconds for each window, and the model's errors on published measurements.
    """
    wanted = tuple(sizes) or tuple(SHAPES)
    return "\n".join(
        ["Modelled, not measured: device time per 30 s window, milliseconds.", *_tables(wanted), *_checks()]
    )


def _tables(sizes: tuple[str, ...]) -> Iterator[str]:
    for clock in CLOCKS_GHZ:
        for given in ASSUMPTIONS.values():
            yield f"\n{clock} GHz, {given.name}: {_assumed(given)}"
            yield HEADER
            yield from (_line(cost(size, given.name, clock)) for size in sizes)
    yield "\n1.0 GHz, nominal, the layers' products in int8:"
    yield HEADER
    yield from (_line(cost(size, "nominal", 1.0, int8=True)) for size in sizes)
    yield "\n1.0 GHz, nominal, matmul and attention as separate overlays (switches are in launches):"
    yield HEADER
    yield from (_line(cost(size, "nominal", 1.0, fused=False)) for size in sizes)


def _assumed(given: Assumptions) -> str:
    rates = (
        f"DRAM {given.dram_gbs:.0f} GB/s, {given.acquire_cycles} cycles an acquire, {given.boundary_ms} ms between ops"
    )
    return f"{rates}, {LOOPS[given.name]}"


def _line(window: WindowCost) -> str:
    stages = [window.stages[stage] for stage in STAGES]
    return (
        f"{window.size:9} {window.total:7.1f} {window.mel:5.2f} {stages[0]:7.1f} {stages[1]:9.1f} {stages[2]:6.1f} "
        f"{stages[3]:8.1f} {window.launches:8.2f}"
    )


def _checks() -> Iterator[str]:
    yield "\nThe machine of the model beside published products of mlir-aie's stock design (milliseconds a launch):"
    for given in MEASUREMENTS:
        models = "   ".join(
            f"{clock} GHz {modelled(given, clock):.3f} ({error(given, clock):+.0%})" for clock in CLOCKS_GHZ
        )
        shape = f"{given.m} x {given.k} x {given.n} {given.dtype}"
        yield f"  {shape:24} measured {given.milliseconds:6.3f}   {models}   {given.chip}, {given.source}"
