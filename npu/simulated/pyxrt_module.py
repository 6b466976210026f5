"""The names of pyxrt and the forms in which each can be called, version by version.

Source: src/python/pybind11/src/pyxrt.cpp of Xilinx/XRT at 202520.2.20.197 (the same at 202610.2.21.21), on the branch
XRT-2.21, at 202610.2.23.244 and on the branch XRT-2.25; 2.25 also as Debian built it (1:2.25.0-4~bpo13+1), by its
docstrings and by trying, without an NPU. That 2.23 has ext.access_mode where 2.25 has it is a guess. Stricter than the
module: keywords, which some functions take from 2.23 on, are refused. ELF files, and BOs from foreign memory, are not
simulated: those forms refuse everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from types import ModuleType
from typing import TYPE_CHECKING, Any

from npu.simulated import enums
from npu.simulated.elf import Elf, ElfModule, ElfProgram
from npu.simulated.loading import HwContext, Named, OpenDevice, Uuid, XclbinFile
from npu.simulated.memory import Bo
from npu.simulated.overloads import ALL, FROM_2_23, Form, methods
from npu.simulated.running import Kernel, Run, Runlist

if TYPE_CHECKING:
    from npu.simulated.machine import Machine

BRANCH_2_21 = frozenset(("XRT-2.21",))
FROM_BRANCH_2_21 = BRANCH_2_21 | FROM_2_23
UP_TO_2_21 = ALL - FROM_2_23
SCRATCHPAD = frozenset(("XRT-2.21", "2.25"))
Methods = dict[str, tuple[Form, ...]]


def one(kinds: str, call: Callable[..., object], versions: frozenset[str] = ALL) -> tuple[Form, ...]:
    return (Form(kinds, call, versions),)


CLASSES: dict[str, tuple[type, Methods]] = {
    "uuid": (Uuid, {"__init__": one("str", Uuid._of), "to_string": one("", Uuid._string)}),
    "device": (
        OpenDevice,
        {
            "__init__": (
                Form("", OpenDevice._empty),
                Form("unsigned", OpenDevice._by_index),
                Form("str", OpenDevice._by_bdf),
            ),
            "register_xclbin": one("xclbin", OpenDevice._register),
            "load_xclbin": (Form("str", OpenDevice._load), Form("xclbin", OpenDevice._load)),
            "get_xclbin_uuid": one("", OpenDevice._xclbin_uuid),
            "get_info": one("xrt_info_device", OpenDevice._info),
        },
    ),
    "xclbin": (
        XclbinFile,
        {
            "__init__": (Form("", XclbinFile._empty), Form("str", XclbinFile._open)),
            "get_kernels": one("", XclbinFile._kernels),
            "get_xsa_name": one("", XclbinFile._xsa_name),
            "get_uuid": one("", XclbinFile._uuid),
            "get_mems": one("", XclbinFile._mems),
            "get_axlf": one("", XclbinFile._axlf),
        },
    ),
    "hw_context": (
        HwContext,
        {
            "__init__": (
                Form("", HwContext._empty),
                Form("device uuid", HwContext._open),
                Form("device elf", HwContext._elf, FROM_BRANCH_2_21),
                Form("device uuid hw_context.access_mode", HwContext._open, FROM_2_23),
                Form("device uuid dict", HwContext._open, FROM_2_23),
                Form("device xclbin", HwContext._open_xclbin, FROM_2_23),
                Form("device str", HwContext._open_xclbin, FROM_2_23),
                Form("device xclbin hw_context.access_mode", HwContext._open_xclbin, FROM_2_23),
                Form("device str hw_context.access_mode", HwContext._open_xclbin, FROM_2_23),
                Form("device xclbin dict", HwContext._open_xclbin, FROM_2_23),
                Form("device str dict", HwContext._open_xclbin, FROM_2_23),
                Form("device dict hw_context.access_mode", HwContext._elf, FROM_2_23),
                Form("device elf dict hw_context.access_mode", HwContext._elf, FROM_2_23),
            ),
            "add_config": one("elf", HwContext._elf, FROM_2_23),
            "get_device": one("", HwContext._get_device, FROM_2_23),
            "get_xclbin_uuid": one("", HwContext._get_uuid, FROM_2_23),
            "get_xclbin": one("", HwContext._get_xclbin, FROM_2_23),
            "get_mode": one("", HwContext._get_mode, FROM_2_23),
        },
    ),
    "kernel": (
        Kernel,
        {
            "__init__": (
                Form("hw_context str", Kernel._of),
                Form("device uuid str", Kernel._without_context),
                Form("device uuid str kernel.cu_access_mode", Kernel._without_context),
            ),
            "group_id": one("int", Kernel._group),
        },
    ),
    "run": (
        Run,
        {
            "__init__": (Form("", Run._empty), Form("kernel", Run._of)),
            "set_arg": (Form("int bo", Run._set), Form("int int", Run._set)),
            "start": one("", Run._start),
            "wait": (Form("", Run._wait), Form("unsigned", Run._wait)),
            "wait2": (Form("", Run._wait2), Form("impossible", Run._impossible)),
            "state": one("", Run._state),
            "add_callback": one("impossible impossible impossible", Run._impossible),
            "get_ctrl_scratchpad_bo": one("", Run._no_scratchpad, SCRATCHPAD),
        },
    ),
    "runlist": (
        Runlist,
        {
            "__init__": (Form("", Runlist._empty), Form("hw_context", Runlist._of)),
            "add": one("run", Runlist._add),
            "execute": one("", Runlist._execute),
            "wait": (Form("", Runlist._wait), Form("impossible", Runlist._wait)),
        },
    ),
    "bo": (
        Bo,
        {
            "__init__": (
                Form("device size bo.flags unsigned", Bo._new),
                Form("bo size size", Bo._part),
                Form("hw_context size bo.flags unsigned", Bo._in_context, FROM_2_23),
                Form("hw_context size unsigned", Bo._in_context, FROM_2_23),
            ),
            "write": one("buffer size", Bo._write),
            "read": one("size size", Bo._read),
            "sync": (
                Form("xclBOSyncDirection", Bo._sync),
                Form("xclBOSyncDirection size size", Bo._sync),
            ),
            "map": one("", Bo._map),
            "size": one("", Bo._get_size),
            "address": one("", Bo._address),
        },
    ),
    "elf": (Elf, {"__init__": one("str", Elf._open)}),
    "module": (
        ElfModule,
        {
            "__init__": one("elf", ElfModule._of),
            "get_hw_context": one("", ElfModule._of),
            "get_cfg_uuid": one("", ElfModule._of, UP_TO_2_21),
        },
    ),
    "program": (ElfProgram, {"__init__": one("elf", ElfProgram._of), "get_partition_size": one("", ElfProgram._of)}),
}
GETTERS = {
    "xclbinkernel": ("name", "num_args"),
    "xclbinip": ("name",),
    "xclbinmem": ("tag", "base_address", "size_kb", "used", "index"),
}
NESTED = {  # enum, its members, whether they are members of what it is in as well, versions
    "xclBOSyncDirection": (enums.DIRECTIONS, False, ALL),
    "ert_cmd_state": (enums.STATES, False, ALL),
    "xrt_info_device": ({**enums.numbered(enums.INFO), **enums.LATER_INFO}, False, ALL),
    "xrt_msg_level": (enums.numbered(enums.LEVELS), True, ALL),
    "kernel.cu_access_mode": (enums.CU_ACCESS, True, ALL),
    "bo.flags": (enums.FLAGS, True, ALL),
    "hw_context.access_mode": (enums.CONTEXT_ACCESS, True, FROM_2_23),
    "ext.bo.access_mode": (enums.EXT_ACCESS, True, UP_TO_2_21),
    "ext.access_mode": (enums.EXT_ACCESS, True, FROM_2_23),
}
EXT: dict[str, tuple[str, Methods]] = {
    "bo": (
        "bo",
        {
            "__init__": tuple(
                Form(f"{owner} size{access}", Bo._external, versions)
                for owner in ("device", "hw_context")
                for access, versions in (
                    (" ext.bo.access_mode", UP_TO_2_21),
                    (" ext.access_mode", FROM_2_23),
                    ("", ALL),
                )
            )
        },
    ),
    "kernel": (
        "kernel",
        {"__init__": (Form("hw_context module str", Kernel._without_context), Form("hw_context str", Kernel._of))},
    ),
}


def module(machine: Machine) -> Any:
    """pyxrt of the machine's version."""
    made: Any = ModuleType("pyxrt", "Pybind11 module for XRT")
    made.XCL_BO_FLAGS_NONE = 0
    made.enumerate_devices = lambda: machine.devices
    made.log_message = lambda level, tag, message: machine.log.append(f"[{tag}] {message}")
    for name, (implementation, table) in CLASSES.items():
        setattr(made, name, _class(name, (implementation,), table, machine, made))
    made.kernel.__call__ = Kernel._call
    for name, getters in GETTERS.items():
        setattr(made.xclbin, name, _facts(name, getters))
        setattr(made, f"{name}_vector", list)
    made.ext = ModuleType("pyxrt.ext")
    for name, (base, table) in EXT.items():
        setattr(made.ext, name, _class(f"ext.{name}", (getattr(made, base),), table, machine, made))
    for path, (values, exported, versions) in NESTED.items():
        if machine.version in versions:
            _add_enum(made, path, values, exported=exported)
    return made


def _class(path: str, bases: tuple[type, ...], table: Methods, machine: Machine, made: ModuleType) -> type:
    own = methods(path, table, machine.version, made)
    return type(path.rpartition(".")[2], bases, {**own, "machine": machine, "__module__": "pyxrt"})


def _facts(name: str, getters: tuple[str, ...]) -> type:
    def getter(fact: str) -> Callable[[Named], object]:
        return lambda self: self.facts[fact]

    own: dict[str, object] = {f"get_{fact}": getter(fact) for fact in getters}
    return type(name, (Named,), {**own, "__module__": "pyxrt"})


def _add_enum(made: ModuleType, path: str, values: Mapping[str, int], *, exported: bool) -> None:
    outer, _, name = path.rpartition(".")
    place = attrgetter(outer)(made) if outer else made
    kind = enums.enum(name, dict(values))
    setattr(place, name, kind)
    for member, value in kind.__members__.items() if exported else ():
        setattr(place, member, value)
