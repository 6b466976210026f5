"""The traps of pyxrt in the calls that ``npu`` makes: the simulated pyxrt has the same."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from kernels.package.verify import KernelFolder
from npu.simulated import Machine
from npu.simulated.faults import Ends, Hang
from npu.xrt.polling import State
from tests.npu.conftest import DESIGNS
from tests.npu.objects import Objects, finish

NO_CONTEXT = r"DRM_IOCTL_AMDXDNA_CREATE_HWCTX IOCTL failed \(err=-22\)"


def read(buffer: Any) -> bytes:
    """Return the bytes of a buffer that the host sees."""
    return bytes(buffer.map())


def synced(buffer: Any, direction: object) -> bytes:
    """Sync all of a buffer in ``direction``, and return the bytes that the host sees then."""
    buffer.sync(direction, buffer.map().nbytes, 0)
    return read(buffer)


def test_a_launch(objects: Objects) -> None:
    run, buffers = objects.launchable()
    assert int(run.state()) == State.NEW
    run.start()
    assert finish(run) == State.COMPLETED == int(run.state())
    for buffer, expected in zip(buffers, objects.folder.expected(), strict=True):
        assert synced(buffer, objects.from_device) == expected


def test_a_forgotten_sync_shows(objects: Objects) -> None:
    run, buffers = objects.launchable()
    buffers[0].write(bytes(buffers[0].map().nbytes), 0)  # not synced: the device still sees what was before
    run.start()
    finish(run)
    assert read(buffers[1])[:16] == objects.folder.inputs()[1][:16]  # nor are results seen
    assert synced(buffers[1], objects.from_device) == objects.folder.expected()[1]


def test_memory_that_was_never_synced_is_no_zeros_for_the_device(objects: Objects) -> None:
    assert 0 not in synced(objects.bo, objects.from_device)


def test_a_stream_that_was_not_synced_ends_in_an_error(objects: Objects) -> None:
    run, _ = objects.launchable()
    stream = objects.buffer(516, 1, cacheable=True)
    stream.write(objects.folder.streams["run"], 0)
    run.set_arg(1, stream)
    run.start()
    assert finish(run) == State.ERROR


def test_the_length_of_a_stream_counts_words_or_bytes(objects: Objects) -> None:
    run, _ = objects.launchable()
    for length, state in ((129, State.COMPLETED), (516, State.COMPLETED), (128, State.ERROR)):
        run.set_arg(2, length)
        run.start()
        assert finish(run) == state


def test_data_in_cacheable_memory_never_comes_back(objects: Objects) -> None:
    run, _ = objects.launchable()
    cached = objects.buffer(4 * 8192, 4, cacheable=True)
    synced(cached, objects.to_device)
    run.set_arg(4, cached)
    run.start()
    assert finish(run) == State.COMPLETED
    assert not any(synced(cached, objects.from_device))


def test_a_launch_goes_on_after_a_deadline(objects: Objects, machine: Machine) -> None:
    machine.faults.append(Ends(state=State.COMPLETED, seconds=0.2))
    run, _ = objects.launchable()
    run.start()
    assert finish(run, 0.02) == State.SUBMITTED == int(run.state())
    assert finish(run) == State.COMPLETED


def test_a_launch_that_failed_does_not_raise(objects: Objects, machine: Machine) -> None:
    machine.faults.append(Ends(state=State.NORESPONSE))
    run, _ = objects.launchable()
    for _ in range(2):
        run.start()
        assert finish(run) == State.NORESPONSE


def test_a_launch_without_progress_is_ended_by_the_driver(objects: Objects, machine: Machine) -> None:
    run, _ = objects.launchable()
    run.set_arg(4, objects.buffer(64, 4))  # the results do not fit
    run.start()
    assert finish(run) == State.TIMEOUT
    assert "goes from byte" in machine.log[0]


@pytest.mark.parametrize(("method", "arguments"), [("write", (bytes(8), 60)), ("sync", ("$to_device", 8, 60))])
def test_past_the_end_of_a_buffer(objects: Objects, method: str, arguments: tuple[object, ...]) -> None:
    with pytest.raises(RuntimeError, match=f"attempting to {method} past buffer size"):
        getattr(objects.bo, method)(*map(objects.named, arguments))


def test_a_map_is_a_view_that_does_not_keep_the_buffer(objects: Objects, machine: Machine) -> None:
    view = objects.bo.map()
    assert (view.nbytes, view.readonly, view.format, view.contiguous) == (64, False, "B", True)
    view[3] = 7
    assert read(objects.bo)[3] == 7
    del objects.bo
    assert machine.buffers == 0
    assert bytes(view) == b"\xdd" * 64  # with the real pyxrt: any bytes, or the end of the process


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
    """Five hardware contexts beside that of ``objects``: six is the limit."""
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


@pytest.mark.parametrize("last", ["kernel", "run"])
def test_whatever_refers_to_a_context_keeps_it(objects: Objects, machine: Machine, last: str) -> None:
    kept = getattr(objects, last)
    for name in ("context", "kernel", "run"):
        delattr(objects, name)
    assert machine.contexts == 1
    del kept
    assert machine.contexts == 0


def test_a_hang_ends_with_its_context(objects: Objects, machine: Machine) -> None:
    machine.faults.append(Hang())
    run, _ = objects.launchable()
    run.start()
    assert finish(run, 0.05) == State.SUBMITTED
    execution = run._execution
    for name in ("context", "kernel", "run"):
        delattr(objects, name)
    del run
    assert machine.contexts == 0
    assert execution.ended.wait(5)


def test_a_run_is_started_once_at_a_time(objects: Objects, machine: Machine) -> None:
    machine.faults.append(Hang())
    run, _ = objects.launchable()
    run.start()
    with pytest.raises(RuntimeError, match="can't launch"):
        run.start()
