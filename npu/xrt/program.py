"""An instruction stream in the NPU's memory, and the pyxrt run object that launches it."""

from __future__ import annotations

from kernels.array.lower.stream import ShimTask, tasks
from kernels.array.lower.transaction import decode
from kernels.errors import StreamError
from npu.errors import FolderRefused
from npu.xrt import polling, pyxrt_api
from npu.xrt.buffer import Buffer

OPCODE = 3  # a transaction stream
STREAM_ARGUMENT, FIRST_BUFFER = 1, 3  # of an aiecc kernel: opcode, stream, its length, buffers (generateKernelsJson)
WORD_BYTES = 4


class Program:
    """An instruction stream that can be launched again and again, one launch at a time. Made by ``Overlay.program``.

    ``needs`` are the least sizes of the launch arguments in bytes, in launch order. ``running`` is True from ``start``
    until ``wait`` has seen the end of the launch. The methods raise pyxrt's own errors.
    """

    def __init__(
        self, module: pyxrt_api.Pyxrt, device: pyxrt_api.Device, kernel: pyxrt_api.Kernel, name: str, data: bytes
    ) -> None:
        self.name = name
        self.needs = bytes_reached(data)
        self.running = False
        self._buffers: tuple[Buffer, ...] = ()
        bo = module.bo
        self._memory: pyxrt_api.Bo | None = bo(device, len(data), bo.cacheable, kernel.group_id(STREAM_ARGUMENT))
        self._memory.write(data, 0)
        self._memory.sync(module.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE, len(data), 0)
        self._run: pyxrt_api.Run | None = module.run(kernel)
        self._run.set_arg(0, OPCODE)
        self._run.set_arg(STREAM_ARGUMENT, self._memory)
        self._run.set_arg(2, len(data) // WORD_BYTES)

    def start(self, buffers: tuple[Buffer, ...]) -> None:
        """Start a launch with these buffers as arguments, and return at once.

        Arguments of the launch before are not set again.
        """
        run = self._open_run()
        for number, buffer in enumerate(buffers):
            if self._buffers[number : number + 1] != (buffer,):
                run.set_arg(FIRST_BUFFER + number, buffer.bo)
        self._buffers = buffers
        run.start()
        self.running = True

    def wait(self, deadline: float) -> int:
        """Wait for the end of the launch or for ``deadline`` (``time.monotonic``), and return its state then."""
        state = polling.poll(self._open_run().state, deadline)
        self.running = state in polling.PENDING
        return state

    def close(self) -> None:
        """Drop the run, which keeps the hardware context alive, the stream's memory and the last launch's buffers."""
        self._run = self._memory = None
        self._buffers = ()

    def _open_run(self) -> pyxrt_api.Run:
        if self._run is None:
            raise ValueError(f"Program {self.name} is closed.")
        return self._run


def check_stream(data: bytes, what: str, columns: int) -> None:
    """Raise FolderRefused if ``data`` is no valid instruction stream, or one for another number of array columns.

    ``what`` names the stream in the message.
    """
    try:
        stream = decode(data)
        tasks(stream)
    except StreamError as error:
        raise FolderRefused(f"{what}: {error}".rstrip(".")) from None
    if stream.columns != columns:
        raise FolderRefused(f"{what} is for {stream.columns} columns, the overlay for {columns}", "build it again")


def bytes_reached(data: bytes) -> tuple[int, ...]:
    """Return, for each launch argument in order, how many bytes from its beginning the instruction stream accesses."""
    ends: dict[int, int] = {}
    for task in (step for step in tasks(decode(data)) if isinstance(step, ShimTask)):
        for descriptor in task.chain:
            end = descriptor.pattern.extent(task.repeat + 1)[1] * WORD_BYTES
            ends[descriptor.argument] = max(end, ends.get(descriptor.argument, 0))
    return tuple(ends.get(number, 0) for number in range(max(ends, default=-1) + 1))
