"""Check as a whole: all violations at once, and the text of the report."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from kernels.array.check.check import check
from kernels.array.check.program_memory import KERNEL_BYTES
from kernels.array.design import KernelFunction, Link, TileBuffer
from kernels.array.program import BufferWord, Core, Loop
from kernels.array.sequence import Await, Sequence
from kernels.array.tile import Tile
from kernels.encoder.overlay import ENCODER_OPS, overlay
from kernels.errors import SHOWN, DesignError, KernelsError
from tests.kernels.array.designs import CORE, MEMTILE, SHIM, forward, matmul, names, seed_mel, violations


def test_report_of_a_forward() -> None:
    report = check(forward())
    core, memtile, shim = report.tile(0, 2), report.tile(0, 1), report.tile(0, 0)
    assert (core.channels_in, core.channels_out, core.descriptors, core.locks) == (1, 1, (4,), 4)
    assert (memtile.channels_in, memtile.channels_out, memtile.descriptors, memtile.locks) == (2, 2, (4, 4), 4)
    assert (shim.channels_in, shim.channels_out, shim.locks) == (1, 1, 4)
    assert core.map is not None
    assert core.map.used == 1_024 + 4 * 256
    assert core.free_bytes == 65_536 - 2_048
    assert report.sequences[0].descriptors == 2
    assert not report.warnings


def test_report_as_text() -> None:
    text = check(seed_mel(36, 2, 0, 1_024)).text()
    assert text.startswith("one_tile on npu1_1col\n")
    assert "result_buff_1" in text
    assert "64,384 of 65,536 bytes, 1,152 bytes free" in text
    assert "(control" in text
    assert "estimate" in text
    assert "sequence run: 2 tasks, at most 1 of 4 on a channel and 2 of 16 descriptors on a shim" in text


def test_every_violation_at_once() -> None:
    """A design with six faults gives a violation for each, with the value found, the limit, and a cure."""
    design = forward()
    design = replace(
        design,
        cores=(Core(CORE, design.cores[0].body[:-1], 1_000),),
        sequences=(replace(design.sequences[0], steps=(*design.sequences[0].steps, Await("input"))),),
        links=(*design.links[:1], Link(("out_core",), ("out_shim",), (64,))),
        buffers=(TileBuffer("big", MEMTILE, replace(design.fifos[0].block, elements=1 << 20)),),
    )
    found = violations(design)
    assert {violation.name for violation in found} == {
        "data memory",
        "stack",
        "alignment",
        "balance",
        "await",
        "offsets",
    }
    with pytest.raises(DesignError) as caught:
        check(design)
    for violation in found:
        assert violation.found in str(caught.value)
        assert violation.limit in str(caught.value)
        assert violation.cure in str(caught.value)


def test_names_come_first() -> None:
    """Parts that do not exist cannot be checked: only the names are listed."""
    design = forward()
    broken = replace(design, links=(Link(("in_shim",), ("nowhere",)),), columns=3)
    assert names(broken) == {"names", "columns"}


@pytest.mark.parametrize(
    "change",
    [
        lambda d: replace(d, fifos=(*d.fifos, d.fifos[0])),
        lambda d: replace(d, kernels=()),
        lambda d: replace(d, kernels=(*d.kernels, *d.kernels)),
        lambda d: replace(d, sequences=(*d.sequences, *d.sequences)),
        lambda d: replace(d, cores=(*d.cores, *d.cores)),
        lambda d: replace(d, buffers=(TileBuffer("b", CORE, d.fifos[0].block),) * 2),
        lambda d: replace(d, buffers=(TileBuffer("run", CORE, d.fifos[0].block),)),  # as the sequence
        lambda d: replace(d, buffers=(TileBuffer("2nd", CORE, d.fifos[0].block),)),
        lambda d: replace(d, kernels=(*d.kernels, KernelFunction("k", (), "other/copy.cc"))),  # two copy.o
    ],
)
def test_names_are_known_and_unique(change: object) -> None:
    assert callable(change)
    assert names(change(forward())) == {"names"}


@pytest.mark.parametrize("tile", [Tile(1, 2), Tile(0, 6), Tile(-1, 0)])
def test_tiles_exist(tile: Tile) -> None:
    design = forward(lambda fifo: replace(fifo, targets=(tile,)) if fifo.name == "in_core" else fifo)
    assert "tiles" in names(design)


def test_programs_run_on_cores_and_buffers_lie_in_memory() -> None:
    design = forward()
    assert "tiles" in names(replace(design, cores=(replace(design.cores[0], tile=MEMTILE),)))
    assert "tiles" in names(replace(design, buffers=(TileBuffer("b", SHIM, design.fifos[0].block),)))


@pytest.mark.parametrize("depths", [(), (2,), (2, 0), (2, 2, 2)])
def test_depths_for_every_end(depths: tuple[int, ...]) -> None:
    assert names(forward(lambda fifo: replace(fifo, depths=depths))) == {"depths"}


def test_targets_are_other_tiles() -> None:
    for targets in ((), (CORE,), (MEMTILE, MEMTILE)):
        change = {"out_core": targets}
        design = forward(lambda fifo, change=change: replace(fifo, targets=change.get(fifo.name, fifo.targets)))  # type: ignore[misc]
        assert "ends" in names(design)


def test_program_memory_is_an_estimate_and_warns() -> None:
    design = matmul(4_096, 4_096, 16_384, 8_192, 1)
    assert not check(design).warnings
    many = tuple(KernelFunction(f"k{i}", (), "test/k.cc") for i in range(16))
    calls = tuple(replace(design.cores[0].body[-2], kernel=kernel.name, args=()) for kernel in many)  # type: ignore[arg-type]
    body = (*design.cores[0].body, *calls)
    full = replace(design, kernels=(*design.kernels, *many), cores=(replace(design.cores[0], body=body),))
    (warning,) = check(full).warnings
    assert "estimate" in warning
    assert check(full).tile(0, 2).program is not None
    measured = replace(full, kernels=tuple(replace(kernel, text_bytes=100) for kernel in full.kernels))
    estimate = check(measured).tile(0, 2).program
    assert estimate is not None
    assert estimate.measured_bytes == 18 * 100
    assert estimate.total_bytes < 18 * KERNEL_BYTES
    assert not check(measured).warnings
    too_big = replace(full, kernels=tuple(replace(kernel, text_bytes=1_000) for kernel in full.kernels))
    assert names(too_big) == {"program memory"}


def test_one_warning_for_cores_alike() -> None:
    """Sixteen cores with the same program, whose kernels are of unknown size."""
    warnings = check(overlay("encoder", ENCODER_OPS)).warnings
    assert len(warnings) <= 1
    assert all("core (0, 2) and 15 more: about" in warning for warning in warnings)


def test_a_static_body_is_unrolled() -> None:
    """Depth 3 and 2 repeat a flat body six times; in a loop the core picks objects at run time instead."""

    def control(depths: tuple[int, int]) -> int:
        by_name = {"in_core": (2, depths[0]), "out_core": (depths[1], 2)}
        design = forward(lambda fifo: replace(fifo, depths=by_name.get(fifo.name, fifo.depths)))
        program = check(design).tile(0, 2).program
        assert program is not None
        return program.control_bytes

    once = control((1, 1)) - 256
    assert control((3, 2)) - 256 == 6 * once


def test_errors_survive_pickling() -> None:
    with pytest.raises(KernelsError) as caught:
        check(seed_mel(100, 2, 0, 1_024))
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
    assert str(again) == str(caught.value)
    assert again.violations == caught.value.violations  # type: ignore[attr-defined]


def test_a_long_list_is_cut_in_the_text_only() -> None:
    design = forward()
    steps = tuple(Await(f"none{i}") for i in range(SHOWN + 10))
    with pytest.raises(DesignError, match=r"and 10 more\.") as caught:
        check(replace(design, sequences=(Sequence("run", (), steps),)))
    assert len(caught.value.violations) == SHOWN + 10


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_encoder_overlay(columns: int) -> None:
    """The figure that aiecc accepted: 64,588 bytes, 948 left for constants."""
    report = check(overlay("encoder", ENCODER_OPS if columns == 4 else ("matmul", "attention"), columns=columns))
    cores = [use for use in report.tiles if use.tile.kind == "core"]
    assert len(cores) == 4 * columns
    assert {use.free_bytes for use in cores} == {948}
    assert all((use.channels_in, use.channels_out) == (2, 1) for use in cores)


def test_word_of_another_tile() -> None:
    design = matmul(4_096, 4_096, 16_384, 8_192, 1)
    loop = design.cores[0].body[0]
    assert isinstance(loop, Loop)
    for word in (BufferWord("prm", 16), BufferWord("prm", -1), BufferWord("table", 0)):
        body = (replace(loop, count=word), *design.cores[0].body[1:])
        assert names(replace(design, cores=(replace(design.cores[0], body=body),))) == {"loops"}
