"""The measurement of this pipeline, in a process that never loads WhisperX.

python -m bench.whisperx_npu_side SETTINGS RESULT   # a JSON object, and the file for the result
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.counting_model import CountingModel
from bench.runs import RunResult, RunSettings, read_settings, write_result
from bench.timing import Timer, peak_mb
from server.pipeline.alone import transcribe
from server.pipeline.loaded_model import LoadedModel
from server.settings.stages import DecodeSettings, ModelSettings, StageSettings
from server.transcript import Finished, Options, Transcript


def decode_settings(settings: RunSettings) -> DecodeSettings:
    """Return the settings of the decoder: the defaults, or if ``max_new_tokens`` is set, those for random weights.

    Random weights fail every threshold, so their windows are decoded once and without thresholds.
    """
    common = {
        "beam_size": settings.beam_size,
        "batch_size": settings.batch_size,
        "max_new_tokens": settings.max_new_tokens,
    }
    if settings.max_new_tokens is None:
        return DecodeSettings.model_validate(common)
    once = {"temperatures": (0.0,), "no_speech_threshold": None, "max_repeats": 1000}
    return DecodeSettings.model_validate(common | once)


def load(settings: RunSettings) -> tuple[LoadedModel, CountingModel]:
    """Load this pipeline's model; return it, and the wrapper that counts its windows and tokens."""
    stages = StageSettings(
        model=ModelSettings.model_validate({"threads": settings.threads}),
        decode=decode_settings(settings),
    )
    parts = LoadedModel("bench", Path(settings.model), stages)
    parts.checkpoint.whisper = model = CountingModel(parts.checkpoint.whisper)
    return parts, model


def run(parts: LoadedModel, settings: RunSettings, path: str) -> Transcript:
    """Transcribe the file ``path`` with the loaded model."""
    options = Options(language=settings.language, align=None if settings.align else "off")
    *_, last = transcribe(parts, Path(path), options)
    assert isinstance(last, Finished)
    return last.transcript


def measure(settings: RunSettings) -> RunResult:
    """Load the model, transcribe the warm-up recording, and measure one transcription."""
    timer = Timer()
    parts, model = load(settings)
    load_ms, _ = timer.read()
    run(parts, settings, settings.warm_up)
    model.reset()
    timer = Timer()
    transcript = run(parts, settings, settings.audio)
    total_ms, cpu_ms = timer.read()
    return RunResult(
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
    write_result(measure(read_settings(sys.argv[1])), Path(sys.argv[2]))
