"""The server under load, over loopback, with the demo model: ``python -m bench.load``.

A server of its own on a free port, a bounded number of clients in this process, and a line for each target: how long
a clip waits beside files of ten minutes, what many requests at once gain, what clients cost that leave, whether
memory stands still, and what is lost when the engine is killed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import numpy as np
import soundfile

from bench.speech import RATE, ROOT, speech
from server.machine.memory import rss_bytes

FILES = 10
FILE_SECONDS = 600.0
NOTE_SECONDS = 30.0
CLIP_SECONDS = 3.0
PROBES = 40
CLIENTS = 50
PATIENCE = 1.0  # seconds after which half of the clients leave
TALK_SECONDS = 90.0
CLIENT_TIMEOUT = httpx2.Timeout(1800.0)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure and what it should be, with how it came about."""

    what: str
    value: float
    unit: str
    limit: float
    at_least: bool = False
    how: str = ""

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        bound = f"{'>=' if self.at_least else '<='} {self.limit:g}"
        verdict = "PASS" if self.met else "FAIL"
        return f"{verdict}  {self.what}: {self.value:.2f} {self.unit} ({bound}); {self.how}"


@dataclass(slots=True)
class Server:
    """A server process and a client of it."""

    process: subprocess.Popen[bytes]
    client: httpx2.AsyncClient
    audio: dict[float, Path]
    alive: list[float] = field(default_factory=list)  # seconds that /livez took

    async def transcribe(self, seconds: float) -> str:
        path = self.audio[seconds]
        with path.open("rb") as file:
            response = await self.client.post("/transcribe", files={"file": (path.name, file)})
        response.raise_for_status()
        return str(response.json()["text"])

    async def windows(self) -> int:
        """Windows that the encoder has computed since the server started."""
        text = (await self.client.get("/metrics")).text
        found = re.findall(r'^whisperx_npu_windows_total\{[^}]*stage="encoder"[^}]*\} (\S+)$', text, re.MULTILINE)
        return int(sum(map(float, found)))

    def engine_pid(self) -> int:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])

    def resident(self) -> float:
        """MB of the server and its engine."""
        return sum(rss_bytes(pid) for pid in (self.process.pid, self.engine_pid())) / 2**20


@asynccontextmanager
async def serving(audio: dict[float, Path], scene: str) -> AsyncIterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "server.cli", "serve", "--port", str(port)]
    environment = {"WHISPERX_NPU_LOG__LEVEL": "error", "WHISPERX_NPU_MODEL__OFFLINE": "true"} | os.environ
    if scene == "killed":  # samples at a higher temperature differ from run to run
        environment["WHISPERX_NPU_DECODE__TEMPERATURES"] = "[0.0]"
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=CLIENTS)
    base = f"http://127.0.0.1:{port}"
    try:
        async with httpx2.AsyncClient(base_url=base, timeout=CLIENT_TIMEOUT, limits=limits) as client:
            server = Server(process, client, audio)
            await _ready(server)
            pulse = asyncio.create_task(_pulse(server))
            yield server
            pulse.cancel()
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


async def _ready(server: Server) -> None:
    async with asyncio.timeout(300):
        while True:
            try:
                if (await server.client.get("/readyz")).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.2)


async def _pulse(server: Server) -> None:
    while True:
        began = time.perf_counter()
        await server.client.get("/livez")
        server.alive.append(time.perf_counter() - began)
        await asyncio.sleep(0.05)


async def clip_beside_files(server: Server) -> list[Figure]:
    """A clip, first alone, then beside ten files of ten minutes."""
    alone = await _probes(server)
    files = [asyncio.create_task(server.transcribe(FILE_SECONDS)) for _ in range(FILES)]
    await asyncio.sleep(10)
    beside = await _probes(server)
    running = sum(not file.done() for file in files)
    await _leave(files)
    how = f"alone p50 {_percentile(alone, 50):.3f} s, beside p50 {_percentile(beside, 50):.3f}, {running} files in work"
    ratio = _percentile(beside, 95) / _percentile(alone, 50)
    return [Figure(f"clip of 3 s beside {FILES} files, p95 over unloaded p50", ratio, "x", 5.0, how=how)]


async def _probes(server: Server) -> list[float]:
    await server.transcribe(CLIP_SECONDS)
    return [await _timed(server.transcribe(CLIP_SECONDS)) for _ in range(PROBES)]


