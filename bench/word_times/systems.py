"""The systems under test: each loads a CTranslate2 checkpoint and returns a function that finds words and their times.

All are told the language, so that a misheard one does not count as an error of times; every other option is their own
default, word times by faster-whisper's ``word_timestamps`` apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from bench.accuracy.systems import BEAM, COMPUTE_TYPE
from server.transcript import AlignMethod


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word that a system heard, with its start and end in seconds."""

    text: str
    start: float
    end: float


Transcribe = Callable[[Path, str], list[HeardWord]]
OURS = ("attention", "ctc")
SYSTEMS = (*OURS, "faster-whisper")


def load(name: str, checkpoint: Path, threads: int) -> Transcribe | None:
    """Load a system: an aligner of this pipeline, or a peer; None if the model lacks what the aligner needs."""
    return faster_whisper(checkpoint, threads) if name == "faster-whisper" else ours(name, checkpoint, threads)


def ours(align: str, directory: Path, threads: int) -> Transcribe | None:
    """Load this pipeline with one aligner; None for the CTC head that the model does not have."""
    from server.pipeline import alone
    from server.pipeline.loaded_model import LoadedModel
    from server.settings.stages import ModelSettings, StageSettings
    from server.transcript import Finished, Options

    model = LoadedModel("bench", directory, StageSettings(model=ModelSettings(threads=threads)))
    if align == "ctc" and model.checkpoint.ctc_head is None:
        return None

    def transcribe(path: Path, language: str) -> list[HeardWord]:
        *_, last = alone.transcribe(model, path, Options(language=language, align=cast("AlignMethod", align)))
        assert isinstance(last, Finished)
        return [HeardWord(w.text, w.start, w.end) for segment in last.transcript.segments for w in segment.words]

    return transcribe


def faster_whisper(checkpoint: Path, threads: int) -> Transcribe:
    """Load faster-whisper with word times."""
    from faster_whisper import WhisperModel

    model = WhisperModel(str(checkpoint), device="cpu", compute_type=COMPUTE_TYPE, cpu_threads=threads)

    def transcribe(path: Path, language: str) -> list[HeardWord]:
        segments, _ = model.transcribe(str(path), language=language, beam_size=BEAM, word_timestamps=True)
        return [
            HeardWord(word.word.strip(), word.start, word.end) for segment in segments for word in segment.words or ()
        ]

    return transcribe
