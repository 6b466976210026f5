"""The mel overlay is checked, encoded and simulated to the bit; small launches fit or are refused; the cost model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from kernels.array.check.check import check
from kernels.array.design import Design, ObjectFifo
from kernels.array.lower.encode import encode
from kernels.array.lower.mlir import to_mlir
from kernels.array.sequence import Start
from kernels.array.simulate.simulate import Simulation
from kernels.cost.assumptions import LAUNCH_MS
from kernels.errors import DeadlockError, DesignError
from kernels.mel.cycles import window_cycles
from kernels.mel.host import energies, gain, log_mel, pack
from kernels.mel.overlay import mel_overlay, window_overlay
from kernels.mel.plan import MelPlan
from kernels.mel.reference import call_kernel, whisper_log_mel
from kernels.mel.selftest import trial
from kernels.selftest import expected
from tests.kernels.mel.packed import first_element

Float32 = NDArray[np.float32]


def noise(seconds: float) -> Float32:
    return (np.random.default_rng(0).standard_normal(int(16_000 * seconds)) * 0.1).astype(np.float32)


def launch(design: Design, packed: NDArray[np.int16], plan: MelPlan) -> NDArray[np.uint16]:
    """Run a launch on the simulated array, and return the energies that it writes."""
    output = np.zeros(plan.output_energies, np.uint16)
    samples = packed[: plan.input_samples].view(np.uint8)
    Simulation(design).run(encode(design, design.sequences[0]), [samples, output.view(np.uint8)])
    return output


def simulate_window(samples: Float32, n_mels: int, columns: int = 4) -> Float32:
    """Return Whisper's log-mel of a window, float32 [n_mels, 3000], from one launch of the simulated array."""
    plan, power = MelPlan(n_mels, columns), gain(samples)
    return log_mel(energies(launch(window_overlay(n_mels, columns), pack(samples, plan, power), plan), plan), power)


@pytest.mark.parametrize("columns", [1, 2, 4])
@pytest.mark.parametrize("n_mels", [80, 128])
def test_a_window_fits_every_partition(n_mels: int, columns: int) -> None:
    design = window_overlay(n_mels, columns)
    report = check(design)
    assert len(design.sequences) == 1
    assert min(tile.free_bytes for tile in report.tiles if tile.tile.kind == "core") >= 512  # for constants of the code
    assert design.device in to_mlir(design)


@pytest.mark.parametrize(("n_mels", "columns"), [(80, 4), (128, 2)])
def test_a_simulated_window_is_the_kernel_called_in_loops(n_mels: int, columns: int) -> None:
    samples, plan = noise(30), MelPlan(n_mels, columns)
    packed = pack(samples, plan, gain(samples))
    assert np.array_equal(launch(window_overlay(n_mels, columns), packed, plan), call_kernel(packed, plan))


def test_a_short_window_ends_in_whispers_silence() -> None:
    samples = noise(2.5)
    found, expected = simulate_window(samples, 80), whisper_log_mel(samples, 80)
    assert np.abs(found - expected).max() < 0.002
    assert np.ptp(found[:, 252:]) == 0
    assert abs(found[0, -1] - (found.max() - 2.0)) < 1e-6


def test_one_launch_is_a_short_stream() -> None:
    """The four columns run side by side, one task each way: 1,152 bytes, whatever the window holds."""
    for n_mels in (80, 128):
        design = window_overlay(n_mels)
        assert len(encode(design, design.sequences[0])) == 1152


FIT = [(1, 1, 1), (1, 1, 2), (10, 1, 1), (10, 4, 2), (20, 2, 1), (20, 4, 1), (30, 4, 1)]
TOO_LARGE = [
    (10, 1, 2),
    (20, 1, 1),
    (20, 1, 2),
    (20, 4, 2),
    (30, 1, 1),
    (30, 2, 1),
    (30, 4, 2),
    (100, 1, 1),
    (100, 4, 1),
]


