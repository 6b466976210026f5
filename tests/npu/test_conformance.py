"""The stand-in against pyxrt as it was recorded: names, values, forms that work and that do not, errors, traps."""

from __future__ import annotations

import datetime as dt
import gc
import threading
import time
import warnings
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from kernels.build.verify import KernelFolder
from npu.simulated import Machine
from npu.simulated.faults import Ends, Hang
from npu.waiting import State
from tests.npu import recorded
from tests.npu.conftest import DESIGNS

NO_CONTEXT = r"DRM_IOCTL_AMDXDNA_CREATE_HWCTX IOCTL failed \(err=-22\)"


@pytest.fixture(params=recorded.VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Objects:
    """One of each thing, made by the forms of every version."""

    def __init__(self, module: Any, folder: KernelFolder) -> None:
        self.folder = folder
        self.path = str(folder.path / "kernel.xclbin")
        self.path_bytes = self.path.encode()
        self.device = module.device(0)
        self.xclbin = module.xclbin(self.path)
        self.uuid = self.device.register_xclbin(self.xclbin)
        self.uuid_text = self.uuid.to_string()
        self.context = module.hw_context(self.device, self.uuid)
        self.kernel = module.kernel(self.context, "MLIR_AIE")
        self.run = module.run(self.kernel)
        self.runlist = module.runlist(self.context)
        self.host_only = module.bo.host_only
        self.group = self.kernel.group_id(3)
        self.bo = module.bo(self.device, 64, module.bo.host_only, self.group)
        self.name_key = module.xrt_info_device.name
        self.to_device = module.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE
        self.from_device = module.xclBOSyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE
        self.state = module.ert_cmd_state.ERT_CMD_STATE_COMPLETED
        self.second = dt.timedelta(seconds=1)
        self.array = np.arange(4, dtype=np.int32)
        self.module = module

    def named(self, argument: object) -> object:
        return getattr(self, argument[1:]) if isinstance(argument, str) and argument.startswith("$") else argument

    def launchable(self) -> tuple[Any, list[Any]]:
        """A run with everything set as the folder's self-test wants it, and its buffers."""
        stream = self.folder.streams["run"]
        memory = self.module.bo(self.device, len(stream), self.module.bo.cacheable, self.kernel.group_id(1))
        memory.write(stream, 0)
        memory.sync(self.to_device)
        buffers = []
        for number, data in enumerate(self.folder.inputs()):
            group = self.kernel.group_id(3 + number)
            buffers.append(self.module.bo(self.device, len(data), self.module.bo.host_only, group))
            buffers[-1].write(data, 0)
            buffers[-1].sync(self.to_device)
        run = self.module.run(self.kernel)
        for number, value in enumerate((3, memory, len(stream) // 4, *buffers)):
            run.set_arg(number, value)
        return run, buffers


@pytest.fixture
def objects(machine: Machine, scale: KernelFolder) -> Objects:
    return Objects(machine.pyxrt, scale)


def public(thing: object) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_") and name not in ("machine", "facts")}


def test_names_of_the_module(version: str) -> None:
    assert public(Machine(version).pyxrt) == set(recorded.NAMES)


@pytest.mark.parametrize("path", [*recorded.CLASSES, "module"])
def test_names_of_a_class(version: str, path: str) -> None:
    names = {*recorded.CLASSES.get(path, ()), *recorded.EXPORTED.get(path, ())}
    for (where, versions), added in recorded.ADDED.items():
        if where == path and version in versions:
            names |= set(added)
    kind = attrgetter(path)(Machine(version).pyxrt)
    if path.startswith("ext."):
        names |= public(kind.__mro__[1])
    assert public(kind) == names


def test_values_of_enums(version: str) -> None:
    module = Machine(version).pyxrt
    for path, values in recorded.ENUMS.items():
        kind = attrgetter(path)(module)
        assert {name: int(member) for name, member in kind.__members__.items()} == values
    for path, names in recorded.ENUM_NAMES.items():
        place = "ext.bo.access_mode" if path == "ext.access_mode" and version in recorded.UP_TO_2_21 else path
        assert set(attrgetter(place)(module).__members__) == set(names)
    assert module.bo.host_only == module.bo.flags.host_only
    assert module.error == module.xrt_msg_level.error


def test_enums_of_c_equal_numbers_and_those_of_cpp_do_not(machine: Machine) -> None:
    states, flags = machine.pyxrt.ert_cmd_state, machine.pyxrt.bo.flags
    assert states.ERT_CMD_STATE_COMPLETED == 4
    assert states(4) == states.ERT_CMD_STATE_COMPLETED != states(5)
    assert flags.normal != 0
    assert flags.normal == flags(0)
    assert states.ERT_CMD_STATE_COMPLETED.name == "ERT_CMD_STATE_COMPLETED"
    assert (int(states(3)), states(3).name) == (3, "???")  # RUNNING has no name


@pytest.mark.parametrize(("what", "versions", "arguments"), recorded.CALLS)
def test_a_form(
    what: str, versions: tuple[str, ...], arguments: tuple[object, ...], version: str, scale: KernelFolder
) -> None:
    objects = Objects(Machine(version, DESIGNS).pyxrt, scale)
    name = what.removeprefix("$")
    call = attrgetter(name)(objects if what.startswith("$") else objects.module)
    given = [objects.named(argument) for argument in arguments]
    if version in versions:
        call(*given)
    else:
        with pytest.raises(TypeError, match=r"incompatible (function|constructor) arguments"):
            call(*given)


def test_keywords_are_not_portable(objects: Objects) -> None:
    with pytest.raises(TypeError):
        objects.device.register_xclbin(xclbin=objects.xclbin)


@pytest.mark.parametrize(
    "call",
    [
        lambda module: module.run().state(),
        lambda module: module.run().set_arg(0, 3),
        lambda module: module.runlist().execute(),
        lambda module: module.kernel(module.hw_context(), "MLIR_AIE"),
        lambda module: module.bo(module.device(), 64, module.bo.host_only, 0),
        lambda module: module.hw_context(module.device(), module.uuid(str(UUID(int=7)))),
    ],
)
def test_what_would_end_the_process(machine: Machine, call: Any) -> None:
    with pytest.raises(RuntimeError, match="SIGSEGV"):
        call(machine.pyxrt)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda module, _: module.device(7), " No such device with index '7'"),
        (lambda module, _: module.device("0000:01:00.1"), "No such device '0000:01:00.1': Invalid argument"),
        (lambda module, _: module.xclbin("/nowhere.xclbin"), "No such file '/nowhere.xclbin'"),
        (lambda module, path: module.xclbin(str(path)), "xclbin: buffer too small to contain header"),
        (lambda module, path: module.xclbin(f"{path}2"), "Invalid xclbin"),
        (lambda module, path: module.xclbin(f"{path}3"), "xclbin: m_length does not match buffer size"),
        (lambda module, path: module.elf(str(path)), "is not found or is not a valid ELF file"),
    ],
)
def test_what_was_seen_without_an_npu(machine: Machine, tmp_path: Path, call: Any, text: str) -> None:
    for name, data in {"junk": b"junk", "junk2": bytes(2_000), "junk3": b"xclbin2".ljust(2_000, b"\0")}.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(RuntimeError) as caught:
        call(machine.pyxrt, tmp_path / "junk")
    assert text in str(caught.value)


