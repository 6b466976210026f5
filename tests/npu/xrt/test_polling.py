"""Waiting by polling, and the meaning of XRT's texts."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.package.verify import KernelFolder
from npu.errors import DeviceLost, LaunchFailed, NpuError, NpuUnavailable
from npu.simulated import Machine
from npu.simulated.execution import Execution
from npu.simulated.faults import Fault
from npu.xrt.polling import PENDING, State, poll, state_name
from npu.xrt.xrt_errors import XrtCall, while_launching, while_loading
from tests.npu.conftest import OpenFn, ReadyOverlay


def states(*seen: int) -> Callable[[], int]:
    """Return a function that gives the states one after the other, and the last one for ever."""
    left: Iterator[int] = iter(seen)
    return lambda: next(left, seen[-1])


@given(st.lists(st.sampled_from(sorted(PENDING)), max_size=5), st.integers(1, 30).filter(lambda n: n not in PENDING))
def test_the_first_state_that_is_not_pending(pending: list[State], end: int) -> None:
    assert poll(states(*pending, end, State.QUEUED), time.monotonic() + 60) == end


@pytest.mark.parametrize("state", sorted(PENDING))
def test_a_launch_that_does_not_end(state: State) -> None:
    begun = time.monotonic()
    assert poll(states(state), begun + 0.05) == state
    assert 0.05 <= time.monotonic() - begun < 5


def test_a_deadline_that_has_passed_still_looks_once() -> None:
    assert poll(states(State.COMPLETED), 0.0) == State.COMPLETED


def test_waiting_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    poll(states(*[State.SUBMITTED] * 50, State.COMPLETED), time.monotonic() + 60)
    assert len(slept) == 50
    assert slept == sorted(slept)
    assert (slept[0], slept[-1]) == (50e-6, 1e-3)


def test_names_of_states() -> None:
    assert (state_name(State.NORESPONSE), state_name(42)) == ("NORESPONSE", "42")


class Unknown(Fault):
    """A fault that ends launches in a state for which XRT has no name."""

    def run(self, execution: Execution) -> bool:
        execution.end(42)  # type: ignore[arg-type]
        return True


def test_a_state_of_a_later_release(machine: Machine, scale: KernelFolder, open_device: OpenFn) -> None:
    machine.faults.append(Unknown())
    with pytest.raises(LaunchFailed, match="ended in state 42"):
        ReadyOverlay.of(open_device(machine).load(scale)).launch()


def test_a_bug_of_the_simulation_is_a_fault_of_the_device(
    machine: Machine, scale: KernelFolder, open_device: OpenFn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Execution) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(Execution, "run", broken)
    with pytest.raises(LaunchFailed, match="state ERROR"):
        ReadyOverlay.of(open_device(machine).load(scale)).launch()
    assert list(machine.log) == ["launch 0: ZeroDivisionError: oh"]


HWCTX = "DRM_IOCTL_AMDXDNA_CREATE_HWCTX IOCTL failed"


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        (f"{HWCTX} (err=-22): Invalid argument", NpuUnavailable, "gives overlay mel no hardware context"),
        (f"{HWCTX} (err=22): Invalid argument", NpuUnavailable, "gives overlay mel no hardware context"),
        (f"{HWCTX} (err=-28): No space left on device", NpuUnavailable, "no columns of the NPU are free"),
        (f"{HWCTX} (err=-2): No such file or directory", NpuUnavailable, "XRT does not make overlay mel ready"),
        (f"{HWCTX} (err=-19): No such device", DeviceLost, "the NPU was lost while overlay mel was made ready"),
        ("mmap(len=67108864) failed (err=-11): Resource temporarily unavailable", NpuUnavailable, "may not be locked"),
        ("mmap: Resource temporarily unavailable", NpuUnavailable, "may not be locked"),
        ("bad_alloc", NpuUnavailable, r"ready \(bad_alloc\)"),
        ("No such device with index '0'", NpuUnavailable, "XRT does not make"),
    ],
)
def test_what_goes_wrong_while_loading(text: str, kind: type[NpuError], reason: str) -> None:
    error = while_loading("overlay mel", text)
    assert type(error) is kind
    assert text in error.reason
    assert error.cure
    with pytest.raises(kind, match=reason):
        raise error


def test_what_goes_wrong_while_launching() -> None:
    assert isinstance(while_launching("mel.run", "EXEC_CMD IOCTL failed (err=-19): No such device"), DeviceLost)
    refused = while_launching("mel.run", "EXEC_CMD IOCTL failed (err=-12): Cannot allocate memory")
    assert isinstance(refused, LaunchFailed)
    assert refused.state == "REFUSED"


@pytest.mark.parametrize("error", [RuntimeError(), MemoryError("x"), OSError(5, "Input/output error")])
def test_errors_of_a_call_become_text(error: Exception) -> None:
    with XrtCall() as call:
        raise error
    assert call.failure


def test_a_call_without_an_error() -> None:
    with XrtCall() as call:
        pass
    assert call.failure is None


def test_the_error_of_a_call_is_not_kept() -> None:
    """Its traceback would keep the frames of the call, and a hardware context with them."""
    contexts: weakref.WeakSet[Fault] = weakref.WeakSet()

    def fail() -> None:
        context = Fault()
        contexts.add(context)
        raise RuntimeError("x")

    with XrtCall() as call:
        fail()
    assert call.failure == "x"
    assert not contexts


def test_mistakes_of_ours_are_not_xrts() -> None:
    with pytest.raises(TypeError), XrtCall():
        len(3)  # type: ignore[arg-type]
