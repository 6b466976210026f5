"""The simulated pyxrt against the recorded one: names, values, argument lists that are taken and refused, errors."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from npu.simulated import Machine
from npu.xrt.polling import State
from tests.npu.objects import Objects
from tests.npu.simulated import recorded


@pytest.mark.parametrize("path", recorded.CLASSES)
def test_names(machine: Machine, path: str) -> None:
    module = machine.pyxrt
    thing = {"": module, "device": module.device(0)}.get(path) or attrgetter(path)(module)
    assert {name for name in dir(thing) if not name.startswith("_")} == set(recorded.CLASSES[path])


def test_values(machine: Machine) -> None:
    module: Any = machine.pyxrt
    for name in recorded.CLASSES["xclBOSyncDirection"]:
        assert getattr(module.xclBOSyncDirection, name).value == recorded.ENUMS["xclBOSyncDirection"][name]
    for name in ("host_only", "cacheable"):
        assert getattr(module.bo, name).value == recorded.ENUMS["bo.flags"][name]


def test_states() -> None:
    """RUNNING has no name in pyxrt."""
    states = {f"ERT_CMD_STATE_{state.name}": int(state) for state in State if state is not State.RUNNING}
    assert states == recorded.ENUMS["ert_cmd_state"]


def test_enums_are_not_numbers(machine: Machine, objects: Objects) -> None:
    assert machine.pyxrt.bo.cacheable != 0x1000000
    assert int(objects.run.state()) == State.NEW


@pytest.mark.parametrize(("what", "taken", "arguments"), recorded.CALLS)
def test_a_call(what: str, taken: bool, arguments: tuple[object, ...], objects: Objects) -> None:
    name = what.removeprefix("$")
    call = attrgetter(name)(objects if what.startswith("$") else objects.module)
    given = [objects.named(argument) for argument in arguments]
    if taken:
        call(*given)
    else:
        with pytest.raises(TypeError, match=r"incompatible (function|constructor) arguments"):
            call(*given)


def test_keywords_are_not_portable(objects: Objects) -> None:
    with pytest.raises(TypeError):
        objects.device.register_xclbin(xclbin=objects.xclbin)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda module, _: module.device(7), " No such device with index '7'"),
        (lambda module, _: module.xclbin("/nowhere.xclbin"), "No such file '/nowhere.xclbin'"),
        (lambda module, path: module.xclbin(str(path)), "xclbin: buffer too small to contain header"),
        (lambda module, path: module.xclbin(f"{path}2"), "Invalid xclbin"),
        (lambda module, path: module.xclbin(f"{path}3"), "xclbin: m_length does not match buffer size"),
    ],
)
def test_what_was_seen_without_an_npu(machine: Machine, tmp_path: Path, call: Any, text: str) -> None:
    for name, data in {"junk": b"junk", "junk2": bytes(2_000), "junk3": b"xclbin2".ljust(2_000, b"\0")}.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(RuntimeError) as caught:
        call(machine.pyxrt, tmp_path / "junk")
    assert text in str(caught.value)


def test_a_machine_without_an_npu() -> None:
    with pytest.raises(RuntimeError, match=" No such device with index '0'"):
        Machine(devices=0).pyxrt.device(0)
