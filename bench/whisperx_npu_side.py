"""The measurement of this pipeline: ``python -m bench.whisperx_npu_side TASK RESULT``, without WhisperX."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.counting import CountingModel
from bench.task import Clock, Result, Task, peak_mb, read_task, write_result
from server.pipeline.alone import transcribe
from server.pipeline.loaded_model import LoadedModel, StageSettings
from server.settings.stages import DecodeSettings, ModelSettings
from server.transcript import Finished, Options, Transcript


def decode_settings(task: Task) -> DecodeSettings:
    """As configured by default; random weights fail every threshold, so for them each window is decoded once."""
    common = {"beam_size": task.beam_size, "batch_size": task.batch_size, "max_new_tokens": task.max_new_tokens}
    if task.max_new_tokens is None:
        return DecodeSettings.model_validate(common)
    once = {"temperatures": (0.0,), "no_speech_threshold": None, "max_repeats": 1000}
    return DecodeSettings.model_validate(common | once)


def load(task: Task) -> tuple[LoadedModel, CountingModel]:
    settings = StageSettings(
        model=ModelSettings.model_validate({"threads": task.threads}),
        decode=decode_settings(task),
    )
    parts = LoadedModel("bench", Path(task.model), settings)
    parts.checkpoint.whisper = model = CountingModel(parts.checkpoint.whisper)
    return parts, model


def run(parts: LoadedModel, task: Task, path: str) -> Transcript:
    options = Options(language=task.language, align=None if task.align else "off")
    *_, last = transcribe(parts, Path(path), options)
    assert isinstance(last, Finished)
    return last.transcript


def measure(task: Task) -> Result:
    clock = Clock()
    parts, model = load(task)
    load_ms, _ = clock.read()
    run(parts, task, task.warm_up)
    model.reset()
    clock = Clock()
    transcript = run(parts, task, task.audio)
    total_ms, cpu_ms = clock.read()
    return Result(
        total_ms=total_ms,
        cpu_ms=cpu_ms,
        load_ms=load_ms,
        stages={stage.stage: stage.ms for stage in transcript.stages},
        peak_mb=peak_mb(),
        audio_seconds=transcript.duration,
        windows=model.windows,
        tokens=model.tokens,
        words=len(transcript.words),
        text=transcript.text,
        notes={"encoder": parts.encoder_reason},
    )


if __name__ == "__main__":
    write_result(measure(read_task(sys.argv[1])), Path(sys.argv[2]))
