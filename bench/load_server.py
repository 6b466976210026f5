"""A server process under load, its client, and the figures that can be read from outside."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from bench.benchmark_audio import ROOT
from server.machine.memory import rss_bytes
from server.settings.stages import DEMO_MODEL

READY_SECONDS = 300
STOP_SECONDS = 20
CLIENT_TIMEOUT = httpx2.Timeout(1800.0)


@dataclass(slots=True)
class LoadedServer:
    """A server process and a client of it; ``audio`` has a recording of each length in seconds."""

    process: subprocess.Popen[bytes]
    client: httpx2.AsyncClient
    audio: Mapping[float, Path]
    livez_seconds: list[float] = field(default_factory=list)  # the duration of every call of /livez so far

    async def transcribe(self, seconds: float) -> str:
        """Return the text of the recording of that length. Raises httpx2.HTTPError for a refusal."""
        path = self.audio[seconds]
        with path.open("rb") as file:
            response = await self.client.post("/transcribe", files={"file": (path.name, file)})
        response.raise_for_status()
        return str(response.json()["text"])

    async def windows(self) -> int:
        """Return the number of windows that the encoder has computed since the server started."""
        text = (await self.client.get("/metrics")).text
        found = re.findall(r'^whisperx_npu_windows_total\{[^}]*stage="encoder"[^}]*\} (\S+)$', text, re.MULTILINE)
        return int(sum(map(float, found)))

    def engine_pid(self) -> int:
        """Return the process id of the worker, the server's first child."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])

    def resident_mb(self) -> float:
        """Return the resident memory of server and worker in MB (2**20)."""
        return sum(rss_bytes(pid) for pid in (self.process.pid, self.engine_pid())) / 2**20


@asynccontextmanager
async def serving(
    audio: Mapping[float, Path], environment: Mapping[str, str], connections: int
) -> AsyncIterator[LoadedServer]:
    """Context manager that starts a server on a free port, calls its /livez every 50 ms, and stops it in the end.

    ``environment`` overrides settings, ``connections`` are kept alive between requests. Raises TimeoutError if the
    server is not ready after 300 s.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "server.cli", "serve", "--port", str(port)]
    settings = {
        "WHISPERX_NPU_LOG__LEVEL": "error",
        "WHISPERX_NPU_MODEL__NAME": DEMO_MODEL,
        "WHISPERX_NPU_MODEL__OFFLINE": "true",
    }
    everything = {**settings, **os.environ, **environment}
    process = subprocess.Popen(command, cwd=ROOT, env=everything, stderr=subprocess.DEVNULL)
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=connections)
    base = f"http://127.0.0.1:{port}"
    try:
        async with httpx2.AsyncClient(base_url=base, timeout=CLIENT_TIMEOUT, limits=limits) as client:
            server = LoadedServer(process, client, audio)
            await _ready(server)
            pulse = asyncio.create_task(_pulse(server))
            yield server
            pulse.cancel()
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


async def _ready(server: LoadedServer) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while True:
            try:
                if (await server.client.get("/readyz")).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.2)


async def _pulse(server: LoadedServer) -> None:
    while True:
        began = time.perf_counter()
        await server.client.get("/livez")
        server.livez_seconds.append(time.perf_counter() - began)
        await asyncio.sleep(0.05)
