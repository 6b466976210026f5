"""A loaded overlay (a configuration of the NPU's cores): one hardware context and all objects that refer to it.

A context of pyxrt has no ``close``: it goes with the last object that refers to it, be it a kernel, a run, or a frame
of a traceback. So the overlay and its programs own all of these objects, and drop them together.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from kernels.package.verify import KernelFolder
from npu.errors import FolderRefused, LaunchFailed, LaunchTimeout, NpuError
from npu.xrt import polling, pyxrt_api
from npu.xrt.buffer import Buffer
from npu.xrt.polling import PENDING, State
from npu.xrt.program import FIRST_BUFFER, Program, check_stream
from npu.xrt.xrt_errors import XrtCall, while_launching, while_loading

OTHER_SIZE = "the stream is for another size or batch: build the folder for this one"
GIVEN_UP = "the overlay is given up; look into `dmesg` for the driver's report"


class Overlay:
    """An overlay (a configuration of the NPU's cores), loaded from a kernel folder, on which programs are launched.

    Made by ``Device.load``; for one thread at a time. After a launch that failed, nothing more is launched (``broken``
    says why): close the overlay and load the folder again, or leave the NPU alone. ``watchdog_s`` is the time limit of
    a launch, in seconds.

    Example::

        overlay = device.load(folder)
        program = overlay.program("run")
        x, y = overlay.buffer(4096), overlay.buffer(4096)
        x.view(np.int32)[:] = 7
        x.to_device()
        seconds = overlay.launch(program, (x, y))
        y.from_device()
    """

    def __init__(
        self, module: pyxrt_api.Pyxrt, device: pyxrt_api.Device, uuid: Any, folder: KernelFolder, watchdog_s: float
    ) -> None:
        """Open a hardware context for the registered xclbin of this ``uuid``. Raises NpuUnavailable, DeviceLost."""
        self.folder = folder
        self.name = folder.manifest.design
        self.broken: str | None = None
        self.watchdog_s = watchdog_s
        self._module, self._device = module, device
        self._context: Any = None
        self._kernel: pyxrt_api.Kernel | None = None
        self._programs: dict[str | bytes, Program] = {}
        self._buffers: list[Buffer] = []
        self._arguments = {sequence.name: sequence.arguments for sequence in folder.manifest.sequences}
        with XrtCall() as call:
            self._context = module.hw_context(device, uuid)
            self._kernel = module.kernel(self._context, folder.manifest.kernel)
        if call.failure is not None:
            self.close()
            raise while_loading(f"overlay {self.name}", call.failure)

    def buffer(self, nbytes: int) -> Buffer:
        """Allocate a buffer, which launches of all overlays of the device may use; ``close`` of this overlay closes it.

        Raises NpuUnavailable if the memory cannot be had or locked, DeviceLost.
        """
        with XrtCall() as call:
            self._buffers.append(self._allocate(nbytes))
        if call.failure is not None:
            raise while_loading(f"a buffer of {nbytes:,} bytes for overlay {self.name}", call.failure)
        return self._buffers[-1]

    def program(self, stream: str | bytes) -> Program:
        """Return an instruction stream as a program that is ready to launch; each stream is loaded once.

        ``stream`` is the name of one of the kernel folder's sequences, or the bytes of another stream for the same
        overlay. Raises FolderRefused for an unknown name or a stream that does not fit, NpuUnavailable, DeviceLost.
        """
        if stream not in self._programs:
            name = stream if isinstance(stream, str) else "own stream"
            what = f"stream {self.name}.{name}"
            data = self._data(stream)
            check_stream(data, what, self.folder.manifest.columns)
            with XrtCall() as call:
                self._programs[stream] = Program(self._module, self._device, self._loaded_kernel(), name, data)
            if call.failure is not None:
                raise while_loading(what, call.failure)
        return self._programs[stream]

    def launch(self, program: Program, buffers: Sequence[Buffer], timeout: float | None = None) -> float:
        """Run a program with ``buffers`` as its arguments, wait for its end, and return the seconds that it took.

        Other Python threads run meanwhile. Call ``Buffer.to_device`` before for what the host wrote, and
        ``Buffer.from_device`` afterwards for the results. ``timeout`` (seconds) takes the place of ``watchdog_s``.
        Raises FolderRefused, with nothing launched, if a buffer is too small for the stream or of another size than the
        folder's sequence says; LaunchTimeout, LaunchFailed and DeviceLost, after which the overlay is ``broken``.
        """
        if self.broken is not None:
            raise LaunchFailed(f"overlay {self.name} was given up: {self.broken}", state="GIVEN UP")
        self._check(program, buffers)
        limit = self.watchdog_s if timeout is None else timeout
        seconds, state = 0.0, int(State.NEW)
        with XrtCall() as call:
            program.start(tuple(buffers))
            started = time.monotonic()
            state = program.wait(started + limit)
            seconds = time.monotonic() - started
        if call.failure is not None or state != State.COMPLETED:
            error = self._error(f"{self.name}.{program.name}", call.failure, state, limit)
            self.broken = error.reason
            raise error
        return seconds

    def close(self) -> None:
        """Unload the overlay: drop its programs, kernel and context, then its buffers.

        The driver stops a launch that still runs; that may take 2 s, during which pyxrt holds the GIL.
        """
        for program in self._programs.values():
            program.close()
        self._programs.clear()
        self._kernel = self._context = None
        for buffer in self._buffers:
            buffer.close()
        self._buffers.clear()
        self.broken = self.broken or "it was closed"

    def _allocate(self, nbytes: int) -> Buffer:
        bo = self._module.bo
        group = self._loaded_kernel().group_id(FIRST_BUFFER)
        return Buffer(bo(self._device, nbytes, bo.host_only, group), self._module.xclBOSyncDirection, nbytes)

    def _loaded_kernel(self) -> pyxrt_api.Kernel:
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

    def _error(self, what: str, failure: str | None, state: int, limit: float) -> NpuError:
        """Return the error for a failed launch of ``what``, from XRT's text ``failure`` or else its last ``state``.

        ``limit`` is the time limit in seconds that the launch had.
        """
        if failure is not None:
            return while_launching(what, failure)
        if state in PENDING:
            late = LaunchTimeout(f"the launch of {what} did not end in {limit:g} s", GIVEN_UP)
            return self._lost() or late
        if state == State.TIMEOUT:
            return LaunchTimeout(f"the driver ended the launch of {what}, which made no progress", GIVEN_UP)
        name = polling.state_name(state)
        return LaunchFailed(f"the launch of {what} ended in state {name}", GIVEN_UP, state=name)

    def _lost(self) -> NpuError | None:
        """Return DeviceLost if the device no longer answers a query for its name, else None."""
        with XrtCall() as call:
            self._device.get_info(self._module.xrt_info_device.name)
        return None if call.failure is None else while_launching(self.name, call.failure)
