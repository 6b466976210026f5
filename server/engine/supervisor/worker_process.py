"""A worker process as the HTTP process controls it: its start, its messages, its signs of life, its end."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from time import monotonic

from server.engine.contract import Pull
from server.engine.messages import (
    HEADER,
    Began,
    Ended,
    Failed,
    FromWorker,
    Load,
    Pulled,
    Pulling,
    ToWorker,
    pack,
    unpack,
)
from server.machine.cpu import SLEEPING_THREADS, thread_limits

LARGE = 1 << 20  # bytes of a message that take the event loop too long to unpickle


@dataclass(frozen=True, slots=True)
class Launch:
    """The command that starts a worker process, and time limits and waits for its start.

    ``command`` gets the file descriptor of its socket as the last argument. ``load_seconds`` is the time in which a
    model must be ready, conversion included; while the model is downloaded, the time in which the next byte must
    arrive. ``pull_again_seconds`` is the wait after a download that failed, ``ask_again_seconds`` the first wait after
    no source of a model has answered.
    """

    command: tuple[str, ...] = (sys.executable, "-P", "-m", "server.engine.worker")
    load_seconds: float = 900.0
    pull_again_seconds: float = 60.0
    ask_again_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class _Step:
    """The code that a thread of the worker is executing, and the time at which it began, by ``monotonic``."""

    stage: str
    windows: int
    requests: tuple[int, ...]
    since: float


class WorkerProcess:
    """A worker process and the connection to it, made by ``start``, until the process ends by itself or is killed.

    ``ready`` is set by the owner once the model is loaded. ``pulling`` says that the model is being downloaded,
    ``pull`` how far the download is once the hub has answered. ``load_seconds`` is that of ``Launch``.
    """

    def __init__(self, process: subprocess.Popen[bytes], load_seconds: float) -> None:
        self.process = process
        self.load_seconds = load_seconds
        self.ready = False
        self.pulling = False
        self.pull: Pull | None = None
        self._heard = self._progressed = monotonic()
        self._steps: dict[str, _Step] = {}
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    @classmethod
    async def start(cls, launch: Launch, load: Load) -> WorkerProcess:
        """Start a process and let it load a model. Raises OSError if no process can be started."""
        ours, theirs = socket.socketpair()
        with ExitStack() as undo:
            undo.callback(ours.close)
            process = undo.enter_context(_spawn(launch.command, theirs))
            undo.callback(process.kill)
            worker = cls(process, launch.load_seconds)
            worker._reader, worker._writer = await asyncio.open_connection(sock=ours)
            undo.pop_all()
        worker.send(load)
        return worker

    @property
    def pid(self) -> int:
        return self.process.pid

    def send(self, message: ToWorker) -> None:
        """Queue a message for the process; nothing is raised if the process is gone."""
        self._writer.write(pack(message))

    async def messages(self) -> AsyncIterator[FromWorker]:
        """Yield the messages of the process until it is gone.

        Began and Ended are not yielded: they only update ``at_work`` and ``overdue``.
        """
        try:
            while True:
                (size,) = HEADER.unpack(await self._reader.readexactly(HEADER.size))
                data = await self._reader.readexactly(size)
                message: FromWorker = await asyncio.to_thread(unpack, data) if size > LARGE else unpack(data)
                self._heard = monotonic()
                match message:
                    case Began(lane, stage, windows, requests):
                        self._steps[lane] = _Step(stage, windows, requests, self._heard)
                    case Ended(lane):
                        self._steps.pop(lane, None)
                    case _:
                        self._note(message)
                        yield message
        except (asyncio.IncompleteReadError, OSError):
            return

    def _note(self, message: FromWorker) -> None:
        match message:
            case Pulling(pull):
                self.pulling, self.pull, self._progressed = True, pull, self._heard
            case Pulled():
                self.pulling, self.pull, self._progressed = False, None, self._heard
            case Failed(None):
                self.pull = None

    @property
    def at_work(self) -> frozenset[int]:
        """The numbers of the requests that the process is working on at this moment."""
        return frozenset(number for step in self._steps.values() for number in step.requests)

    def overdue(self, silence: float, window: float) -> str | None:
        """Return a phrase about what takes longer than allowed in the process, None if nothing does.

        ``silence`` is the longest time without a message, ``window`` that for one window in one stage, in seconds.
        """
        now = monotonic()
        if now - self._heard > silence:
            return f"no sign of life for {now - self._heard:.0f} s"
        if not self.ready and now - self._progressed > self.load_seconds:
            return f"{'no byte came' if self.pulling else 'still loading'} after {self.load_seconds:.0f} s"
        for step in self._steps.values():
            if now - step.since > window * max(1, step.windows):
                return f"{step.stage} of {step.windows} windows takes over {now - step.since:.0f} s"
        return None

    def kill(self) -> None:
        """End the process at once; nothing is lost, because the server knows which requests to try again."""
        self.process.kill()

    async def reap(self) -> int:
        """Wait until the process has ended; return its exit status, negative for a signal."""
        self._writer.close()
        return await asyncio.to_thread(self.process.wait)


def _spawn(command: tuple[str, ...], end: socket.socket) -> subprocess.Popen[bytes]:
    with end:
        return subprocess.Popen(  # noqa: S603  our own interpreter
            [*command, str(end.fileno())],
            pass_fds=[end.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=SLEEPING_THREADS | thread_limits() | os.environ,
        )
