"""The scenes of the load benchmark: each drives a server with clients and returns figures with their bounds."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench.load_server import LoadedServer

FILES = 10
FILE_SECONDS = 600.0
NOTE_SECONDS = 30.0
CLIP_SECONDS = 3.0
PROBES = 40
CLIENTS = 50
PATIENCE = 1.0  # seconds after which half of the clients leave
TALK_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure, its bound, and the details of the measurement (``how``)."""

    name: str
    value: float
    unit: str
    limit: float
    at_least: bool = False
    how: str = ""

    @property
    def met(self) -> bool:
        """True if the figure keeps its bound."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        bound = f"{'>=' if self.at_least else '<='} {self.limit:g}"
        verdict = "PASS" if self.met else "FAIL"
        return f"{verdict}  {self.name}: {self.value:.2f} {self.unit} ({bound}); {self.how}"


async def clip_beside_files(server: LoadedServer) -> list[Figure]:
    """Measure the latency of a clip of 3 s, first alone, then while the server transcribes ten files of ten minutes."""
    alone = await _probes(server)
    files = [asyncio.create_task(server.transcribe(FILE_SECONDS)) for _ in range(FILES)]
    await asyncio.sleep(10)
    beside = await _probes(server)
    running = sum(not file.done() for file in files)
    await _leave(files)
    how = f"alone p50 {percentile(alone, 50):.3f} s, beside p50 {percentile(beside, 50):.3f}, {running} files in work"
    ratio = percentile(beside, 95) / percentile(alone, 50)
    return [Figure(f"clip of 3 s beside {FILES} files, p95 over unloaded p50", ratio, "x", 5.0, how=how)]


async def _probes(server: LoadedServer) -> list[float]:
    await server.transcribe(CLIP_SECONDS)
    return [await _timed(server.transcribe(CLIP_SECONDS)) for _ in range(PROBES)]


async def many_at_once(server: LoadedServer) -> list[Figure]:
    """Measure the time of 50 requests of 30 s of speech, sent one after the other and then all at once."""

    async def in_turn() -> None:
        for _ in range(CLIENTS):
            await server.transcribe(NOTE_SECONDS)

    async def at_once() -> None:
        await asyncio.gather(*(server.transcribe(NOTE_SECONDS) for _ in range(CLIENTS)))

    single, together = await _timed(in_turn()), await _timed(at_once())
    speeds = f"{CLIENTS * NOTE_SECONDS / single:.1f} and {CLIENTS * NOTE_SECONDS / together:.1f} x realtime"
    return [Figure(f"{CLIENTS} requests of 30 s at once over one at a time", single / together, "x", 1.5, True, speeds)]


async def leavers(server: LoadedServer) -> list[Figure]:
    """Count the windows that are computed if half of 50 clients disconnect a second after they sent their requests."""
    await server.transcribe(CLIP_SECONDS)
    before = await server.windows()
    await server.transcribe(TALK_SECONDS)
    each = await server.windows() - before
    clients = [asyncio.create_task(server.transcribe(TALK_SECONDS)) for _ in range(CLIENTS)]
    await asyncio.sleep(PATIENCE)
    gone = clients[: CLIENTS // 2]
    await _leave(gone)
    await asyncio.gather(*clients[CLIENTS // 2 :])
    computed = await server.windows() - before - each
    wasted = computed - each * (CLIENTS - len(gone))
    how = f"{computed} of {each * CLIENTS}; of those who left {wasted} of {each * len(gone)}"
    share = 100 * computed / (each * CLIENTS)
    return [Figure("windows computed when half of the clients leave", share, "%", 65.0, how=how)]


async def memory(server: LoadedServer, requests: int) -> list[Figure]:
    """Measure the growth of memory over clips, notes, broken files and clients that disconnect, eight at a time."""
    limit = asyncio.Semaphore(8)
    marks: dict[int, float] = {}

    async def request(number: int) -> None:
        async with limit:
            kind = number % 10
            if kind == 0:
                await server.client.post("/transcribe", files={"file": ("broken.wav", b"no audio" * 1000)})
            elif kind == 1:
                task = asyncio.create_task(server.transcribe(TALK_SECONDS))
                await asyncio.sleep(0.3)
                await _leave([task])
            else:
                await server.transcribe(NOTE_SECONDS if kind in (2, 3) else CLIP_SECONDS)

    for end in (requests // 10, requests):
        await asyncio.gather(*(request(number) for number in range(len(marks) and requests // 10, end)))
        marks[end] = server.resident_mb()
    first, last = marks.values()
    how = f"{first:.0f} MB after {requests // 10}, {last:.0f} MB after {requests} requests"
    return [Figure("resident memory of server and engine, growth", 100 * (last / first - 1), "%", 5.0, how=how)]


async def killed(server: LoadedServer) -> list[Figure]:
    """Count the requests that are lost if the engine is killed (SIGKILL) while it works on many."""
    expected = {seconds: await server.transcribe(seconds) for seconds in (CLIP_SECONDS, NOTE_SECONDS, TALK_SECONDS)}
    lengths = [*(CLIP_SECONDS, NOTE_SECONDS, TALK_SECONDS) * 5]
    clients = [asyncio.create_task(server.transcribe(seconds)) for seconds in lengths]
    await asyncio.sleep(PATIENCE)
    os.kill(server.engine_pid(), signal.SIGKILL)
    answers = await asyncio.gather(*clients, return_exceptions=True)
    lost = sum(isinstance(answer, BaseException) for answer in answers)
    wrong = sum(answer != expected[seconds] for seconds, answer in zip(lengths, answers, strict=True))
    how = f"{len(lengths)} requests under way, {lost} lost, {wrong} with another text than without the kill"
    return [Figure("requests lost by kill -9 of the engine", lost, "requests", 0.0, how=how)]


async def _leave(clients: Sequence[asyncio.Task[str]]) -> None:
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)


async def _timed(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that ``percent`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1) + 0.49))]


SCENES: dict[str, Callable[[LoadedServer, int], Awaitable[list[Figure]]]] = {
    "clip": lambda server, _: clip_beside_files(server),
    "throughput": lambda server, _: many_at_once(server),
    "leavers": lambda server, _: leavers(server),
    "memory": memory,
    "killed": lambda server, _: killed(server),
}
