"""Requests do not affect each other: an answer is the same alone and beside any others."""

from __future__ import annotations

import asyncio
from dataclasses import astuple
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.engine.contract import StageRun
from server.engine.supervisor import SupervisedEngine
from server.transcript import Transcript
from tests.audio_files import tone, write
from tests.engine.supervisor.conftest import python, running, transcript, watched

# The real worker, but large batches whatever was measured. Run as ``python -c LARGE FD``.
LARGE = """
import socket, sys
from server.engine.worker import main as process
from server.engine.worker.decoder_speed import DecoderSpeed
DecoderSpeed.best = 4
process.serve(socket.socket(fileno=int(sys.argv[1])))
"""

LANGUAGES = ("en", "de", "ja", None)
PROMPTS = (None, " bada bede", " kopo")
RECORDINGS = {"clip": tone(3.0, hertz=300), "note": tone(45.0, hertz=700), "talk": tone(100.0, hertz=110)}
WISHES = [
    {"language": language, "task": task, "prompt": prompt, "beam_size": beams}
    for language, task, prompt, beams in product(LANGUAGES, ("transcribe", "translate"), PROMPTS, (1, 3))
]
MIX = st.lists(st.tuples(st.sampled_from(sorted(RECORDINGS)), st.sampled_from(WISHES)), min_size=2, max_size=16)


def probabilities(answer: Transcript) -> list[float]:
    """Return the numbers of an answer that float32 sums, which depend on the batch size, change in the last digits."""
    return [answer.language_probability, *(segment.avg_logprob for segment in answer.segments)]


def essence(answer: Transcript) -> tuple[Any, ...]:
    """Return an answer without its measured times and its probabilities, to compare two answers."""
    segments = [
        (segment.tokens, segment.seek, segment.temperature, segment.start, segment.end) for segment in answer.segments
    ]
    head = (answer.text, answer.language, answer.task, answer.warnings)
    counts = (answer.duration, answer.input_tokens, answer.output_tokens)
    words = [astuple(word)[:3] for word in answer.words]
    return (*head, *counts, segments, words)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("recordings")
    return {name: write(folder / f"{name}.wav", samples) for name, samples in RECORDINGS.items()}


def test_every_answer_is_the_one_obtained_alone(tiny_multilingual: Path, recordings: dict[str, Path]) -> None:
    alone: dict[str, Transcript] = {}

    async def answer(engine: SupervisedEngine, name: str, wish: dict[str, Any]) -> Transcript:
        return await transcript(engine, recordings[name], **wish)

    with asyncio.Runner() as runner:
        context = running(tiny_multilingual, python(LARGE))
        engine = runner.run(context.__aenter__())
        seen = watched(engine)

        @settings(max_examples=8, suppress_health_check=list(HealthCheck))
        @given(MIX)
        def holds(mix: list[tuple[str, dict[str, Any]]]) -> None:
            async def both() -> None:
                together = await asyncio.gather(*(answer(engine, name, wish) for name, wish in mix))
                for (name, wish), one in zip(mix, together, strict=True):
                    key = repr((name, wish))
                    if key not in alone:
                        alone[key] = await answer(engine, name, wish)
                    assert essence(one) == essence(alone[key]), (name, wish)
                    assert probabilities(one) == pytest.approx(probabilities(alone[key]), abs=1e-3)

            runner.run(both())

        try:
            holds()
        finally:
            runner.run(context.__aexit__(None, None, None))
    assert max(run.windows for run in seen if isinstance(run, StageRun) and run.stage == "decoder") > 1
    assert len({entry.text for entry in alone.values()}) > 3, (
        "the wishes must make a difference for this to mean anything"
    )
