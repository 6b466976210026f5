"""What pyxrt does, its traps included: the stand-in does the same."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from kernels.package.verify import KernelFolder
from npu.simulated import Machine
from npu.simulated.faults import Ends, Hang
from npu.xrt.polling import State
from tests.npu.conftest import DESIGNS
from tests.npu.objects import Objects

NO_CONTEXT = r"DRM_IOCTL_AMDXDNA_CREATE_HWCTX IOCTL failed \(err=-22\)"


def test_a_launch(objects: Objects) -> None:
    run, buffers = objects.launchable()
    assert int(run.state()) == State.NEW
    run.start()
    assert run.wait() == objects.state == run.state()
    for buffer, expected in zip(buffers, objects.folder.expected(), strict=True):
        buffer.sync(objects.from_device)
        assert buffer.read(buffer.size(), 0).tobytes() == expected
    assert buffers[0].read(4, 0).dtype == np.int8


def test_a_forgotten_sync_shows(objects: Objects) -> None:
    run, buffers = objects.launchable()
    buffers[0].write(bytes(buffers[0].size()), 0)  # not synced: the device still sees what was before
    run.start()
    run.wait()
    assert buffers[1].read(16, 0).tobytes() == objects.folder.inputs()[1][:16]  # nor are results seen
    buffers[1].sync(objects.from_device)
    assert buffers[1].read(buffers[1].size(), 0).tobytes() == objects.folder.expected()[1]


def test_memory_that_was_never_synced_is_no_zeros_for_the_device(objects: Objects) -> None:
    objects.bo.sync(objects.from_device)
    assert not (objects.bo.read(64, 0) == 0).any()


def test_a_stream_that_was_not_synced_ends_in_an_error(objects: Objects) -> None:
    run, _ = objects.launchable()
    stream = objects.module.bo(objects.device, 516, objects.module.bo.cacheable, objects.kernel.group_id(1))
    stream.write(objects.folder.streams["run"], 0)
    run.set_arg(1, stream)
    run.start()
    assert int(run.wait()) == State.ERROR


def test_the_length_of_a_stream_counts_words_or_bytes(objects: Objects) -> None:
    run, _ = objects.launchable()
    for length, state in ((129, State.COMPLETED), (516, State.COMPLETED), (128, State.ERROR)):
        run.set_arg(2, length)
        run.start()
        assert int(run.wait()) == state


def test_data_in_cacheable_memory_never_comes_back(objects: Objects) -> None:
    run, _ = objects.launchable()
    cached = objects.module.bo(objects.device, 4 * 8192, objects.module.bo.cacheable, objects.kernel.group_id(4))
    cached.sync(objects.to_device)
    run.set_arg(4, cached)
    run.start()
    assert run.wait() == objects.state
    cached.sync(objects.from_device)
    assert not cached.read(cached.size(), 0).any()


def test_calling_a_kernel_swallows_errors(objects: Objects) -> None:
    """The launch goes on without the arguments, does nothing, and says COMPLETED."""
    run = objects.kernel(1 << 31, None, 129, 2.5, *range(10))
    assert run.wait() == objects.state


def test_wait_gives_timeout_and_the_launch_goes_on(objects: Objects, machine: Machine) -> None:
    machine.faults.append(Ends(state=State.COMPLETED, seconds=0.2))
    run, _ = objects.launchable()
    run.start()
    assert int(run.wait(20)) == State.TIMEOUT
    assert int(run.state()) == State.SUBMITTED
    assert run.wait(10_000) == objects.state


def test_wait_does_not_raise_and_wait2_does(objects: Objects, machine: Machine) -> None:
    machine.faults.append(Ends(state=State.NORESPONSE))
    run, _ = objects.launchable()
    run.start()
    assert int(run.wait()) == State.NORESPONSE
    run.start()
    with pytest.raises(RuntimeError, match="ERT_CMD_STATE_NORESPONSE"):
        run.wait2()


def test_a_launch_without_progress_is_ended_by_the_driver(objects: Objects, machine: Machine) -> None:
    run, _ = objects.launchable()
    run.set_arg(4, objects.module.bo(objects.bo, 64, 0))  # the results do not fit
    run.start()
    assert int(run.wait()) == State.TIMEOUT
    assert "goes from byte" in machine.log[0]


@pytest.mark.parametrize("hold", [False, True])
def test_waits_hold_the_gil_as_in_truth(scale: KernelFolder, hold: bool) -> None:
    machine = Machine(designs=DESIGNS, faults=[Ends(state=State.COMPLETED, seconds=0.2)], hold_gil=hold)
    run, _ = Objects(machine.pyxrt, scale).launchable()
    gaps, over = [0.0], threading.Event()

    def tick() -> None:
        last = time.monotonic()
        while not over.wait(0.002):
            last, before = time.monotonic(), last
            gaps.append(last - before)

    ticking = threading.Thread(target=tick)
    ticking.start()
    run.start()
    run.wait()
    over.set()
    ticking.join()
    assert (max(gaps) > 0.045) is hold


def test_runs_in_a_list(objects: Objects, machine: Machine) -> None:
    run, buffers = objects.launchable()
    objects.runlist.add(run)
    with pytest.raises(RuntimeError, match="belongs to a runlist"):
        run.start()
    objects.runlist.execute()
    with pytest.raises(RuntimeError, match="runlist must be idle"):
        objects.runlist.add(objects.run)
    objects.runlist.wait()
    buffers[1].sync(objects.from_device)
    assert buffers[1].read(buffers[1].size(), 0).tobytes() == objects.folder.expected()[1]
    machine.faults.append(Ends(state=State.ABORT))
    objects.runlist.execute()
    with pytest.raises(RuntimeError, match="ABORT"):
        objects.runlist.wait()


def test_sub_buffers(objects: Objects) -> None:
    part = objects.module.bo(objects.bo, 16, 32)
    part.write(b"0123456789abcdef", 0)
    assert objects.bo.read(16, 32).tobytes() == b"0123456789abcdef"
    assert part.address() == objects.bo.address() + 32
    objects.bo.sync(objects.to_device, 16, 32)
    part.write(bytes(16), 0)
    part.sync(objects.from_device)
    assert bytes(part.map()) == b"0123456789abcdef"
    with pytest.raises(RuntimeError, match="sub buffer size and offset"):
        objects.module.bo(objects.bo, 64, 1)


@pytest.mark.parametrize(
    ("method", "arguments"), [("write", (bytes(8), 60)), ("read", (8, 60)), ("sync", ("$to_device", 8, 60))]
)
def test_past_the_end_of_a_buffer(objects: Objects, method: str, arguments: tuple[object, ...]) -> None:
    with pytest.raises(RuntimeError, match=f"attempting to {method} past buffer size"):
        getattr(objects.bo, method)(*map(objects.named, arguments))


def test_write_ignores_strides(objects: Objects) -> None:
    objects.bo.write(np.arange(8, dtype=np.int32)[::2], 0)
    assert objects.bo.read(16, 0).view(np.int32).tolist() == [0, 1, 2, 3]


def test_a_map_is_a_view_that_does_not_keep_the_buffer(objects: Objects, machine: Machine) -> None:
    view = objects.bo.map()
    assert (view.nbytes, view.readonly, view.format, view.contiguous) == (64, False, "B", True)
    view[3] = 7
    assert objects.bo.read(1, 3)[0] == 7
    del objects.bo
    assert machine.buffers == 0
    assert bytes(view) == b"\xdd" * 64  # in truth: whatever, or the end of the process


@pytest.mark.parametrize("flags", ["device_only", "p2p", "svm"])
def test_flags_that_an_npu_lacks(objects: Objects, flags: str) -> None:
    with pytest.raises(RuntimeError, match="err=-95"):
        objects.module.bo(objects.device, 64, getattr(objects.module.bo, flags), objects.group)


def test_groups_are_of_their_context(objects: Objects) -> None:
    other = objects.module.kernel(objects.module.hw_context(objects.device, objects.uuid), "MLIR_AIE")
    groups = {objects.kernel.group_id(1), objects.kernel.group_id(3), other.group_id(1), other.group_id(3)}
    assert len(groups) == 4
    with pytest.raises(RuntimeError, match="err=-22"):
        objects.module.bo(objects.device, 64, objects.host_only, 5)
    with pytest.raises(RuntimeError, match="invalid argument index"):
        objects.kernel.group_id(8)


def test_a_kernel_of_another_name(objects: Objects) -> None:
    with pytest.raises(RuntimeError, match="No such kernel 'mel'"):
        objects.module.kernel(objects.context, "mel")


def test_arguments_of_the_wrong_kind(objects: Objects) -> None:
    for number, value in ((1, 3), (0, objects.bo), (8, objects.bo), (-1, 3)):
        with pytest.raises(RuntimeError):
            objects.run.set_arg(number, value)


@pytest.fixture
def contexts(machine: Machine, objects: Objects) -> Iterator[list[Any]]:
    """Five more, which makes six."""
    yield [objects.module.hw_context(objects.device, objects.uuid) for _ in range(5)]
    gc.collect()


def test_the_seventh_context(objects: Objects, contexts: list[Any], machine: Machine) -> None:
    assert machine.contexts == 6
    with pytest.raises(RuntimeError, match=NO_CONTEXT):
        objects.module.hw_context(objects.device, objects.uuid)
    contexts.pop()
    objects.module.hw_context(objects.device, objects.uuid)


def test_other_programs_have_contexts_too(scale: KernelFolder) -> None:
    module = Machine(designs=DESIGNS, contexts_elsewhere=6).pyxrt
    device = module.device(0)
    uuid = device.register_xclbin(module.xclbin(str(scale.path / "kernel.xclbin")))
    with pytest.raises(RuntimeError, match=NO_CONTEXT):
        module.hw_context(device, uuid)


@pytest.mark.parametrize("last", ["kernel", "run", "runlist"])
def test_whatever_refers_to_a_context_keeps_it(objects: Objects, machine: Machine, last: str) -> None:
    kept = getattr(objects, last)
    for name in ("context", "kernel", "run", "runlist"):
        delattr(objects, name)
    assert machine.contexts == 1
    del kept
    assert machine.contexts == 0


def test_a_buffer_of_a_context_keeps_it(scale: KernelFolder) -> None:
    machine = Machine("2.23", DESIGNS)
    objects = Objects(machine.pyxrt, scale)
    kept = objects.module.bo(objects.context, 64, objects.host_only, objects.group)
    for name in ("context", "kernel", "run", "runlist"):
        delattr(objects, name)
    assert machine.contexts == 1
    del kept
    assert machine.contexts == 0


def test_a_hang_ends_with_its_context(objects: Objects, machine: Machine) -> None:
    machine.faults.append(Hang())
    run, _ = objects.launchable()
    run.start()
    assert int(run.wait(50)) == State.TIMEOUT
    command = run._command
    for name in ("context", "kernel", "run", "runlist"):
        delattr(objects, name)
    del run
    assert machine.contexts == 0
    assert command.ended.wait(5)


def test_a_run_is_started_once_at_a_time(objects: Objects, machine: Machine) -> None:
    machine.faults.append(Hang())
    run, _ = objects.launchable()
    run.start()
    with pytest.raises(RuntimeError, match="can't launch"):
        run.start()
