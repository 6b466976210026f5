"""Questions to a source, each in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

Answer = TypeVar("Answer")


def begin(question: Callable[[], Answer]) -> Future[Answer]:
    """Ask a question in a new thread, which, unlike an executor's, does not keep the process from ending."""
    answer: Future[Answer] = Future()
    answer.set_running_or_notify_cancel()  # it cannot be cancelled from now on

    def put() -> None:
        try:
            answer.set_result(question())
        except BaseException as error:  # noqa: BLE001  it is raised in the thread that waits
            answer.set_exception(error)

    Thread(target=put, name="question", daemon=True).start()
    return answer