@pytest.mark.parametrize(("frames", "columns", "depth"), FIT)
def test_batches_that_fit_give_the_frames_of_the_window(frames: int, columns: int, depth: int) -> None:
    plan, whole = MelPlan(80, columns, -(-frames // columns), frames), MelPlan(80, frames=150)
    design = mel_overlay("batch", plan, depth)
    check(design)
    samples = noise(2)
    packed, start = pack(samples, whole, 2), 17
    found = energies(launch(design, packed[first_element(start) :], plan), plan)
    assert np.array_equal(found, energies(call_kernel(packed, whole), whole)[:, start : start + frames])


@pytest.mark.parametrize(("frames", "columns", "depth"), TOO_LARGE)
def test_batches_that_do_not_fit_are_refused_with_the_map(frames: int, columns: int, depth: int) -> None:
    with pytest.raises(DesignError, match="data memory") as refused:
        check(mel_overlay("batch", MelPlan(80, columns, -(-frames // columns), frames), depth))
    assert "table00" in str(refused.value)


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("n_mels", [80, 128])
def test_a_hundred_frames_fit_over_sixteen_tiles(n_mels: int, depth: int) -> None:
    plan = MelPlan(n_mels, frames=100)
    design = mel_overlay("batch", plan, depth)
    check(design)
    packed = pack(noise(1.5), plan, 2)
    assert np.array_equal(launch(design, packed, plan), call_kernel(packed, plan))


def test_a_launch_that_reads_too_few_samples_hangs_and_says_where() -> None:
    design = window_overlay(80, 1)
    sequence = design.sequences[0]
    steps = tuple(
        replace(step, transfers=(replace(step.transfers[0], length=1760, dims=()),))
        if isinstance(step, Start) and step.fifo == "samples0"
        else step
        for step in sequence.steps
    )
    short = replace(design, sequences=(replace(sequence, steps=steps),))
    plan = MelPlan(80, 1)
    with pytest.raises(DeadlockError, match="samples0"):
        launch(short, pack(noise(1), plan, 2), plan)


def test_parts_joined_in_another_order_are_not_what_the_host_reads() -> None:
    plan = MelPlan(80, 1, frames=40)
    design = mel_overlay("swapped", plan)
    packed = pack(noise(1), plan, 2)
    expected = launch(design, packed, plan)
    link = design.links[0]
    swapped = replace(design, links=(replace(link, sources=link.sources[::-1]),))
    assert not np.array_equal(launch(swapped, packed, plan), expected)


def test_every_core_of_a_column_gets_the_same_samples() -> None:
    for fifo in window_overlay(128).fifos:
        if fifo.source.kind == "shim":
            assert isinstance(fifo, ObjectFifo)
            assert [tile.row for tile in fifo.targets] == [2, 3, 4, 5]
            assert {tile.col for tile in fifo.targets} == {fifo.source.col}


def test_the_self_test_knows_the_whole_result() -> None:
    known = trial(128)
    after = expected(window_overlay(128), known)
    (result,) = known.results
    judged = after[result.argument].view(np.uint16)[result.offset : result.offset + result.block.elements]
    plan = MelPlan(128)
    assert np.array_equal(judged, call_kernel(known.arguments[0].view(np.int16), plan))
    found = energies(judged, plan)
    assert found.mean(axis=1).min() > 3 * result.tolerance * found.max()  # a wrong band cannot hide in the tolerance


@pytest.mark.parametrize("n_mels", [80, 128])
def test_modelled_time_of_a_window_at_1_ghz(n_mels: int) -> None:
    """The target is 1.5 ms. DMA runs beside: a column's samples and energies at 4 bytes a cycle."""
    plan = MelPlan(n_mels, columns=4)
    cycles = window_cycles(plan, acquire_cycles=50)
    assert cycles.best < cycles.nominal
    assert LAUNCH_MS + cycles.nominal * 1e-6 < 1.5
    assert plan.objects * plan.object_samples * 2 / 4 < cycles.best
    assert plan.objects * plan.object_energies * 2 / 4 < cycles.best
