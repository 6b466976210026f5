"""Kernels, runs and runlists."""

from __future__ import annotations

import ctypes
import time
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kernels.package.xclbin import ARGUMENTS, BUFFERS
from npu.simulated.launches import Command, Context, Job
from npu.simulated.memory import HOST, SRAM, Bo
from npu.simulated.overloads import CRASH
from npu.xrt.polling import State

if TYPE_CHECKING:
    from npu.simulated.machine import Machine

FIRST_BUFFER = 3
NOTHING = np.empty(0, np.uint8)


class Kernel:
    """pyxrt.kernel: keeps its context alive."""

    machine: ClassVar[Machine]

    def _of(self, context: Any, name: str) -> None:
        if context._core is None:
            raise RuntimeError(CRASH.format(what="a kernel of a context that is none"))
        if name != context._core.kernel:
            raise RuntimeError(f"No such kernel '{name}'")
        self._context = context

    def _without_context(self, *_: object) -> None:
        raise RuntimeError("load_axlf: Operation not supported")

    def _group(self, argument: int) -> int:
        if not 0 <= argument < len(ARGUMENTS):
            raise RuntimeError(f"invalid argument index {argument}: Invalid argument")
        memory = {"SRAM": SRAM, "HOST": HOST}.get(str(ARGUMENTS[argument][-1]), HOST)
        slot: int = self._context._core.number + 1
        return memory | slot << 16

    def _call(self, *arguments: object) -> Any:
        """pyxrt's trap: whatever an argument cannot be set to is left out without a word."""
        run = self.machine.pyxrt.run(self)
        for number, argument in enumerate(arguments):
            try:
                run.set_arg(number, argument)
            except (TypeError, RuntimeError):
                continue
        run.start()
        return run


class Run:
    """pyxrt.run: keeps its kernel, and so the context, alive; one execution at a time."""

    machine: ClassVar[Machine]

    def _empty(self) -> None:
        self._kernel: Any = None
        self._arguments: dict[int, Any] = {}
        self._command = Command()
        self._listed = False

    def _of(self, kernel: Any) -> None:
        self._empty()
        self._kernel = kernel

    def _set(self, number: int, value: Any) -> None:
        self._check()
        if not 0 <= number < len(ARGUMENTS):
            raise RuntimeError(f"Bad argument index '{number}': Invalid argument")
        if isinstance(value, Bo) != (ARGUMENTS[number][-1] is not None):
            raise RuntimeError(f"argument {number} has another type: Invalid argument")
        self._arguments[number] = value

    def _start(self) -> None:
        if self._listed:
            raise RuntimeError("Run object belongs to a runlist: Operation not permitted")
        self._submit()

    def _submit(self) -> None:
        self._check()
        if self._command.state == State.SUBMITTED:
            raise RuntimeError("bad command state, can't launch: Invalid argument")
        self.machine.call("EXEC_CMD")
        self._command = Command(State.SUBMITTED)
        self.machine.submit(self._job())

    def _job(self) -> Job:
        core: Context = self._kernel._context._core
        buffers = [self._arguments.get(FIRST_BUFFER + number) for number in range(BUFFERS)]
        while buffers and buffers[-1] is None:
            buffers.pop()
        sides = [NOTHING if one is None else one._on_device() for one in buffers]
        stream = self._arguments.get(1)
        return Job(
            number=self.machine.next_launch(),
            context=core,
            command=self._command,
            opcode=int(self._arguments.get(0, 0)),
            stream=NOTHING if stream is None else stream._on_device(),
            words=int(self._arguments.get(2, 0)),
            arguments=sides,
            tdr_s=self.machine.tdr_s,
            log=self.machine.log.append,
        )

    def _wait(self, timeout_ms: int = 0) -> Any:
        deadline = time.monotonic() + timeout_ms / 1000 if timeout_ms else float("inf")
        while not self._command.ended.is_set():
            if time.monotonic() >= deadline:
                return self.machine.state(State.TIMEOUT)  # and the launch goes on
            self._hold(deadline)
        return self._state()

    def _hold(self, deadline: float) -> None:
        """A while of waiting; with the GIL if the machine is so, as in truth."""
        if self.machine.hold_gil:
            ctypes.PyDLL(None).usleep(int(1e6 * max(0.0, min(0.05, deadline - time.monotonic()))))
        else:
            self._command.ended.wait(min(0.05, max(0.0, deadline - time.monotonic())))

    def _wait2(self) -> None:
        state = self._wait()
        if int(state) != State.COMPLETED:
            raise RuntimeError(f"command failed with state {state.name}")

    def _check(self) -> None:
        if self._kernel is None:
            raise RuntimeError(CRASH.format(what="a run() without a kernel"))

    def _state(self) -> Any:
        self._check()
        return self.machine.state(self._command.state)

    def _no_scratchpad(self) -> None:
        raise RuntimeError("The run has no control scratchpad: Invalid argument")

    def _impossible(self, *_: object) -> None:
        raise NotImplementedError


class Runlist:
    """pyxrt.runlist"""

    machine: ClassVar[Machine]

    def _empty(self) -> None:
        self._of(None)

    def _of(self, context: Any) -> None:
        self._context = context
        self._runs: list[Any] = []
        self._executing = False

    def _add(self, run: Any) -> None:
        if self._context is None:
            raise RuntimeError("cannot add run object to uninitialized runlist: Invalid argument")
        if self._executing:
            raise RuntimeError("runlist must be idle before adding run objects: Operation not permitted")
        if run._listed or run._command.state not in (State.NEW, State.COMPLETED):
            raise RuntimeError("Run object belongs to a runlist, or is running: Operation not permitted")
        run._listed = True
        self._runs.append(run)

    def _execute(self) -> None:
        if self._context is None:
            raise RuntimeError(CRASH.format(what="a runlist() without a context"))
        if self._executing:
            raise RuntimeError("runlist is already executing: Operation not permitted")
        self._executing = True
        for run in self._runs:
            run._submit()

    def _wait(self) -> None:
        states = [run.wait() for run in self._runs]
        self._executing = False
        failed = next((state for state in states if int(state) != State.COMPLETED), None)
        if failed is not None:
            raise RuntimeError(f"runlist failed execution: command state {failed.name}")
