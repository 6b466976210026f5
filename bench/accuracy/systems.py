"""The systems under test: each loads a CTranslate2 checkpoint and returns a function that transcribes a file.

All run on the same threads, in int8, with beam 5, and hear the language for themselves, as for a user who names none.
Every other option is the system's own default.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

OURS = "ours"
PEERS = ("faster-whisper", "whisperx")
COMPUTE_TYPE = "int8"
BEAM = 5
BATCH = 8  # windows at a time, as WhisperX's command line


@dataclass(frozen=True, slots=True)
class Heard:
    """The text of a recording and the language that the system heard."""

    text: str
    language: str


Transcribe = Callable[[Path], Heard]


def load(name: str, checkpoint: Path, threads: int) -> Transcribe:
    """Load the system ``name``: one of PEERS, "ours", or "ours-" and one of ``encoders.ENCODERS``.

    "ours" takes the encoder that a server with default settings chooses on this machine.
    """
    if name == "faster-whisper":
        return faster_whisper(checkpoint, threads)
    if name == "whisperx":
        return whisperx(checkpoint, threads)
    return ours(name.removeprefix(OURS).removeprefix("-"), checkpoint, threads)


def ours(encoder: str, directory: Path, threads: int) -> Transcribe:
    """Load this pipeline without word times; ``encoder`` is a name of ``encoders``, or empty for the default."""
    from bench.accuracy.encoders import ENCODERS
    from server.pipeline import alone
    from server.pipeline.loaded_model import LoadedModel
    from server.settings.stages import ModelSettings, StageSettings
    from server.transcript import Finished, Options

    settings = ModelSettings.model_validate({"threads": threads, "encoder": "ctranslate2" if encoder else "auto"})
    model = LoadedModel("bench", directory, StageSettings(model=settings))
    if encoder:
        model.encoder = ENCODERS[encoder](model.checkpoint)

    def transcribe(path: Path) -> Heard:
        *_, last = alone.transcribe(model, path, Options(align="off"))
        assert isinstance(last, Finished)
        return Heard(last.transcript.text, last.transcript.language)

    return transcribe


def faster_whisper(checkpoint: Path, threads: int) -> Transcribe:
    """Load faster-whisper's sequential transcription."""
    from faster_whisper import WhisperModel

    model = WhisperModel(str(checkpoint), device="cpu", compute_type=COMPUTE_TYPE, cpu_threads=threads)

    def transcribe(path: Path) -> Heard:
        segments, info = model.transcribe(str(path), beam_size=BEAM)
        return Heard("".join(segment.text for segment in segments).strip(), info.language)

    return transcribe


def whisperx(checkpoint: Path, threads: int) -> Transcribe:
    """Load WhisperX's pipeline with pyannote's voice activity detection, its default, without alignment."""
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    import torch
    from whisperx import load_model

    from bench.whisperx_side import load_audio

    torch.set_num_threads(threads)
    pipeline = load_model(
        str(checkpoint), "cpu", compute_type=COMPUTE_TYPE, asr_options={"beam_size": BEAM}, threads=threads
    )

    def transcribe(path: Path) -> Heard:
        try:
            result = pipeline.transcribe(load_audio(str(path)), batch_size=BATCH)
        except IndexError:  # whisperx 3.8.6 on a recording without speech
            return Heard("", "")
        return Heard(" ".join(segment["text"].strip() for segment in result["segments"]), result["language"])

    return transcribe
