"""The metrics of one application; the only file that imports prometheus_client.

docs/operations.md lists every metric, and a test compares that page with this file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from resource import getpagesize

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from starlette.types import Scope

from server.engine.contract import EngineStatus, Fallback, Observation, QueueTime, Restart, StageRun

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
PREFIX = "whisperx_npu"
STAGE_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
WAIT_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Label of a request whose path no route has or that was answered before the router saw it; also of an unknown method.
NO_ROUTE = "none"


class Metrics:
    """Every metric of one application, in a registry of its own.

    ``status`` returns the state of the engine; it is called whenever the metrics are read.
    """

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
        self.registry.register(_StatusCollector(status))

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"{PREFIX}_{name}", meaning, labels, buckets=buckets, registry=self.registry)

    def observe(self, observation: Observation) -> None:
        """Add one measurement of the engine to the metrics that belong to it."""
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
        """Count a request by the template of its route, because paths and methods of clients must not become labels.

        ``seconds`` is the time until the whole answer was sent.
        """
        route = getattr(scope.get("route"), "path", NO_ROUTE)
        method = scope["method"] if scope["method"] in METHODS else NO_ROUTE
        self.requests.labels(method, route, status).inc()
        self.request_seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format, whose content type is CONTENT_TYPE."""
        return generate_latest(self.registry)


class _StatusCollector(Collector):
    """Gauges that are computed from the engine's status when the metrics are read."""

    def __init__(self, status: Callable[[], EngineStatus]) -> None:
        self._status = status

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Return nothing, so that registration does not ask the engine for its status before it runs."""
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
