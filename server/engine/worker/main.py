"""The main thread of a worker process: it loads the model, then passes the server's requests to the scheduler."""

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
from server.engine.messages import Cancel, Failed, Heartbeat, Load, LogLine, Measured, Ready, ServerPipe, Submit
from server.engine.worker.pace import Pace, measured_overlap, should_measure_overlap
from server.engine.worker.pull import pull_if_missing
from server.engine.worker.scheduler import Scheduler
from server.errors import ModelUnavailable, WhisperXError
from server.pipeline.loaded_model import LoadedModel
from server.settings.stages import DEMO_MODEL, StageSettings
from server.transcript import StageChoice, StageTime

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
IDLE_SECONDS = 2.0  # between two looks whether the worker is idle
FIRST_TO_DIE = "500"  # where memory runs out, the kernel takes this process rather than the one that speaks HTTP


def serve(connection: socket.socket) -> NoReturn:
    """Run a worker process: load the model that the server names, then transcribe until the server disconnects.

    SIGINT and SIGTERM are ignored, because the server decides when this process ends.
    """
    for name in (signal.SIGINT, signal.SIGTERM):  # the server, in the same group, still wants answers
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
    """Redirect the log records and warnings of this process to the server, which writes them in its own format."""

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
    """Return the settings, with the encoder that an earlier process has measured as the fastest, if there was one."""
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
    model = LoadedModel(load.model, directory, _settings(load), demo=demo, npu_retired=load.npu_retired)
    if load.measured:
        model.encoder_reason = load.measured.reason
    loaded = time.perf_counter()
    pace = Pace.of(model)
    choices = partial(_choices, model, pace)
    scheduler = Scheduler(model, pace, channel.send, max_seconds=load.max_seconds, choices=choices)
    scheduler.start()
    if should_measure_overlap(pace):
        Thread(target=_measure_overlap, args=(model, scheduler, pace), name="measure", daemon=True).start()
    warm_up = (StageTime("load", "cpu", round((loaded - began) * 1e3, 1)),)
    measured = Measured(model.encoder_name, model.encoder_reason)
    channel.send(Ready(measured, choices(), warm_up, model.npu.notes()))
    return scheduler


def _measure_overlap(model: LoadedModel, scheduler: Scheduler, pace: Pace) -> None:
    """Wait until requests have come and gone, then measure once what encoder and decoder gain side by side."""
    busy = False
    while not (busy and scheduler.idle):
        busy = busy or not scheduler.idle
        time.sleep(IDLE_SECONDS)
    pace.gained(measured_overlap(model))


def _choices(model: LoadedModel, pace: Pace) -> tuple[StageChoice, ...]:
    """Return the device of each stage and the reason, for the decoder with its batch sizes."""
    return tuple(
        replace(choice, reason=f"{choice.reason}; {pace}") if choice.stage == "decoder" else choice
        for choice in model.stage_choices()
    )
