"""Loads, launches, faults and closings in any order: right results or an NpuError, and nothing left at the end."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.package.verify import KernelFolder
from npu.errors import NpuError
from npu.simulated import Machine
from npu.simulated.faults import DriverTimeout, Ends, Fault, Garbage, Hang, LoadError, Lost, Memlock, Slow
from npu.xrt import device as xrt
from npu.xrt.polling import State
from tests.npu.conftest import DESIGNS, ReadyOverlay

faults: st.SearchStrategy[Fault] = st.one_of(
    st.builds(Hang),
    st.builds(DriverTimeout),
    st.builds(Ends, state=st.sampled_from([State.ERROR, State.ABORT, State.NORESPONSE])),
    st.builds(Garbage, seed=st.integers(0, 9)),
    st.builds(Slow, factor=st.floats(1, 3)),
    st.builds(Lost),
    st.builds(LoadError),
    st.builds(Memlock, limit=st.integers(0, 1 << 17)),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["load", "launch", "close", "mend"]), st.integers(0, 7)),
        st.tuples(st.just("fault"), faults),
    ),
    max_size=15,
)


class Scenario:
    """A simulated device, the overlays that are loaded on it, and the steps of a test on them."""

    def __init__(self, folder: KernelFolder) -> None:
        self.machine = Machine(designs=DESIGNS, tdr_s=0.01)
        self.device = xrt.Device(self.machine.pyxrt, target="host", watchdog_s=0.05)
        self.folder = folder
        self.loaded: list[ReadyOverlay] = []
        self.errors: list[NpuError] = []

    def do(self, what: str, which: int | Fault) -> None:
        if isinstance(which, Fault):
            self.machine.faults.append(which)
        elif what == "load":
            self.loaded.append(ReadyOverlay.of(self.device.load(self.folder)))
        elif what == "mend":
            self.machine.faults.clear()
        elif self.loaded:
            ready = self.loaded[which % len(self.loaded)]
            if what == "close":
                ready.overlay.close()
                self.loaded.remove(ready)
            else:
                self.launch(ready)

    def launch(self, ready: ReadyOverlay) -> None:
        ready.fill()
        ready.overlay.launch(ready.program, ready.buffers, timeout=5.0 if self.calm() else None)
        assert ready.is_right() or any(isinstance(fault, Garbage) for fault in self.machine.faults)

    def calm(self) -> bool:
        """Return True if no fault keeps a launch from ending."""
        return not any(isinstance(fault, Hang | Lost) for fault in self.machine.faults)


@settings(max_examples=60)
@given(steps=steps)
def test_any_order(scale: KernelFolder, steps: list[tuple[str, int | Fault]]) -> None:
    scenario = Scenario(scale)
    for what, which in steps:
        try:
            scenario.do(what, which)
        except NpuError as error:
            scenario.errors.append(error)  # kept, with the frames of its traceback
    scenario.device.close()
    scenario.loaded.clear()
    assert (scenario.machine.contexts, scenario.machine.buffers, scenario.machine.heap) == (0, 0, 0)
    assert all(error.reason for error in scenario.errors)
