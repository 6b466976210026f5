"""The measurement of WhisperX's own pipeline.

    python -m bench.whisperx_side SETTINGS RESULT   # a JSON object, and the file for the result

It has the defaults of whisperx's command line: pyannote voice activity detection, batch size 8, beam 5. Two parts are
replaced, because they need the network or a program outside Python: the sentence splitter's data, and the ffmpeg
program if it is not installed (faster-whisper's decoder with PyAV takes its place).
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from bench.counting_model import CountingModel
from bench.runs import RunResult, RunSettings, read_settings, write_result
from bench.timing import Stopwatch, Timer, peak_mb

os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
os.environ["HF_HUB_OFFLINE"] = "1"


class WhisperXPipeline:
    """WhisperX's loaded pipeline and aligner, with a stopwatch around each stage."""

    def __init__(self, settings: RunSettings) -> None:
        import torch
        import whisperx

        torch.set_num_threads(settings.threads)
        self.settings = settings
        self.whisperx = whisperx
        self.watch = Stopwatch()
        self.pipeline = whisperx.load_model(
            settings.model,
            "cpu",
            compute_type=settings.compute_type,
            language=settings.language,
            asr_options={"beam_size": settings.beam_size},
            threads=settings.threads,
        )
        if settings.max_new_tokens is not None:
            self.pipeline.model.max_length = 2 * settings.max_new_tokens  # CTranslate2 gives half of it to new tokens
        if settings.align:
            self._load_aligner()
        self._instrument()

    def _load_aligner(self) -> None:
        import whisperx.alignment
        from nltk.tokenize.punkt import PunktSentenceTokenizer

        whisperx.alignment.nltk_load = lambda _path: PunktSentenceTokenizer()
        self.aligner, self.metadata = self.whisperx.load_align_model(
            self.settings.language, "cpu", model_name=self.settings.align_model
        )

    def _instrument(self) -> None:
        pipeline, watch = self.pipeline, self.watch
        self.decode = watch.timed("decode", load_audio)
        pipeline.vad_model.vad_pipeline = watch.timed("vad", pipeline.vad_model.vad_pipeline)
        pipeline.preprocess = watch.timed("mel", pipeline.preprocess)
        pipeline.model.encode = watch.timed("encoder", pipeline.model.encode)
        pipeline.model.model = self.model = CountingModel(pipeline.model.model, watch)
        self.align = watch.timed("align", self.whisperx.align)

    def run(self, path: str) -> tuple[float, list[dict[str, Any]]]:
        """Transcribe a file; return its length in seconds and the segments."""
        audio = self.decode(path)
        segments = self.pipeline.transcribe(
            audio, batch_size=self.settings.batch_size, language=self.settings.language
        )["segments"]
        if self.settings.align:
            segments = self.align(segments, self.aligner, self.metadata, audio, "cpu")["segments"]
        return len(audio) / 16_000, segments


def has_ffmpeg() -> bool:
    """Return whether the ffmpeg program is installed."""
    return shutil.which("ffmpeg") is not None


def load_audio(path: str) -> Any:
    """Decode a file by WhisperX's own loader, or by faster-whisper's if the ffmpeg program is not installed."""
    if has_ffmpeg():
        import whisperx

        return whisperx.load_audio(path)
    from faster_whisper import decode_audio

    return decode_audio(path)


def measure(settings: RunSettings) -> RunResult:
    """Load WhisperX's models, transcribe the warm-up recording, and measure one transcription."""
    timer = Timer()
    pipeline = WhisperXPipeline(settings)
    load_ms, _ = timer.read()
    pipeline.run(settings.warm_up)
    pipeline.watch.ms.clear()
    pipeline.model.reset()
    timer = Timer()
    seconds, segments = pipeline.run(settings.audio)
    total_ms, cpu_ms = timer.read()
    return RunResult(
        total_ms=total_ms,
        cpu_ms=cpu_ms,
        load_ms=load_ms,
        stages=dict(pipeline.watch.ms),
        peak_mb=peak_mb(),
        audio_seconds=seconds,
        windows=pipeline.model.windows,
        tokens=pipeline.model.tokens,
        words=sum(len(segment.get("words", ())) for segment in segments),
        text=" ".join(segment["text"].strip() for segment in segments),
        notes={"audio": "ffmpeg" if has_ffmpeg() else "PyAV (no ffmpeg program here)"},
    )


if __name__ == "__main__":
    write_result(measure(read_settings(sys.argv[1])), Path(sys.argv[2]))
