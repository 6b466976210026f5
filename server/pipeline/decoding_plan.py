"""Decisions about a request that depend on its language: the decoder's parameters and the stages after the decoder."""

from __future__ import annotations

from dataclasses import dataclass

from server.pipeline.loaded_model import LoadedModel
from server.pipeline.stages.protocols import TextStage
from server.pipeline.stages.search import Search, prompt_tokens
from server.pipeline.text_stages import Alignment, TokenProbabilities
from server.transcript import Options


@dataclass(frozen=True, slots=True)
class DecodingPlan:
    """The decoder's parameters for the windows of one request in one language, and the stages that follow the decoder.

    ``warning`` names what is not done as the request asks, None if nothing.
    """

    search: Search
    text_stages: tuple[TextStage, ...]
    warning: str | None


def decoding_plan(model: LoadedModel, options: Options, language: str, *, first: bool = True) -> DecodingPlan:
    """Choose the decoder's parameters and the later stages for the windows of a request in ``language``.

    Raises InvalidInput or ModelUnavailable for an aligner that was asked for and cannot be had; if ``language`` is not
    the ``first`` of the recording, attention takes its place.
    """
    search = _search(model, options, language)
    aligner, warning = model.aligners.choose(options.align, search, options.task, insist=first)
    text_stages: list[TextStage] = []
    if aligner is not None:
        text_stages.append(Alignment(aligner))
    if options.token_logprobs:
        text_stages.append(TokenProbabilities(model.aligners.attention(search)))
    return DecodingPlan(search, tuple(text_stages), warning)


def _search(model: LoadedModel, options: Options, language: str) -> Search:
    settings = model.settings.decode
    tokenizer = model.checkpoint.tokenizer(language, options.task)
    warm = options.temperature is not None and options.temperature > 0.0
    return Search(
        tokenizer=tokenizer,
        prompt=prompt_tokens(tokenizer, options.prompt, options.hotwords),
        beam_size=options.beam_size or settings.beam_size,
        temperatures=(options.temperature or 0.0,) if warm else settings.temperatures,
    )
