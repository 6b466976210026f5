"""The worker's main thread: load the model, then pass on what the server says."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread
from typing import NoReturn

from server.checkpoints.catalog import Catalog
from server.engine.contract import StageChoice
from server.engine.messages import Cancel, Failed, Heartbeat, Load, LogLine, Measured, Ready, ServerPipe, Submit
from server.engine.worker.batch_sizes import best, describe, measure_stages
from server.engine.worker.pull import pull_if_missing
from server.engine.worker.queues import Sizes
from server.engine.worker.scheduler import Scheduler
from server.errors import ModelUnavailable, WhisperXError
from server.pipeline.loaded_model import Parts
from server.settings.stages import DEMO_MODEL, StageSettings
from server.transcript import StageTime

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
FIRST_TO_DIE = "500"  # where memory runs out, the kernel takes this process rather than the one that speaks HTTP


def serve(connection: socket.socket) -> NoReturn:
    """Until the server hangs up; it is the server that decides when to end this process."""
    for name in (signal.SIGINT, signal.SIGTERM):  # sent to the whole group: the server still wants its answers
        signal.signal(name, signal.SIG_IGN)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_DIE)
    connection.set_inheritable(False)
    channel = ServerPipe(connection)
    try:
        load = channel.receive()
        assert isinstance(load, Load)  # noqa: S101
        _log_through(channel)
        Thread(target=_beat, args=(channel,), name="beat", daemon=True).start()
        try:
            scheduler = _loaded(load, channel)
        except Exception as error:  # the outermost edge of the process
            if not isinstance(error, WhisperXError):
                log.exception("The model %s cannot be loaded.", load.model)
                error = ModelUnavailable(f"The model {load.model} cannot be loaded: {error}", param="model")
            channel.send(Failed(None, error))
        else:
            _listen(channel, scheduler)
    except (EOFError, OSError):
        pass
    os._exit(0)  # threads in native code cannot be stopped, and there is nothing to save


def _listen(channel: ServerPipe, scheduler: Scheduler) -> NoReturn:
    while True:
        match channel.receive():
            case Submit() as submit:
                scheduler.submit(submit)
            case Cancel(request):
                scheduler.cancel(request)
            case message:
                raise TypeError(f"unexpected {type(message).__name__}")


def _log_through(channel: ServerPipe) -> None:
    """What is logged here is logged by the server, in its own format."""

    class Through(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            with suppress(OSError):
                channel.send(LogLine(record.name, record.levelno, self.format(record)))

    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[Through()], force=True)
    logging.captureWarnings(capture=True)


def _beat(channel: ServerPipe) -> None:
    try:
        while True:
            channel.send(Heartbeat())
            time.sleep(BEAT_SECONDS)
    except OSError:  # the server is gone: nobody waits for a model that may still be on its way
        os._exit(0)


def _settings(load: Load) -> StageSettings:
    """With the encoder that was the fastest before, where it was measured before."""
    settings = load.settings
    if load.measured is None:
        return settings
    return replace(settings, model=settings.model.model_copy(update={"encoder": load.measured.implementation}))


def _loaded(load: Load, channel: ServerPipe) -> Scheduler:
    catalog = Catalog(load.settings.model)
    pull_if_missing(load, catalog, channel.send)
    began = time.perf_counter()
    directory = catalog.resolve(load.model)
    demo = load.model == DEMO_MODEL
    parts = Parts(load.model, directory, _settings(load), demo=demo, npu_retired=load.npu_retired)
    loaded = time.perf_counter()
    measured = load.measured or measure_stages(parts)
    sizes = Sizes(best(measured.encoder), best(measured.decoder))
    choices = partial(_choices, parts, measured)
    scheduler = Scheduler(
        parts, sizes, channel.send, max_seconds=load.max_seconds, overlap=measured.overlap, choices=choices
    )
    scheduler.start()
    warm_up = (
        StageTime("load", "cpu", round((loaded - began) * 1e3, 1)),
        StageTime("encoder", parts.encoder.device, round(measured.encoder[1], 1)),
        StageTime("decoder", parts.decoder.device, round(measured.decoder[1], 1)),
    )
    channel.send(Ready(measured, choices(), warm_up, parts.npu.notes()))
    return scheduler


def _choices(parts: Parts, measured: Measured) -> tuple[StageChoice, ...]:
    """Which device serves each stage now, and why."""
    encoder = f"{parts.npu.reason('encoder')}; CPU: {measured.reason}; {describe(measured.encoder)}"
    beside = f"{'beside' if measured.overlap else 'in turn with'} the encoder (both at once: {measured.gain:.2f}x)"
    decoder = f"ctranslate2 {parts.checkpoint.compute_type}; {describe(measured.decoder)}, {beside}"
    return (
        StageChoice("vad", "cpu", parts.settings.vad.method),
        StageChoice("mel", parts.mel.device, parts.npu.reason("mel")),
        StageChoice("encoder", parts.encoder.device, encoder),
        StageChoice("decoder", parts.decoder.device, decoder),
    )
