"""A machine with a simulated NPU: its driver's books, its device's thread, the faults that strike it."""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial
from threading import RLock
from types import ModuleType
from typing import Any

from kernels.array.design import Design
from kernels.array.simulate.simulate import Simulation
from kernels.package.folder import overlay_hash
from kernels.package.xclbin import Xclbin
from kernels.registry import ENTRIES
from npu.simulated.faults import Fault
from npu.simulated.launches import Bytes, Context, Job, Worker
from npu.simulated.memory import FREED, HEAP
from npu.simulated.overloads import VERSIONS
from npu.simulated.pyxrt_module import module
from npu.xrt.polling import State

CONTEXTS = 6  # hwctx_limit, npu1_regs.c of amd/xdna-driver
TDR_S = 2.0  # tdr_timeout_ms, aie2_ctx.c of amd/xdna-driver
HEAP_BYTES = 64 << 20  # aie2_pci.h of amd/xdna-driver; which errno it ends in is a guess
LOG_LINES = 1_000
NO_CONTEXT = "DRM_IOCTL_AMDXDNA_CREATE_HWCTX IOCTL failed (err=-22): Invalid argument"
Designs = Mapping[str, Callable[[], Design]]


def registered() -> Designs:
    """The overlays of ``kernels.registry``, without sequences: streams come with the launches."""
    return {name: partial(entry.make, ()) for name, entry in ENTRIES.items()}


class Machine:
    """``pyxrt`` is XRT's module on this machine, of ``version``; it loads kernel folders for the target "host".

    ``designs`` (default: the registered ones) are the overlays by the name that an xclbin gives; ``name`` is what the
    device calls itself, ``contexts_elsewhere`` are those of other programs. ``tdr_s`` is the driver's watchdog for
    launches that make no progress, in seconds. ``hold_gil``: waits hold it, as in truth. ``faults`` strike while they
    are in the list, the first one that wants to; ``log`` is what the driver would tell dmesg.
    """

    BDF = "0000:c7:00.1"

    def __init__(
        self,
        version: str = VERSIONS[-1],
        designs: Designs | None = None,
        faults: Iterable[Fault] = (),
        *,
        name: str = "RyzenAI-npu1",
        devices: int = 1,
        contexts_elsewhere: int = 0,
        tdr_s: float = TDR_S,
        hold_gil: bool = False,
    ) -> None:
        if version not in VERSIONS:
            raise ValueError(f"XRT {version} was not recorded, only {', '.join(VERSIONS)}.")
        self.version, self.name, self.devices = version, name, devices
        self.designs = registered() if designs is None else designs
        self.faults = list(faults)
        self.contexts_elsewhere, self.tdr_s, self.hold_gil = contexts_elsewhere, tdr_s, hold_gil
        self.contexts = 0  # open now
        self.buffers = 0  # BOs allocated now
        self.locked = 0  # bytes in them
        self.heap = 0  # bytes of the device's heap in use, for streams
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self._books = RLock()  # objects go in any thread, in the middle of anything
        self._addresses = itertools.count(HEAP, 1 << 32)
        self._contexts, self._launches = itertools.count(), itertools.count()
        self._worker = Worker()

    @cached_property
    def pyxrt(self) -> Any:
        """The module."""
        made: ModuleType = module(self)
        return made

    def state(self, number: int) -> Any:
        """An ert_cmd_state; a number without a name is one too."""
        return self.pyxrt.ert_cmd_state(number)

    def call(self, ioctl: str) -> None:
        """A call into the driver."""
        for fault in self.faults:
            fault.call(ioctl)

    def open_context(self, overlay: Xclbin) -> Context:
        """Load an overlay. Raises RuntimeError where the driver or the device cannot."""
        self.call("CREATE_HWCTX")
        if self.contexts + self.contexts_elsewhere >= CONTEXTS:
            raise RuntimeError(NO_CONTEXT)
        number = next(self._contexts)
        for fault in self.faults:
            fault.open_context(number)
        context = Context(number, overlay.kernel, Simulation(self._design(overlay)))
        with self._books:
            self.contexts += 1
        return context

    def close_context(self, context: Context) -> None:
        """Nothing refers to it any more."""
        context.gone.set()
        with self._books:
            self.contexts -= 1

    def allocate(self, nbytes: int, *, heap: bool) -> int:
        """Lock memory, of the device's ``heap`` if it is cacheable; its address. Raises RuntimeError."""
        if heap and self.heap + nbytes > HEAP_BYTES:
            raise RuntimeError("DRM_IOCTL_AMDXDNA_CREATE_BO IOCTL failed (err=-12): Cannot allocate memory")
        for fault in self.faults:
            fault.lock(nbytes, self.locked)
        with self._books:
            self.buffers += 1
            self.locked += nbytes
            self.heap += nbytes * heap
        return next(self._addresses)

    def free(self, host: Bytes, *, heap: bool) -> None:
        """Unlock it; whoever still looks at it sees that."""
        with self._books:
            self.buffers -= 1
            self.locked -= host.size
            self.heap -= host.size * heap
        host[:] = FREED

    def next_launch(self) -> int:
        return next(self._launches)

    def submit(self, job: Job) -> None:
        """Run a launch after those before it, with the first fault that strikes it, or without."""
        faults = tuple(self.faults)

        def work() -> None:
            try:
                if not any(fault.run(job) for fault in faults):
                    job.run()
            except Exception as error:  # noqa: BLE001  # a simulated device that fails is a device that fails
                job.log(f"launch {job.number}: {type(error).__name__}: {error}")
                job.end(State.ERROR)

        self._worker.submit(work)

    def _design(self, overlay: Xclbin) -> Design:
        if overlay.simulated is None:
            raise RuntimeError("DRM_IOCTL_AMDXDNA_CREATE_HWCTX IOCTL failed (err=-22): a PDI, on a simulated device")
        said = json.loads(overlay.simulated)
        make = self.designs.get(said["design"])
        if make is None:
            raise RuntimeError(f"The simulated device knows no design {said['design']} (err=-2)")
        design = make()
        if overlay_hash(design) != said["overlay_sha256"]:
            raise RuntimeError(f"Design {design.name} has changed since the folder was built; build it again (err=-2)")
        return design
