"""Enums as pybind11 makes them: numbers with names; those of C equal numbers, those of C++ only their own kind.

Values: src/python/pybind11/src/pyxrt.cpp of XRT, and for ert_cmd_state ert.h. RUNNING (3) is not exported: a state of
that number has no name.
"""

from __future__ import annotations

from typing import ClassVar

from npu.xrt.polling import State


class Enum:
    """Base of all. A member called ``name`` hides the property, in pybind11 too."""

    __members__: ClassVar[dict[str, Enum]]
    like_numbers: ClassVar[bool]

    def __init__(self, value: int, /) -> None:
        self.value = int(value)

    @property
    def name(self) -> str:
        return next((name for name, member in self.__members__.items() if member.value == self.value), "???")

    def __int__(self) -> int:
        return self.value

    __index__ = __int__

    def __hash__(self) -> int:
        return hash(self.value)

    def __eq__(self, other: object) -> bool:
        return (type(other) is type(self) and self.value == int(other)) or (self.like_numbers and self.value == other)

    def __or__(self, other: Enum) -> Enum:
        return type(self)(self.value | other.value)

    def __and__(self, other: Enum) -> Enum:
        return type(self)(self.value & other.value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}.{self.name}: {self.value}>"


def enum(name: str, values: dict[str, int]) -> type[Enum]:
    """A new kind of enum, with its members as attributes."""
    made: type[Enum] = type(name, (Enum,), {"__module__": "pyxrt", "like_numbers": name in OF_C})
    made.__members__ = {member: made(value) for member, value in values.items()}
    for member, instance in made.__members__.items():
        setattr(made, member, instance)
    return made


OF_C = ("xclBOSyncDirection", "ert_cmd_state")
DIRECTIONS = {
    "XCL_BO_SYNC_BO_TO_DEVICE": 0,
    "XCL_BO_SYNC_BO_FROM_DEVICE": 1,
    "XCL_BO_SYNC_BO_GMIO_TO_AIE": 2,
    "XCL_BO_SYNC_BO_AIE_TO_GMIO": 3,
}
STATES = {f"ERT_CMD_STATE_{state.name}": int(state) for state in State if state is not State.RUNNING}
INFO = (
    "bdf interface_uuid kdma max_clock_frequency_mhz m2m name nodma offline electrical thermal mechanical memory "
    "platform pcie_info host"
)
LATER_INFO = {"dynamic_regions": 17, "vmr": 18}
LEVELS = "emergency alert critical error warning notice info debug"
FLAGS = {
    "normal": 0,
    "cacheable": 0x1000000,
    "device_only": 0x10000000,
    "host_only": 0x20000000,
    "p2p": 0x40000000,
    "svm": 0x8000000,
}
CU_ACCESS = {"exclusive": 0, "shared": 1, "none": 2}
CONTEXT_ACCESS = {"exclusive": 0, "shared": 1}
EXT_ACCESS = {"none": 0, "read": 1, "write": 2, "read_write": 3, "local": 0, "shared": 4, "process": 8, "hybrid": 16}


def numbered(names: str) -> dict[str, int]:
    """The names with their places."""
    return {name: number for number, name in enumerate(names.split())}
