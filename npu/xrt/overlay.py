"""An overlay on the NPU: one hardware context, and the owner of everything that keeps it alive.

A context of pyxrt has no ``close``: it goes with the last object that refers to it, be it a kernel, a run, or a frame
of a traceback. So all of them are here and in the overlay's programs, and go together.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from kernels.package.verify import KernelFolder
from npu.errors import FolderRefused, LaunchFailed, LaunchTimeout, NpuError
from npu.xrt import polling as waiting
from npu.xrt import pyxrt_api as portable
from npu.xrt.buffer import Buffer
from npu.xrt.polling import PENDING, State
from npu.xrt.program import FIRST_BUFFER, Program, check
from npu.xrt.xrt_errors import attempt, while_launching, while_loading

OTHER_SIZE = "the stream is for another size or batch: build the folder for this one"
GIVEN_UP = "the overlay is given up; look into `dmesg` for the driver's report"


class Overlay:
    """A loaded kernel folder. Made by ``xrt.Device.load``; for one thread at a time.

    After a launch that failed nothing more is launched (``broken`` says why): close it and load the folder again, or
    leave the NPU alone.
    """

    def __init__(
        self, module: portable.Pyxrt, device: portable.Device, uuid: Any, folder: KernelFolder, watchdog_s: float
    ) -> None:
        """Open a context for a registered xclbin. Raises NpuUnavailable, DeviceLost."""
        self.folder = folder
        self.name = folder.manifest.design
        self.broken: str | None = None
        self.watchdog_s = watchdog_s
        self._module, self._device = module, device
        self._kernel: portable.Kernel | None = None
        self._programs: dict[str | bytes, Program] = {}
        self._buffers: list[Buffer] = []
        self._arguments = {sequence.name: sequence.arguments for sequence in folder.manifest.sequences}
        self._context, failure = attempt(lambda: module.hw_context(device, uuid))
        if failure is None:
            self._kernel, failure = attempt(lambda: module.kernel(self._context, folder.manifest.kernel))
        if failure is not None:
            self.close()
            raise while_loading(f"overlay {self.name}", failure)

    def buffer(self, nbytes: int) -> Buffer:
        """A buffer that any launch argument may be, of other overlays of the device too; it goes with this one.

        Raises NpuUnavailable where memory cannot be had or locked, DeviceLost.
        """
        made, failure = attempt(lambda: self._buffer(nbytes))
        if made is None:
            raise while_loading(f"a buffer of {nbytes:,} bytes for overlay {self.name}", str(failure))
        self._buffers.append(made)
        return made

    def program(self, stream: str | bytes) -> Program:
        """A sequence of the folder by name, or a stream of one's own for the same design; made ready once.

        Raises FolderRefused for an unknown name or a stream that is none of this overlay, NpuUnavailable, DeviceLost.
        """
        if stream not in self._programs:
            name = stream if isinstance(stream, str) else "own stream"
            what = f"stream {self.name}.{name}"
            data = self._data(stream)
            check(data, what, self.folder.manifest.columns)
            made, failure = attempt(lambda: Program(self._module, self._device, self._opened(), name, data))
            if made is None:
                raise while_loading(what, str(failure))
            self._programs[stream] = made
        return self._programs[stream]

    def start(self, program: Program, buffers: Sequence[Buffer], timeout: float | None = None) -> Launch:
        """Start a launch with its arguments in launch order; ``Launch.wait`` bounds it by ``timeout`` seconds.

        What the host wrote must have gone ``to_device`` before. Raises FolderRefused where a buffer is too small for
        the stream, or of another size than the folder's sequence says; LaunchFailed, DeviceLost.
        """
        if self.broken is not None:
            raise LaunchFailed(f"overlay {self.name} was given up: {self.broken}", state="GIVEN UP")
        self._check(program, buffers)
        _, failure = attempt(lambda: program.start(tuple(buffers)))
        if failure is not None:
            raise self.give_up(while_launching(f"{self.name}.{program.name}", failure))
        return Launch(self, program, self.watchdog_s if timeout is None else timeout)

    def launch(self, program: Program, buffers: Sequence[Buffer], timeout: float | None = None) -> float:
        """``start`` and ``wait``: the seconds that it took. Results are there after ``from_device``."""
        return self.start(program, buffers, timeout).wait()

    def give_up(self, error: NpuError) -> NpuError:
        """Launch nothing more, because of ``error``, which is given back to be raised."""
        self.broken = self.broken or error.reason
        return error

    def lost(self) -> NpuError | None:
        """DeviceLost if the device does not even tell its name any more."""
        _, failure = attempt(lambda: self._device.get_info(self._module.xrt_info_device.name))
        return while_launching(self.name, failure) if failure else None

    def close(self) -> None:
        """Let everything go: runs, kernel, context, then buffers.

        The driver stops what still runs; that may take its 2 s, with the GIL held by pyxrt.
        """
        for program in self._programs.values():
            program.close()
        self._programs.clear()
        self._kernel = self._context = None
        for buffer in self._buffers:
            buffer.close()
        self._buffers.clear()
        self.broken = self.broken or "it was closed"

    def _buffer(self, nbytes: int) -> Buffer:
        bo = self._module.bo
        group = self._opened().group_id(FIRST_BUFFER)
        return Buffer(bo(self._device, nbytes, bo.host_only, group), self._module.xclBOSyncDirection, nbytes)

    def _opened(self) -> portable.Kernel:
        if self._kernel is None:
            raise ValueError(f"Overlay {self.name} is closed.")
        return self._kernel

    def _data(self, stream: str | bytes) -> bytes:
        if isinstance(stream, bytes):
            return stream
        if stream not in self.folder.streams:
            known = ", ".join(sorted(self.folder.streams))
            raise FolderRefused(f"kernel folder {self.name} has no sequence {stream}, only {known}", "build it again")
        return self.folder.streams[stream]

    def _check(self, program: Program, buffers: Sequence[Buffer]) -> None:
        if not any(program is own for own in self._programs.values()):
            raise ValueError(f"Program {program.name} is not one of overlay {self.name}.")
        if program.running:
            raise ValueError(f"{self.name}.{program.name} is running; wait for it first.")
        what = f"sequence {self.name}.{program.name}"
        if len(buffers) < len(program.needs):
            raise FolderRefused(f"{what} has {len(program.needs)} arguments, the launch {len(buffers)}", OTHER_SIZE)
        for number, (need, buffer) in enumerate(zip(program.needs, buffers, strict=False)):
            if need > buffer.nbytes:
                reach = f"{what} reaches byte {need:,} of argument {number}, the buffer has {buffer.nbytes:,}"
                raise FolderRefused(reach, OTHER_SIZE)
        for argument, buffer in zip(self._arguments.get(program.name, ()), buffers, strict=False):
            if argument.nbytes != buffer.nbytes:
                size = f"{argument.name} of {what} has {argument.nbytes:,} bytes, the buffer {buffer.nbytes:,}"
                raise FolderRefused(size, OTHER_SIZE)


class Launch:
    """One launch that was started."""

    def __init__(self, overlay: Overlay, program: Program, timeout: float) -> None:
        self.what = f"{overlay.name}.{program.name}"
        self._overlay, self._program = overlay, program
        self._timeout = timeout
        self._started = time.monotonic()

    def done(self) -> bool:
        """Whether it has ended, well or not: ``wait`` tells which. Raises DeviceLost, LaunchFailed."""
        return self._state(0.0) not in PENDING

    def wait(self) -> float:
        """Hold until it has ended, other threads running on; the seconds since its start.

        Raises LaunchTimeout, LaunchFailed and DeviceLost; the overlay is given up then.
        """
        state = self._state(self._timeout)
        seconds = time.monotonic() - self._started
        if state != State.COMPLETED:
            raise self._overlay.give_up(self._error(state))
        return seconds

    def _state(self, timeout: float) -> int:
        state, failure = attempt(lambda: self._program.poll(self._started + timeout))
        if state is None:
            raise self._overlay.give_up(while_launching(self.what, str(failure)))
        return state

    def _error(self, state: int) -> NpuError:
        if state in PENDING:
            late = LaunchTimeout(f"the launch of {self.what} did not end in {self._timeout:g} s", GIVEN_UP)
            return self._overlay.lost() or late
        if state == State.TIMEOUT:
            return LaunchTimeout(f"the driver ended the launch of {self.what}, which made no progress", GIVEN_UP)
        name = waiting.name(state)
        return LaunchFailed(f"the launch of {self.what} ended in state {name}", GIVEN_UP, state=name)
