"""The stand-in against pyxrt as it was recorded: names, values, forms that work and that do not, errors."""

from __future__ import annotations

import warnings
from operator import attrgetter
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from kernels.package.verify import KernelFolder
from npu.simulated import Machine
from tests.npu.conftest import DESIGNS
from tests.npu.objects import Objects
from tests.npu.simulated import recorded


@pytest.fixture(params=recorded.VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


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


def test_a_version_that_was_not_recorded() -> None:
    with pytest.raises(ValueError, match=r"XRT 2\.19 was not recorded"):
        Machine("2.19")
