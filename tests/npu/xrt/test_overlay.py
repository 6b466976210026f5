"""Loading, launching, closing: results to the bit, the host free meanwhile, and no launch that leaves something."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kernels.array.lower.encode import encode
from kernels.array.lower.transaction import InstructionStream, assemble, decode
from kernels.array.sequence import Sequence, Start
from kernels.package.verify import KernelFolder
from npu.errors import FolderRefused, LaunchTimeout
from npu.simulated import Machine
from npu.simulated.faults import Hang, Slow
from tests.kernels.array.scale import SEQUENCE, design
from tests.npu.conftest import OpenFn, ReadyOverlay

PAGE = 4096


@pytest.fixture
def ready(machine: Machine, scale: KernelFolder, open_device: OpenFn) -> Iterator[ReadyOverlay]:
    loaded = ReadyOverlay.of(open_device(machine).load(scale))
    yield loaded
    loaded.overlay.close()


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def test_a_launch(ready: ReadyOverlay) -> None:
    assert ready.launch() > 0
    assert ready.is_right()


def test_results_are_seen_after_a_sync_only(ready: ReadyOverlay) -> None:
    ready.launch()
    assert ready.buffers[1].view().tobytes() == ready.overlay.folder.inputs()[1]
    assert ready.is_right()


def test_a_launch_again_with_other_buffers(ready: ReadyOverlay) -> None:
    ready.launch()
    x, y = ready.buffers
    other = ready.overlay.buffer(y.nbytes)
    ready.overlay.launch(ready.program, (x, other))
    other.from_device()
    y.from_device()
    assert (other.view() == y.view()).all()


def test_two_overlays_share_a_buffer(machine: Machine, scale: KernelFolder, open_device: OpenFn) -> None:
    """Without a sync between them, as activations go from overlay to overlay."""
    device = open_device(machine)
    first, second = ReadyOverlay.of(device.load(scale)), ReadyOverlay.of(device.load(scale))
    second.overlay.launch(second.program, first.buffers)
    assert first.is_right()


def test_a_stream_of_ones_own(ready: ReadyOverlay) -> None:
    """The stream puts the same results elsewhere; the folder does not have it."""
    first, *rest = SEQUENCE.steps
    assert isinstance(first, Start)
    moved = replace(SEQUENCE, steps=(replace(first, transfers=(replace(first.transfers[0], offset=1_024),)), *rest))
    stream = encode(design(moved), moved)
    program = ready.overlay.program(stream)
    assert program is ready.overlay.program(stream)
    ready.overlay.launch(program, ready.buffers)
    ready.buffers[1].from_device()
    results, expected = ready.buffers[1].view(np.int32), np.frombuffer(ready.overlay.folder.expected()[1], np.int32)
    assert (results[1_024:2_048] == expected[:1_024]).all()
    assert not results[:1_024].any()


def test_what_a_stream_needs(ready: ReadyOverlay) -> None:
    assert ready.program.needs == (4 * 1_152, 4 * 960)


def test_a_buffer_of_another_batch_is_refused_by_name(ready: ReadyOverlay) -> None:
    small = ready.overlay.buffer(4 * 960 - 4)
    with pytest.raises(FolderRefused, match=r"scale.run reaches byte 3,840 of argument 1, the buffer has 3,836") as no:
        ready.overlay.launch(ready.program, (ready.buffers[0], small))
    assert "for another size or batch" in str(no.value.cure)
    large = ready.overlay.buffer(4 * 16_384)
    with pytest.raises(FolderRefused, match=r"y of sequence scale.run has 32,768 bytes, the buffer 65,536"):
        ready.overlay.launch(ready.program, (ready.buffers[0], large))
    with pytest.raises(FolderRefused, match=r"scale.run has 2 arguments, the launch 1"):
        ready.overlay.launch(ready.program, ready.buffers[:1])
    ready.launch()
    assert ready.is_right()


def test_a_sequence_that_the_folder_lacks(ready: ReadyOverlay) -> None:
    with pytest.raises(FolderRefused, match="kernel folder scale has no sequence large-v3, only run"):
        ready.overlay.program("large-v3")


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (b"", "A stream begins with 16 bytes of header"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer"),
        (bytes(64), "Not a transaction stream of version 0.1"),
    ],
)
def test_a_stream_that_is_none(ready: ReadyOverlay, stream: bytes, reason: str) -> None:
    with pytest.raises(FolderRefused, match=reason):
        ready.overlay.program(stream)


def test_a_stream_for_another_partition(ready: ReadyOverlay) -> None:
    wide = assemble(InstructionStream(4, decode(ready.overlay.folder.streams["run"]).instructions))
    with pytest.raises(FolderRefused, match="is for 4 columns, the overlay for 1"):
        ready.overlay.program(wide)


def test_an_empty_stream_needs_nothing(ready: ReadyOverlay) -> None:
    nothing = Sequence("run", (), ())
    program = ready.overlay.program(encode(design(nothing), nothing))
    assert program.needs == ()
    assert ready.overlay.launch(program, ()) > 0


def test_the_host_goes_on_while_a_launch_runs(ready: ReadyOverlay, machine: Machine) -> None:
    machine.faults.append(Slow(seconds=0.3))
    ticks, over = [time.monotonic()], threading.Event()

    def tick() -> None:
        while not over.wait(0.002):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    assert ready.launch() >= 0.3
    over.set()
    thread.join()
    assert len(ticks) > 30  # of 150 if this machine had nothing else to do


def test_one_launch_at_a_time_of_a_program(ready: ReadyOverlay, machine: Machine) -> None:
    machine.faults.append(Slow(seconds=0.3))
    with ThreadPoolExecutor(1) as other:
        launch = other.submit(ready.launch)
        while not ready.program.running:
            time.sleep(0.001)
        with pytest.raises(ValueError, match=r"scale.run is running; wait for it first"):
            ready.launch()
        launch.result()
    ready.launch()


def test_a_program_of_another_overlay(
    ready: ReadyOverlay, machine: Machine, scale: KernelFolder, open_device: OpenFn
) -> None:
    other = ReadyOverlay.of(open_device(machine).load(scale))
    with pytest.raises(ValueError, match="is not one of overlay scale"):
        ready.overlay.launch(other.program, ready.buffers)


def test_a_closed_overlay(ready: ReadyOverlay, machine: Machine) -> None:
    ready.overlay.close()
    ready.overlay.close()
    assert ready.overlay.broken == "it was closed"
    for call in (lambda: ready.overlay.program("run"), lambda: ready.overlay.buffer(4)):
        with pytest.raises(ValueError, match="Overlay scale is closed"):
            call()
    assert (machine.contexts, machine.buffers) == (0, 0)


def test_closing_stops_what_runs(ready: ReadyOverlay, machine: Machine) -> None:
    machine.faults.append(Hang())
    with pytest.raises(LaunchTimeout):
        ready.overlay.launch(ready.program, ready.buffers, timeout=0.05)
    ready.overlay.close()
    with pytest.raises(ValueError, match="Program run is closed"):
        ready.program.wait(time.monotonic())
    assert (machine.contexts, machine.buffers) == (0, 0)


def test_a_view_outlives_its_buffer(ready: ReadyOverlay, machine: Machine) -> None:
    view = ready.buffers[0].view(np.int32)
    was, buffers = view.copy(), machine.buffers
    ready.overlay.close()
    assert (view == was).all()
    assert (machine.contexts, machine.buffers) == (0, buffers - 2)
    del view
    assert machine.buffers == 0


def churn(machine: Machine, scale: KernelFolder, open_device: OpenFn, loads: int, launches: int) -> tuple[int, int]:
    """Load and launch an overlay repeatedly; return the memory of the process after a tenth of it, and at the end."""
    device = open_device(machine)
    steady = 0
    for number in range(loads):
        ready = ReadyOverlay.of(device.load(scale))
        for _ in range(launches // loads):
            ready.launch()
        assert ready.is_right()
        assert (machine.contexts, machine.buffers) == (1, 3)
        ready.overlay.close()
        assert (machine.contexts, machine.buffers, machine.locked) == (0, 0, 0)
        if number == loads // 10:
            gc.collect()
            steady = resident()
    gc.collect()
    return steady, resident()


def test_nothing_is_left_by_some_hundred_launches(machine: Machine, scale: KernelFolder, open_device: OpenFn) -> None:
    churn(machine, scale, open_device, loads=10, launches=500)


@pytest.mark.slow
def test_ten_thousand_launches_leave_nothing(machine: Machine, scale: KernelFolder, open_device: OpenFn) -> None:
    before, after = churn(machine, scale, open_device, loads=100, launches=10_000)
    assert after - before < 4 << 20
