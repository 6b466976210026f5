"""The stages that use WhisperX: wav2vec2 alignment, pyannote speech detection and diarization.

No other file imports whisperx. This one is imported when a request first needs such a stage, because torch,
transformers and pyannote take seconds and half a gigabyte. Their telemetry is switched off before they are loaded.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from kernels.mel.audio import SAMPLE_RATE, Float32
from server.errors import ModelUnavailable
from server.machine.cpu import let_threads_sleep
from server.machine.optional_packages import require_extra
from server.pipeline.stages.protocols import Span, Spoken, Times
from server.pipeline.stages.text import UNSPACED
from server.settings.stages import DiarizeSettings, VadSettings
from server.transcript import DiarizeOptions, Segment

os.environ["PYANNOTE_METRICS_ENABLED"] = "0"  # pyannote.audio 4 reports every call to its makers unless told not to
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
let_threads_sleep()

_loading = Lock()


class Wav2Vec2Aligner:
    """An Aligner by WhisperX's forced alignment with a wav2vec2 CTC model of the language.

    ``model`` is a local directory or a Hugging Face id, None for WhisperX's default of the language. Raises
    ModelUnavailable if it cannot be loaded.
    """

    device = "cpu"
    method = "whisperx"

    def __init__(self, language: str, model: str | None, *, cache_dir: Path, offline: bool) -> None:
        require_extra("wav2vec2 alignment", param="align")
        self.language = language
        with _loading:
            self._model, self._metadata = _load_align_model(language, model, cache_dir, offline)

    def __call__(self, windows: Sequence[Spoken]) -> list[list[Times | None]]:
        return [self._window(spoken) for spoken in windows]

    def _window(self, spoken: Spoken) -> list[Times | None]:
        from whisperx.alignment import align

        words = [word.text.strip() for word in spoken.words]
        joined = "".join(words) if self.language in UNSPACED else " ".join(words)
        length = len(spoken.window.samples) / SAMPLE_RATE
        segment = {"text": joined, "start": 0.0, "end": length}
        result = align([segment], self._model, self._metadata, spoken.window.samples, "cpu")
        found = result["word_segments"]
        if len(found) != len(words):  # WhisperX split the text differently, so its times belong to other words
            return [None] * len(words)
        return [
            (float(item["start"]), float(item["end"]), float(item["score"])) if "start" in item else None
            for item in found
        ]


class PyannoteDetector:
    """A SpeechDetector by WhisperX's pyannote segmentation network, which runs on five minutes at a time."""

    device = "cpu"
    stretch = 300 * SAMPLE_RATE

    def __init__(self, settings: VadSettings) -> None:
        require_extra("vad.method = pyannote", param="vad.method")
        with _loading:
            self._detector = _load_pyannote(settings)
        self._settings = settings
        self._held: list[Float32] = []
        self._length = 0
        self._offset = 0

    def feed(self, samples: Float32) -> list[Span]:
        self._held.append(samples)
        self._length += len(samples)
        return self.flush() if self._length >= self.stretch else []

    def flush(self) -> list[Span]:
        samples = np.concatenate(self._held) if self._held else np.zeros(0, np.float32)
        spans = self._spans(samples) if len(samples) else []
        self._offset += len(samples)
        self._held, self._length = [], 0
        return spans

    @property
    def undecided(self) -> int:
        return self._offset

    def _spans(self, samples: Float32) -> list[Span]:
        from whisperx.vads.pyannote import Binarize

        scores = self._detector({"waveform": _tensor(samples)[None], "sample_rate": SAMPLE_RATE})
        binarize = Binarize(max_duration=30, onset=self._settings.threshold, offset=_offset(self._settings))
        turns = binarize(scores).get_timeline()
        edges = [(int(max(0.0, t.start) * SAMPLE_RATE), int(t.end * SAMPLE_RATE)) for t in turns]
        return [(self._offset + a, self._offset + min(b, len(samples))) for a, b in edges if a < len(samples)]


class Diarizer:
    """A labeller of speakers by WhisperX's pyannote pipeline, which is loaded when the first recording is labelled."""

    device = "cpu"

    def __init__(self, settings: DiarizeSettings) -> None:
        require_extra("Diarization", param="diarize.model")
        self._settings = settings

    def label(self, segments: Sequence[Segment], samples: Float32, options: DiarizeOptions) -> list[Segment]:
        """Return the segments with a speaker for each segment and word: the one who speaks for most of its time.

        ``samples`` is the whole recording, float32 [n] at 16 kHz. Raises ModelUnavailable if the pipeline cannot be
        loaded.
        """
        from whisperx.diarize import assign_word_speakers

        turns = self._pipeline(samples, min_speakers=options.min_speakers, max_speakers=options.max_speakers)
        plain: list[dict[str, Any]] = [
            {"start": s.start, "end": s.end, "words": [{"start": w.start, "end": w.end} for w in s.words]}
            for s in segments
        ]
        labelled = assign_word_speakers(turns, {"segments": plain}, fill_nearest=True)["segments"]
        return [_labelled(segment, label) for segment, label in zip(segments, labelled, strict=True)]

    @cached_property
    def _pipeline(self) -> Any:
        from whisperx.diarize import DiarizationPipeline

        token_file = self._settings.hf_token_file
        token = token_file.read_text().strip() if token_file else None
        try:
            with _loading:
                return DiarizationPipeline(model_name=self._settings.model, token=token, device="cpu")
        except Exception as error:  # huggingface_hub, pyannote and torch each raise their own
            raise ModelUnavailable(
                f"The diarization pipeline {self._settings.model} cannot be loaded: {error}",
                param="diarize.model",
                cure="Name a local directory, or accept its terms and set diarize.hf_token_file.",
            ) from error


def _labelled(segment: Segment, label: dict[str, Any]) -> Segment:
    words = tuple(
        replace(word, speaker=item.get("speaker")) for word, item in zip(segment.words, label["words"], strict=True)
    )
    return replace(segment, speaker=label.get("speaker"), words=words)


def _load_align_model(language: str, model: str | None, cache_dir: Path, offline: bool) -> tuple[Any, Any]:
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer
    from whisperx import alignment

    # align() would load nltk's sentence model from the network; server.pipeline.stages.text finds sentences here.
    alignment.nltk_load = lambda _path: PunktSentenceTokenizer(PunktParameters())
    source = model or alignment.DEFAULT_ALIGN_MODELS_HF.get(language)
    if source is None and offline:
        raise _no_align_model(language, "the default one would have to be downloaded, and model.offline is set")
    try:
        return alignment.load_align_model(  # type: ignore[no-any-return]
            language, "cpu", model_name=source, model_dir=str(cache_dir / "align"), model_cache_only=offline
        )
    except Exception as error:  # ValueError, OSError, URLError ... by the source of the model
        raise _no_align_model(language, str(error)) from error


def _no_align_model(language: str, why: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"The alignment model for {language!r} cannot be loaded: {why}.",
        param="align",
        cure=f"Set align.models.{language} to a local wav2vec2 directory, or choose align=attention.",
    )


def _offset(settings: VadSettings) -> float:
    """Return the speech probability below which pyannote ends a span of speech.

    The distance to the onset is that of 0.363 to 0.500, the defaults of whisperx.vads.pyannote.
    """
    return settings.threshold - 0.137


def _load_pyannote(settings: VadSettings) -> Any:
    from whisperx.vads.pyannote import load_vad_model

    return load_vad_model("cpu", vad_onset=settings.threshold, vad_offset=_offset(settings))


def _tensor(samples: Float32) -> Any:
    import torch

    return torch.from_numpy(samples)
