"""``whisperx-npu kernels``: check, print, simulate, cost and build the NPU's overlays."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from server.errors import InvalidInput

if TYPE_CHECKING:
    from kernels.array.design import Design
    from kernels.registry import Entry
    from kernels.selftest import Trial

app = typer.Typer(help="Check, simulate and build the NPU's kernels.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="An overlay of `kernels list`.")]
Names = Annotated[list[str] | None, typer.Argument(help="Overlays of `kernels list`; all if none is given.")]
Sizes = Annotated[
    list[str] | None,
    typer.Option("--size", help="Whisper size whose instruction streams are wanted; may be given several times."),
]


class Target(StrEnum):
    """The device that a kernel folder is for."""

    npu1 = "npu1"
    host = "host"


@app.command("list")
def show() -> None:
    """List the overlays."""
    from kernels.registry import ENTRIES

    width = max(map(len, ENTRIES))
    for entry in ENTRIES.values():
        typer.echo(f"{entry.name:{width}}  {entry.summary}")


@app.command()
def check(names: Names = None, size: Sizes = None) -> None:
    """Check overlays against every limit of the hardware and print their memory maps.

    Example: whisperx-npu kernels check encoder --size base
    """
    from kernels.array.check.check import check as check_design

    for entry in _entries(names):
        typer.echo(check_design(entry.make(_sizes(size))).text())


@app.command()
def mlir(name: Name, size: Sizes = None) -> None:
    """Print an overlay as text for mlir-aie."""
    from kernels.array.lower.mlir import to_mlir

    (entry,) = _entries([name])
    typer.echo(to_mlir(entry.make(_sizes(size))))


@app.command()
def simulate(names: Names = None) -> None:
    """Run the self-tests of overlays on the simulated array; print kernel calls, bytes moved and seconds taken."""
    from kernels.array.lower.encode import encode
    from kernels.array.simulate.simulate import Simulation

    for entry in _entries(names):
        design, trial = entry.make(()), entry.trial()
        sequence = next(sequence for sequence in design.sequences if sequence.name == trial.sequence)
        simulation = Simulation(design)
        began = perf_counter()
        launch = simulation.run(encode(design, sequence), [argument.copy() for argument in trial.arguments])
        seconds = perf_counter() - began
        moved = sum(launch.bytes_moved.values())
        typer.echo(f"{entry.name}: {launch.total_calls.total():,} kernel calls, {moved:,} bytes, {seconds:.2f} s here")
        for kernel, calls in sorted(launch.total_calls.items()):
            typer.echo(f"  {kernel:16} {calls:8,}")


@app.command()
def cost(size: Sizes = None) -> None:
    """Print modelled milliseconds per 30 s window, and the published measurements that the model was compared with."""
    from kernels.cost.report import text

    typer.echo(text(_sizes(size)))


@app.command()
def build(
    names: Names = None,
    size: Sizes = None,
    target: Annotated[Target, typer.Option(help="npu1 needs mlir-aie and Peano; host is the simulated device.")] = (
        Target.npu1
    ),
    output: Annotated[Path, typer.Option("--output-dir", help="Where the kernel folders go.")] = Path("build/kernels"),
) -> None:
    """Write kernel folders (configuration, instruction streams, manifest, self-test) and print their paths.

    Without names, mel is built, and the fewest overlays for the encoder whose programs fit.

    Example: whisperx-npu kernels build --size small
    """
    from kernels.package.folder import build as build_folder
    from kernels.package.folder import build_what_fits
    from kernels.registry import CHOICES

    def parts(entry: Entry) -> tuple[Design, Trial]:
        return entry.make(_sizes(size)), entry.trial()

    out = output / target.value
    for entry in _entries(names or ["mel_80", "mel_128"]):
        build_folder(*parts(entry), out / entry.name, target.value)
        typer.echo(out / entry.name)
    if not names:
        choices = ([parts(entry) for entry in _entries(list(choice))] for choice in CHOICES[False])
        for manifest in build_what_fits(choices, out, target.value):
            typer.echo(out / manifest.design)


def _entries(names: list[str] | None) -> list[Entry]:
    from kernels.registry import ENTRIES

    unknown = [name for name in names or () if name not in ENTRIES]
    if unknown:
        raise InvalidInput(
            f"There is no overlay {unknown[0]!r}.", param="name", cure=f"Choose one of {', '.join(ENTRIES)}."
        )
    return [ENTRIES[name] for name in names or ENTRIES]


def _sizes(sizes: list[str] | None) -> tuple[str, ...]:
    from kernels.encoder.shapes import SHAPES

    unknown = [size for size in sizes or () if size not in SHAPES]
    if unknown:
        raise InvalidInput(
            f"There is no Whisper size {unknown[0]!r}.", param="size", cure=f"Choose among {', '.join(SHAPES)}."
        )
    return tuple(sizes or ())
