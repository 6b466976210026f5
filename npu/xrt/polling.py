"""Polling of a launch's state, because the waiting functions of pyxrt hold the GIL until the launch ends.

Numbers of the states: enum ert_cmd_state in src/runtime_src/core/include/xrt/detail/ert.h of XRT. RUNNING (3) has no
name in pyxrt, so states are compared as numbers. ``run.state`` is live on an NPU: it reads the packet that the driver
writes (kernel_command::get_state in xrt_kernel.cpp, hwq::poll_command in src/shim/hwq.cpp of amd/xdna-driver).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import IntEnum
from typing import SupportsInt


class State(IntEnum):
    """The states of a launch on the NPU, with XRT's numbers."""

    NEW = 1
    QUEUED = 2
    RUNNING = 3
    COMPLETED = 4
    ERROR = 5
    ABORT = 6
    SUBMITTED = 7
    TIMEOUT = 8
    NORESPONSE = 9
    SKERROR = 10
    SKCRASHED = 11


PENDING = frozenset((State.NEW, State.QUEUED, State.RUNNING, State.SUBMITTED))
FIRST_SLEEP_S, LONGEST_SLEEP_S = 50e-6, 1e-3  # a dispatch takes 45 us at least (mlir-aie#2381)
WATCHDOG_S = 1.8  # the driver kills a context after 2 s without progress (tdr_timeout_ms, xdna-driver aie2_ctx.c)


def poll(state: Callable[[], SupportsInt], deadline: float) -> int:
    """Wait for the end of a launch or for ``deadline`` (``time.monotonic``), and return the launch's state then.

    ``state`` is called again and again, with pauses of 50 us to 1 ms.
    """
    sleep = FIRST_SLEEP_S
    while (now := int(state())) in PENDING:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        time.sleep(min(sleep, left))
        sleep = min(2 * sleep, LONGEST_SLEEP_S)
    return now


def state_name(state: int) -> str:
    """Return XRT's name of a state without its prefix, such as "ERROR", or the number if XRT has no name for it."""
    return State(state).name if state in State.__members__.values() else str(state)