async def many_at_once(server: Server) -> list[Figure]:
    """The same requests one after the other, and all at once."""

    async def in_turn() -> None:
        for _ in range(CLIENTS):
            await server.transcribe(NOTE_SECONDS)

    async def at_once() -> None:
        await asyncio.gather(*(server.transcribe(NOTE_SECONDS) for _ in range(CLIENTS)))

    single, together = await _timed(in_turn()), await _timed(at_once())
    speeds = f"{CLIENTS * NOTE_SECONDS / single:.1f} and {CLIENTS * NOTE_SECONDS / together:.1f} x realtime"
    return [Figure(f"{CLIENTS} requests of 30 s at once over one at a time", single / together, "x", 1.5, True, speeds)]


async def leavers(server: Server) -> list[Figure]:
    """Half of the clients leave after a second."""
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


async def memory(server: Server, requests: int) -> list[Figure]:
    """Clips, notes, broken files and clients that leave, eight at a time."""
    limit = asyncio.Semaphore(8)
    marks: dict[int, float] = {}

    async def one(number: int) -> None:
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
        await asyncio.gather(*(one(number) for number in range(len(marks) and requests // 10, end)))
        marks[end] = server.resident()
    first, last = marks.values()
    how = f"{first:.0f} MB after {requests // 10}, {last:.0f} MB after {requests} requests"
    return [Figure("resident memory of server and engine, growth", 100 * (last / first - 1), "%", 5.0, how=how)]


async def killed(server: Server) -> list[Figure]:
    """kill -9 of the engine while it works on many requests."""
    expected = {seconds: await server.transcribe(seconds) for seconds in (CLIP_SECONDS, NOTE_SECONDS, TALK_SECONDS)}
    wishes = [*(CLIP_SECONDS, NOTE_SECONDS, TALK_SECONDS) * 5]
    clients = [asyncio.create_task(server.transcribe(seconds)) for seconds in wishes]
    await asyncio.sleep(PATIENCE)
    os.kill(server.engine_pid(), signal.SIGKILL)
    answers = await asyncio.gather(*clients, return_exceptions=True)
    lost = sum(isinstance(answer, BaseException) for answer in answers)
    wrong = sum(answer != expected[seconds] for seconds, answer in zip(wishes, answers, strict=True))
    how = f"{len(wishes)} requests under way, {lost} lost, {wrong} with another text than without the kill"
    return [Figure("requests lost by kill -9 of the engine", lost, "requests", 0.0, how=how)]


async def _leave(clients: Sequence[asyncio.Task[str]]) -> None:
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)


async def _timed(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


def _percentile(values: Sequence[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1) + 0.49))]


SCENES: dict[str, Callable[[Server, int], Awaitable[list[Figure]]]] = {
    "clip": lambda server, _: clip_beside_files(server),
    "throughput": lambda server, _: many_at_once(server),
    "leavers": lambda server, _: leavers(server),
    "memory": memory,
    "killed": lambda server, _: killed(server),
}


async def run(scenes: Sequence[str], requests: int, audio: dict[float, Path]) -> list[Figure]:
    """Each scene before a server of its own, with the pulse of /livez throughout."""
    figures: list[Figure] = []
    alive: list[float] = []
    for scene in scenes:
        async with serving(audio, scene) as server:
            for figure in await SCENES[scene](server, requests):
                print(figure, flush=True)
                figures.append(figure)
            alive += server.alive
    last = Figure("/livez throughout, p99", _percentile(alive, 99) * 1e3, "ms", 100.0, how=f"{len(alive)} calls")
    print(last, flush=True)
    return [*figures, last]


def recordings(folder: Path) -> dict[float, Path]:
    """Speech of each length that is needed."""
    samples, _ = soundfile.read(speech(300.0, folder).path, dtype="int16")
    audio = {}
    for seconds in (CLIP_SECONDS, NOTE_SECONDS, TALK_SECONDS, FILE_SECONDS):
        audio[seconds] = folder / f"{seconds:g}s.flac"
        soundfile.write(audio[seconds], np.resize(samples, int(seconds * RATE)), RATE)
    return audio


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("scenes", nargs="*", choices=list(SCENES), help="all when none is named")
    parser.add_argument("--requests", type=int, default=1000, help="for the memory scene")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, load {load:.1f} at the start")
    with tempfile.TemporaryDirectory() as folder:
        audio = recordings(Path(folder))
        figures = asyncio.run(run(arguments.scenes or list(SCENES), arguments.requests, audio))
    sys.exit(not all(figure.met for figure in figures))


if __name__ == "__main__":
    main()
