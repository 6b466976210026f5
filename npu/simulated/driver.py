"""The kernel driver of the simulated NPU: its contexts, memory and executions, and the faults injected into them."""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from threading import RLock

from kernels.array.design import Design
from kernels.array.simulate.simulate import Simulation
from kernels.package.folder import overlay_hash
from kernels.package.xclbin import Xclbin
from kernels.registry import ENTRIES
from npu.simulated.execution import Bytes, DeviceThread, DriverContext, Execution
from npu.simulated.faults import Fault
from npu.xrt.polling import State

CONTEXTS = 6  # hwctx_limit, npu1_regs.c of amd/xdna-driver
TDR_S = 2.0  # tdr_timeout_ms, aie2_ctx.c of amd/xdna-driver
HEAP_BYTES = 64 << 20  # aie2_pci.h of amd/xdna-driver; which errno a full heap ends in is a guess
LOG_LINES = 1_000
FREED = 0xDD  # the value of every byte of memory that was freed
NO_CONTEXT = "DRM_IOCTL_AMDXDNA_CREATE_HWCTX IOCTL failed (err=-22): Invalid argument"
Designs = Mapping[str, Callable[[], Design]]


def registered() -> Designs:
    """Return constructors of all overlays of ``kernels.registry`` by name.

    The designs have no sequences, because the instruction streams come with the launches.
    """
    return {name: partial(entry.make, ()) for name, entry in ENTRIES.items()}


class Driver:
    """The kernel driver of a machine with simulated NPUs, which run kernels that are compiled for the host.

    ``designs`` are constructors of the overlays by the name that an xclbin gives (default: the registered ones);
    ``name`` is the device's name for itself, ``devices`` the number of NPUs, ``contexts_elsewhere`` the number of
    hardware contexts that other programs have open. ``tdr_s`` is the driver's watchdog for launches that make no
    progress, in seconds. All ``faults`` are in effect while they are in this list; the first that claims a launch runs
    it.

    Tests read ``contexts`` (open now), ``buffers`` (BOs allocated now), ``locked`` (bytes in them), ``heap`` (bytes of
    the device's heap in use, for streams) and ``log``, the lines that the driver would write to dmesg.
    """

    def __init__(
        self,
        designs: Designs | None = None,
        faults: Iterable[Fault] = (),
        *,
        name: str = "RyzenAI-npu1",
        devices: int = 1,
        contexts_elsewhere: int = 0,
        tdr_s: float = TDR_S,
    ) -> None:
        self.name, self.devices = name, devices
        self.designs = registered() if designs is None else designs
        self.faults = list(faults)
        self.contexts_elsewhere, self.tdr_s = contexts_elsewhere, tdr_s
        self.contexts = self.buffers = self.locked = self.heap = 0
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self._lock = RLock()  # objects are freed in any thread, in the middle of anything
        self._context_numbers, self._launch_numbers = itertools.count(), itertools.count()
        self._thread = DeviceThread()

    def call(self, ioctl: str) -> None:
        """Let the faults act on a call into the driver by the ioctl of this name; they may raise RuntimeError."""
        for fault in self.faults:
            fault.call(ioctl)

    def open_context(self, overlay: Xclbin) -> DriverContext:
        """Load an overlay into a new hardware context.

        Raises RuntimeError, as XRT does, if the driver or device cannot.
        """
        self.call("CREATE_HWCTX")
        if self.contexts + self.contexts_elsewhere >= CONTEXTS:
            raise RuntimeError(NO_CONTEXT)
        number = next(self._context_numbers)
        for fault in self.faults:
            fault.open_context(number)
        context = DriverContext(number, overlay.kernel, Simulation(self._design(overlay)))
        with self._lock:
            self.contexts += 1
        return context

    def close_context(self, context: DriverContext) -> None:
        """Unload the overlay of a hardware context, and end the launches that hang in it."""
        context.gone.set()
        with self._lock:
            self.contexts -= 1

    def allocate(self, nbytes: int, *, heap: bool) -> None:
        """Account for a new buffer object of locked memory, on the device's ``heap`` or the host's.

        Raises RuntimeError if full.
        """
        if heap and self.heap + nbytes > HEAP_BYTES:
            raise RuntimeError("DRM_IOCTL_AMDXDNA_CREATE_BO IOCTL failed (err=-12): Cannot allocate memory")
        for fault in self.faults:
            fault.lock(nbytes, self.locked)
        with self._lock:
            self.buffers += 1
            self.locked += nbytes
            self.heap += nbytes * heap

    def free(self, host: Bytes, *, heap: bool) -> None:
        """Account for a freed buffer object, and overwrite its memory, so that a late reader gets wrong data."""
        with self._lock:
            self.buffers -= 1
            self.locked -= host.size
            self.heap -= host.size * heap
        host[:] = FREED

    def execute(
        self, context: DriverContext, opcode: int, stream: Bytes, words: int, arguments: Sequence[Bytes]
    ) -> Execution:
        """Queue a launch for the device's thread and return it; the first fault that claims the launch runs it.

        ``words`` is the stream's length as the launch states it. Raises RuntimeError if a fault says so.
        """
        self.call("EXEC_CMD")
        number = next(self._launch_numbers)
        execution = Execution(number, context, opcode, stream, words, arguments, self.tdr_s, self.log.append)
        faults = tuple(self.faults)

        def work() -> None:
            try:
                if not any(fault.run(execution) for fault in faults):
                    execution.run()
            except Exception as error:  # noqa: BLE001  # an error in the simulation is a failure of the device
                execution.log(f"launch {number}: {type(error).__name__}: {error}")
                execution.end(State.ERROR)

        self._thread.submit(work)
        return execution

    def _design(self, overlay: Xclbin) -> Design:
        if overlay.simulated is None:
            raise RuntimeError("DRM_IOCTL_AMDXDNA_CREATE_HWCTX IOCTL failed (err=-22): a PDI, on a simulated device")
        description = json.loads(overlay.simulated)
        make = self.designs.get(description["design"])
        if make is None:
            raise RuntimeError(f"The simulated device knows no design {description['design']} (err=-2)")
        design = make()
        if overlay_hash(design) != description["overlay_sha256"]:
            raise RuntimeError(f"Design {design.name} has changed since the folder was built; build it again (err=-2)")
        return design
