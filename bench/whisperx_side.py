"""The measurement of WhisperX as it comes: ``python -m bench.whisperx_side TASK RESULT``, in a process of its own.

Defaults of whisperx's command line are kept: pyannote voice activity detection, batch size 8, beam 5. Replaced is only
what needs the network or a program outside Python: the sentence splitter's data, and the ffmpeg program where there is
none (PyAV then, as faster-whisper decodes).
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from bench.counting import CountingModel
from bench.task import Clock, Result, Stopwatch, Task, peak_mb, read_task, write_result

os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
os.environ["HF_HUB_OFFLINE"] = "1"


class WhisperX:
    """The loaded pipeline and aligner."""

    def __init__(self, task: Task) -> None:
        import torch
        import whisperx

        torch.set_num_threads(task.threads)
        self.task = task
        self.whisperx = whisperx
        self.watch = Stopwatch()
        self.pipeline = whisperx.load_model(
            task.model,
            "cpu",
            compute_type=task.compute_type,
            language=task.language,
            asr_options={"beam_size": task.beam_size},
            threads=task.threads,
        )
        if task.max_new_tokens is not None:
            self.pipeline.model.max_length = 2 * task.max_new_tokens  # CTranslate2 gives half of it to new tokens
        if task.align:
            self._load_aligner()
        self._instrument()

    def _load_aligner(self) -> None:
        import whisperx.alignment
        from nltk.tokenize.punkt import PunktSentenceTokenizer

        whisperx.alignment.nltk_load = lambda _path: PunktSentenceTokenizer()
        self.aligner, self.metadata = self.whisperx.load_align_model(
            self.task.language, "cpu", model_name=self.task.align_model
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
        """Seconds of audio and the segments."""
        audio = self.decode(path)
        segments = self.pipeline.transcribe(audio, batch_size=self.task.batch_size, language=self.task.language)[
            "segments"
        ]
        if self.task.align:
            segments = self.align(segments, self.aligner, self.metadata, audio, "cpu")["segments"]
        return len(audio) / 16_000, segments


def has_ffmpeg() -> bool:
    return shutil.which("ffmpeg") is not None


def load_audio(path: str) -> Any:
    """WhisperX's own loader, which needs the ffmpeg program; faster-whisper's where there is none."""
    if has_ffmpeg():
        import whisperx

        return whisperx.load_audio(path)
    from faster_whisper import decode_audio

    return decode_audio(path)


def measure(task: Task) -> Result:
    clock = Clock()
    pipeline = WhisperX(task)
    load_ms, _ = clock.read()
    pipeline.run(task.warm_up)
    pipeline.watch.ms.clear()
    pipeline.model.reset()
    clock = Clock()
    seconds, segments = pipeline.run(task.audio)
    total_ms, cpu_ms = clock.read()
    return Result(
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
    write_result(measure(read_task(sys.argv[1])), Path(sys.argv[2]))
