"""Progress bars, which are shown on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Update = Callable[[float, float | None], None]  # done and total in one unit, total None while unknown


@contextmanager
def bar(label: str, *, is_bytes: bool = False) -> Iterator[Update]:
    """Show a progress bar named ``label`` while the block runs, if standard error is a terminal.

    The block gets a function that takes the amount done and the total.
    """
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    amount = DownloadColumn() if is_bytes else TextColumn("{task.percentage:>3.0f} %")
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
