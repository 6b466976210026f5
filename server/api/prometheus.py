"""What Prometheus reads at /metrics. docs/operations.md lists every metric; a test holds it to that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from resource import getpagesize

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from starlette.types import Scope

from server.engine.contract import EngineStatus, Fallback, Observation, QueueTime, Restart, StageRun

routes = APIRouter(tags=["status"])

PREFIX = "whisperx_npu"
STAGE_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
WAIT_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NO_ROUTE = (
    "none"  # also an invented method; a path that no route has, or an answer given before the router saw the request
)


class Metrics:
    """Every metric of one application."""

    def __init__(self, status: Callable[[], EngineStatus]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the series
        self.registry = CollectorRegistry()
        self.requests = self._counter("requests", "Requests answered.", "method", "route", "status")
        self.request_seconds = self._histogram("request_seconds", "Time to answer a request.", WAIT_BUCKETS, "route")
        self.in_flight = Gauge(f"{PREFIX}_requests_in_flight", "Requests not answered yet.", registry=self.registry)
        self.queue_seconds = self._histogram(
            "queue_seconds", "Wait of a request until its audio is first read.", WAIT_BUCKETS, "model"
        )
        self.stage_seconds = self._histogram(
            "stage_seconds",
            "Time of one run of a stage over a batch of windows.",
            STAGE_BUCKETS,
            "model",
            "stage",
            "device",
        )
        self.windows = self._counter("windows", "Windows that a stage has computed.", "model", "stage", "device")
        self.fallbacks = self._counter("fallbacks", "Windows computed again or otherwise.", "model", "stage", "reason")
        self.restarts = self._counter("engine_restarts", "Engine processes that ended unasked.", "model", "reason")
        self.registry.register(_Now(status))

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"{PREFIX}_{name}", meaning, labels, buckets=buckets, registry=self.registry)

    def observe(self, observation: Observation) -> None:
        """Count what the engine has measured."""
        match observation:
            case StageRun(model, stage, device, windows, seconds):
                self.windows.labels(model, stage, device).inc(windows)
                self.stage_seconds.labels(model, stage, device).observe(seconds)
            case QueueTime(model, seconds):
                self.queue_seconds.labels(model).observe(seconds)
            case Fallback(model, stage, reason):
                self.fallbacks.labels(model, stage, reason).inc()
            case Restart(model, reason):
                self.restarts.labels(model, reason).inc()

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request by the route's template: paths and methods of strangers must not become labels."""
        route = getattr(scope.get("route"), "path", NO_ROUTE)
        method = scope["method"] if scope["method"] in METHODS else NO_ROUTE
        self.requests.labels(method, route, status).inc()
        self.request_seconds.labels(route).observe(seconds)


class _Now(Collector):
    """What is read when somebody asks."""

    def __init__(self, status: Callable[[], EngineStatus]) -> None:
        self._status = status

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: the registry need not ask the engine before it runs."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        now = self._status()
        memory = GaugeMetricFamily(
            f"{PREFIX}_resident_memory_bytes", "Resident memory of a process.", labels=("process", "model")
        )
        memory.add_metric(("server", ""), _own_rss())
        for process in now.processes:
            memory.add_metric(("engine", process.model), process.rss_bytes)
        yield memory
        jobs = GaugeMetricFamily(f"{PREFIX}_jobs", "Transcriptions by state.", labels=("state",))
        jobs.add_metric(("queued",), now.queued)
        jobs.add_metric(("running",), now.running)
        yield jobs
        yield _gauge("waiting_audio_seconds", "Audio admitted and not yet transcribed.", now.waiting_seconds)
        if now.speed is not None:
            yield _gauge("audio_seconds_per_second", "Measured rate of transcription.", now.speed)
        yield _gauge("ready", "1 when the default model can transcribe.", float(now.state == "ready"))


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", meaning, value)


def _own_rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize()


@routes.get(
    "/metrics",
    summary="For Prometheus",
    response_class=Response,
    responses={200: {"description": "Every metric.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """Counts and times since the start, in Prometheus' text format."""
    counted: Metrics = request.app.state.metrics
    return Response(generate_latest(counted.registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)
