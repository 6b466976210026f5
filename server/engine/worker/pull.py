"""The download of a missing default model, if ``model.missing`` asks for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from server.checkpoints.catalog import Catalog
from server.engine.contract import Pull
from server.engine.messages import FromWorker, Load, Pulled, Pulling

log = logging.getLogger(__name__)

LOG_SECONDS = 10.0  # between two lines of the log, at least
LOG_SHARE = 0.05  # of the bytes, between two lines of the log, at least


def pull_if_missing(load: Load, catalog: Catalog, send: Callable[[FromWorker], None]) -> None:
    """Download the default model if it is not installed and the settings allow that; report the progress by ``send``.

    A process that ends between the messages Pulling and Pulled has failed in the download. Raises the errors of
    Catalog.pull.
    """
    if load.settings.model.missing == "refuse" or load.model != catalog.default or not catalog.is_missing(load.model):
        return
    send(Pulling())
    began = monotonic()
    catalog.pull(load.model, _Report(load.model, send))
    log.info("Model %s is pulled, in %.0f s.", load.model, monotonic() - began)
    send(Pulled())


class _Report:
    """A receiver of a download's progress: it sends every change to the server, and logs a few."""

    def __init__(self, model: str, send: Callable[[FromWorker], None]) -> None:
        self._model = model
        self._send = send
        self._sent = -1
        self._logged: tuple[int, float] | None = None  # bytes, and when

    def __call__(self, done: int, total: int) -> None:
        if done == self._sent:
            return
        self._sent = done
        pull = Pull(self._model, done, total)
        with suppress(OSError):  # the server is gone; this process ends with its next beat
            self._send(Pulling(pull))
            if self._is_news(done, total):
                self._logged = (done, monotonic())
                log.info("Pulling model %s: %s, %d %%.", self._model, pull, 100 * done // max(1, total))

    def _is_news(self, done: int, total: int) -> bool:
        if self._logged is None:
            return True
        before, at = self._logged
        return done - before >= LOG_SHARE * total and monotonic() - at >= LOG_SECONDS
