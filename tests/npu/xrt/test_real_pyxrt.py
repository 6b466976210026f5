"""The real pyxrt, where there is one, with or without an NPU: the recorded facts, and that XRT reads our xclbins.

No test here calls the methods of objects without content, such as ``pyxrt.run().start()``: those end the process.
"""

from __future__ import annotations

import datetime as dt
import re
from operator import attrgetter
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from kernels.package import xclbin
from tests.npu.simulated import recorded

pyxrt: Any = pytest.importorskip("pyxrt")
UUID_OF_OURS = UUID(int=5 << 64 | 7)


def test_names() -> None:
    for path, names in recorded.CLASSES.items():
        thing = attrgetter(path)(pyxrt) if path else pyxrt
        assert set(names) <= set(dir(thing)), path


def test_values() -> None:
    for path, values in recorded.ENUMS.items():
        members = attrgetter(path)(pyxrt).__members__
        assert {name: int(member) for name, member in members.items()} == values
    assert pyxrt.ert_cmd_state(3).name == "???"
    assert pyxrt.ert_cmd_state.ERT_CMD_STATE_COMPLETED == 4
    assert pyxrt.bo.flags.normal != 0


CONSTRUCTORS = {
    "device": "(pyxrt.device, int)",
    "hw_context": "(pyxrt.hw_context, pyxrt.device, pyxrt.uuid)",
    "kernel": "(pyxrt.kernel, pyxrt.hw_context, str)",
    "run": "(pyxrt.run, pyxrt.kernel)",
    "bo": "(pyxrt.bo, pyxrt.device, int, pyxrt.bo.flags, int)",
}


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_the_constructors_that_npu_calls_are_there(name: str) -> None:
    """Their docstrings tell, less the names of arguments, which came with 2.23."""
    types = re.sub(r"\b\w+: ", "", getattr(pyxrt, name).__init__.__doc__).replace("::", ".")
    assert CONSTRUCTORS[name] in re.sub(r"(?<!py)xrt\.", "pyxrt.", types)


def test_waits_with_a_timeout_cannot_be_called() -> None:
    for wait in (pyxrt.run().wait2, pyxrt.runlist().wait):
        with pytest.raises(TypeError, match="incompatible function arguments"):
            wait(dt.timedelta(seconds=1))


@pytest.mark.parametrize("value", [1 << 31, 3.0, None])
def test_arguments_that_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="incompatible function arguments"):
        pyxrt.run().set_arg(0, value)


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_xrt_reads_our_xclbins(tmp_path: Path, columns: int) -> None:
    for name, data in {
        "npu": xclbin.write(UUID_OF_OURS, columns, xclbin.PDI_MAGIC + bytes(100)),
        "host": xclbin.write_simulated(UUID_OF_OURS, columns, b"{}"),
    }.items():
        (tmp_path / name).write_bytes(data)
        read = pyxrt.xclbin(str(tmp_path / name))
        assert read.get_uuid().to_string() == str(UUID_OF_OURS)
        assert [(kernel.get_name(), kernel.get_num_args()) for kernel in read.get_kernels()] == [("MLIR_AIE", 8)]
        assert [(mem.get_tag(), mem.get_index(), mem.get_size_kb()) for mem in read.get_mems()] == [
            ("HOST", 0, 65536),
            ("SRAM", 1, 49152),
        ]


def test_what_is_no_xclbin(tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(bytes(2_000))
    with pytest.raises(RuntimeError, match="Invalid xclbin"):
        pyxrt.xclbin(str(tmp_path / "junk"))
    with pytest.raises(RuntimeError, match="No such file '/nowhere'"):
        pyxrt.xclbin("/nowhere")


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(RuntimeError, match="No such device with index '999'"):
        pyxrt.device(999)
