"""What is settled for a request once its language is known: the search and the aligner."""

from __future__ import annotations

from dataclasses import dataclass

from server.pipeline.loaded_model import Parts
from server.pipeline.stages.decoder import Search, prompt_tokens
from server.pipeline.stages.protocols import Aligner
from server.transcript import Options


@dataclass(frozen=True, slots=True)
class Plan:
    """``warning`` says what is not done as asked. No aligner: no word times are wanted."""

    language: str
    probability: float
    search: Search
    aligner: Aligner | None
    warning: str | None


def plan(parts: Parts, options: Options, language: str, probability: float) -> Plan:
    """Raises InvalidInput or ModelUnavailable for an aligner that was asked for and cannot be had."""
    search = _search(parts, options, language)
    aligner, warning = parts.aligner(options.align, search, options.task)
    return Plan(language, probability, search, aligner, warning)


def _search(parts: Parts, options: Options, language: str) -> Search:
    settings = parts.settings.decode
    tokenizer = parts.checkpoint.tokenizer(language, options.task)
    warm = options.temperature is not None and options.temperature > 0.0
    return Search(
        tokenizer=tokenizer,
        prompt=prompt_tokens(tokenizer, options.prompt, options.hotwords),
        beam_size=options.beam_size or settings.beam_size,
        temperatures=(options.temperature or 0.0,) if warm else settings.temperatures,
    )
