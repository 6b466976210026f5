"""A wrapper of CTranslate2's Whisper model that counts the work of either pipeline, at the call that both make."""

from __future__ import annotations

from typing import Any

from bench.timing import Stopwatch


class CountingModel:
    """A proxy of ctranslate2.models.Whisper that counts decoded windows and tokens.

    A window that is decoded again (at a higher temperature) counts again. ``watch`` times the decoding.
    """

    def __init__(self, model: Any, watch: Stopwatch | None = None) -> None:
        self._model = model
        self._generate = watch.timed("decoder", model.generate) if watch else model.generate
        self.reset()

    def reset(self) -> None:
        """Set both counts to zero."""
        self.windows = 0
        self.tokens = 0

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """Decode, and count the windows and the tokens of their best texts."""
        results = self._generate(*args, **kwargs)
        self.windows += len(results)
        self.tokens += sum(len(result.sequences_ids[0]) for result in results)
        return results

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)
