"""Simulated classes of pyxrt that launch an overlay: kernel and run."""

from __future__ import annotations

import numpy as np

from kernels.package.xclbin import ARGUMENTS
from npu.simulated.arguments import INT, takes
from npu.simulated.execution import Execution
from npu.simulated.loading import HwContext
from npu.simulated.memory import HOST, SRAM, Bo
from npu.xrt.polling import State

OPCODE, STREAM, WORDS, FIRST_BUFFER = range(4)  # argument numbers
NOTHING = np.empty(0, np.uint8)
MEMORIES = {"HOST": HOST, "SRAM": SRAM, None: HOST}


class Kernel:
    """pyxrt.kernel: a kernel of a hardware context, which the object keeps alive."""

    @takes(HwContext, str)
    def __init__(self, context: HwContext, name: str) -> None:
        if name != context._record.kernel:
            raise RuntimeError(f"No such kernel '{name}'")
        self._context = context

    @takes(INT)
    def group_id(self, argument: int) -> int:
        if not 0 <= argument < len(ARGUMENTS):
            raise RuntimeError(f"invalid argument index {argument}: Invalid argument")
        slot = self._context._record.number + 1
        return MEMORIES[ARGUMENTS[argument][-1]] | slot << 16


class CommandState:
    """pyxrt.ert_cmd_state: the state of a launch, of which only the number is available, by ``int``.

    Neither a running launch's state nor those of later XRT releases have a name.
    """

    def __init__(self, number: int) -> None:
        self._number = number

    def __int__(self) -> int:
        return int(self._number)


class Run:
    """pyxrt.run: a launcher of a kernel, for one execution at a time.

    The object keeps its kernel, and so the hardware context, alive.
    """

    @takes(Kernel)
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._scalars: dict[int, int] = {}
        self._buffers: dict[int, Bo] = {}
        self._execution: Execution | None = None

    @takes(INT, (Bo, INT))
    def set_arg(self, number: int, value: Bo | int) -> None:
        if not 0 <= number < len(ARGUMENTS):
            raise RuntimeError(f"Bad argument index '{number}': Invalid argument")
        if isinstance(value, Bo) != (ARGUMENTS[number][-1] is not None):
            raise RuntimeError(f"argument {number} has another type: Invalid argument")
        if isinstance(value, Bo):
            self._buffers[number] = value
        else:
            self._scalars[number] = value

    @takes()
    def start(self) -> None:
        if self._execution and self._execution.state == State.SUBMITTED:
            raise RuntimeError("bad command state, can't launch: Invalid argument")
        context = self._kernel._context
        last = max(self._buffers, default=STREAM)
        self._execution = context._driver.execute(
            context._record,
            self._scalars.get(OPCODE, 0),
            self._on_device(STREAM),
            self._scalars.get(WORDS, 0),
            [self._on_device(number) for number in range(FIRST_BUFFER, last + 1)],
        )

    @takes()
    def state(self) -> CommandState:
        return CommandState(self._execution.state if self._execution else State.NEW)

    def _on_device(self, number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        buffer = self._buffers.get(number)
        return NOTHING if buffer is None else buffer._on_device()
