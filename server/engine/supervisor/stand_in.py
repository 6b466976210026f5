"""The use of the demo model while the default model is not installed and no source can provide it yet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from functools import partial
from time import monotonic

from server.checkpoints.catalog import Catalog
from server.checkpoints.sources.question import begin
from server.engine.supervisor.model import SupervisedModel
from server.errors import HubUnreachable, ModelUnavailable, WhisperXError
from server.settings.stages import DEMO_MODEL

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5  # between two looks at the default model
MOST_SECONDS = 900.0  # longest wait before the sources are asked again


class StandIn:
    """A replacement of the default model by the demo model, until the default model is installed and loaded.

    The sources of the model are asked again after ``ask_again_seconds``, and after twice as long each further time, up
    to ``MOST_SECONDS``. A model that somebody else installs is noticed within a second. ``model`` returns the manager
    of a model by its id. ``why`` is the reason for the replacement and the cure, None while the default model is in
    use.
    """

    def __init__(
        self,
        catalog: Catalog,
        model: Callable[[str], SupervisedModel],
        ask_again_seconds: float,
        why: str | None,
    ) -> None:
        self.why: str | None = None
        self._catalog = catalog
        self._model = model
        self._ask_again_seconds = ask_again_seconds
        if why:
            self._begin(why)

    @property
    def serving(self) -> str:
        """The id of the model that answers requests without a model name: the demo model's or the default one's."""
        return DEMO_MODEL if self.why else self._catalog.default

    def model_for(self, requested: str | None) -> str:
        """Return the id of the model that answers a request, as ``Catalog.resolve_request`` does.

        While the demo replaces the default model, it answers requests without a name and those by an alias. A request
        by the missing model's own name raises ModelUnavailable.
        """
        resolved = self._catalog.resolve_request(requested)
        if not self.why or resolved != self._catalog.default:
            return resolved
        if requested != resolved:
            return DEMO_MODEL
        if self._is_missing():
            raise ModelUnavailable(self.why, param="model")
        return resolved

    async def watch(self, *, may_begin: bool) -> None:
        """Wait until the default model can be loaded; then use it in place of the demo model, and unload that.

        Nothing is to wait for unless the demo is in use. With ``may_begin``, the demo also begins to replace a default
        model whose download fails because no source answers.
        """
        default = self._model(self._catalog.default)
        if not self.why:
            default.wake()
            if may_begin and self._is_missing() and not await _is_loaded(default):
                error = default.record.error
                if isinstance(error, HubUnreachable):
                    self._begin(error.message)
        if self.why:
            self._model(DEMO_MODEL).wake()
            await self._until_the_default_is_loaded(default)
            self.why = None
            log.info("Model %s serves from now on, in the place of the demo model.", default.name)
            await _unload_when_idle(self._model(DEMO_MODEL))

    def _begin(self, why: str) -> None:
        name = self._catalog.default
        self.why = (
            f"{why} The demonstration model serves in the place of {name} until {name} can be had: "
            f"`whisperx-npu models pull {name}`."
        )
        log.warning("%s", self.why)

    async def _until_the_default_is_loaded(self, default: SupervisedModel) -> None:
        for pause in _back_off(self._ask_again_seconds):
            await self._installed_within(pause)
            if await self._can_be_had():
                default.record.error = None
                default.wake()
                if await _is_loaded(default):
                    return

    async def _can_be_had(self) -> bool:
        """Return True if the default model is installed, or else a source answers that it can provide it."""
        if not self._is_missing():
            return True
        answer = begin(partial(self._catalog.ask, self._catalog.default))
        while self._is_missing() and not answer.done():  # somebody may install it while a source hangs
            await asyncio.sleep(LOOK_SECONDS)
        try:
            return not self._is_missing() or answer.result(timeout=0) is None
        except WhisperXError as error:
            log.debug("The demo model goes on serving: %s", error.message)
            return False

    async def _installed_within(self, seconds: float) -> None:
        """Wait this many seconds, or until the missing default model is installed, if that is earlier."""
        was_missing = self._is_missing()
        end = monotonic() + seconds
        while monotonic() < end and not (was_missing and not self._is_missing()):
            await asyncio.sleep(min(LOOK_SECONDS, seconds))

    def _is_missing(self) -> bool:
        return self._catalog.is_missing(self._catalog.default)


async def _is_loaded(model: SupervisedModel) -> bool:
    """Wait until the attempt to load a model has ended; return True if it succeeded."""
    while model.state == "starting":
        await asyncio.sleep(LOOK_SECONDS)
    return model.state != "failed"


async def _unload_when_idle(model: SupervisedModel) -> None:
    while model.requests.tickets or model.state == "starting":
        await asyncio.sleep(LOOK_SECONDS)
    model.unload()


def _back_off(seconds: float) -> Iterator[float]:
    while True:
        yield seconds
        seconds = min(2 * seconds, MOST_SECONDS)
