"""The host's work on one window while the device runs another."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, wait

SLOTS = 2


def overlapped(
    windows: int,
    write: Callable[[int, int], None],
    run: Callable[[int], object],
    read: Callable[[int, int], None],
    thread: Executor,
) -> None:
    """Take windows through two slots of buffers: ``write(window, slot)``, ``run(slot)`` in ``thread``, ``read``.

    While the device runs one window the host reads the result of the one before and writes the next one; a slot is
    written again only when its result has been read. Raises what the three raise, once nothing runs any more.
    """
    running: Future[object] | None = None
    try:
        for window in range(windows):
            slot = window % SLOTS
            write(window, slot)
            if running is not None:
                running.result()
            before, running = running, thread.submit(run, slot)
            if before is not None:
                read(window - 1, 1 - slot)
        if running is not None:
            running.result()
            read(windows - 1, (windows - 1) % SLOTS)
    finally:
        if running is not None:
            wait([running])
