"""The work that a CTranslate2 model really does, counted where both pipelines ask for it."""

from __future__ import annotations

from typing import Any

from bench.task import Stopwatch


class CountingModel:
    """A ctranslate2.models.Whisper whose decoded windows and tokens are counted; all else passes through.

    A window that is decoded again (a higher temperature) counts again. ``watch`` times the decoding.
    """

    def __init__(self, model: Any, watch: Stopwatch | None = None) -> None:
        self._model = model
        self._generate = watch.timed("decoder", model.generate) if watch else model.generate
        self.reset()

    def reset(self) -> None:
        self.windows = 0
        self.tokens = 0

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        results = self._generate(*args, **kwargs)
        self.windows += len(results)
        self.tokens += sum(len(result.sequences_ids[0]) for result in results)
        return results

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)
