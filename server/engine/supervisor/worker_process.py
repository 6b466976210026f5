"""One worker process from outside: its pipe, its life signs, its end."""

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
from server.machine.cpu import thread_limits

COMMAND = (sys.executable, "-P", "-m", "server.engine.worker")
THREADS = {"OMP_WAIT_POLICY": "PASSIVE"}  # threads that spin starve whoever shares the cores
LARGE = 1 << 20  # bytes that take the event loop too long to unpickle
LOAD_SECONDS = 900.0  # a model may have to be converted first; one that is pulled has it anew after every byte


@dataclass(frozen=True, slots=True)
class _Step:
    stage: str
    windows: int
    requests: tuple[int, ...]
    since: float


def _process(end: socket.socket) -> subprocess.Popen[bytes]:
    with end:
        return subprocess.Popen(  # noqa: S603  our own interpreter
            [*COMMAND, str(end.fileno())],
            pass_fds=[end.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=THREADS | thread_limits() | os.environ,
        )


class Worker:
    """Made by ``start``; ends by ``kill`` only, or by itself.

    ``pulling``: its model is on its way here, ``pull`` how far once the hub has answered.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.ready = False
        self.pulling = False
        self.pull: Pull | None = None
        self._heard = self._progressed = monotonic()
        self._steps: dict[str, _Step] = {}
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    @classmethod
    async def start(cls, load: Load) -> Worker:
        ours, theirs = socket.socketpair()
        with ExitStack() as undo:
            undo.callback(ours.close)
            process = undo.enter_context(_process(theirs))
            undo.callback(process.kill)
            worker = cls(process)
            worker._reader, worker._writer = await asyncio.open_connection(sock=ours)
            undo.pop_all()
        worker.send(load)
        return worker

    def send(self, message: ToWorker) -> None:
        self._writer.write(pack(message))

    async def messages(self) -> AsyncIterator[FromWorker]:
        """Until the process is gone."""
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
        """Requests that the process works on at this moment."""
        return frozenset(number for step in self._steps.values() for number in step.requests)

    def overdue(self, silence: float, window: float) -> str | None:
        """What takes longer than it may, None while all is well."""
        now = monotonic()
        if now - self._heard > silence:
            return f"no sign of life for {now - self._heard:.0f} s"
        if not self.ready and now - self._progressed > LOAD_SECONDS:
            return f"{'no byte came' if self.pulling else 'still loading'} after {LOAD_SECONDS:.0f} s"
        for step in self._steps.values():
            if now - step.since > window * max(1, step.windows):
                return f"{step.stage} of {step.windows} windows takes over {now - step.since:.0f} s"
        return None

    def kill(self) -> None:
        """It has nothing to save: what it works on is known here."""
        self.process.kill()

    async def reap(self) -> int:
        """Wait for its end; the exit status, negative for a signal."""
        self._writer.close()
        return await asyncio.to_thread(self.process.wait)