def test_a_machine_without_an_npu() -> None:
    module = Machine(devices=0).pyxrt
    assert module.enumerate_devices() == 0
    with pytest.raises(RuntimeError, match=" No such device with index '0'"):
        module.device(0)


def test_what_an_xclbin_says(objects: Objects) -> None:
    kernel, (host, sram) = objects.xclbin.get_kernels()[0], objects.xclbin.get_mems()
    assert (kernel.get_name(), kernel.get_num_args()) == ("MLIR_AIE", 8)
    assert (host.get_tag(), host.get_index(), host.get_base_address(), host.get_size_kb()) == (
        "HOST", 0, 0x4000000, 65536
    )  # fmt: skip
    assert (sram.get_tag(), sram.get_index(), sram.get_size_kb()) == ("SRAM", 1, 49152)
    assert objects.xclbin.get_uuid().to_string() == objects.folder.manifest.uuid


def test_load_xclbin_is_not_for_npus(scale: KernelFolder, version: str) -> None:
    device = Machine(version).pyxrt.device(0)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(RuntimeError, match="Operation not supported"):
            device.load_xclbin(str(scale.path / "kernel.xclbin"))
    assert [one.category for one in seen] == [DeprecationWarning] * (version in recorded.LATER)


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


def test_a_version_that_was_not_recorded() -> None:
    with pytest.raises(ValueError, match=r"XRT 2\.19 was not recorded"):
        Machine("2.19")
