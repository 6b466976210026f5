"""The worker's threads with a real model: their messages about requests and fallbacks."""

from __future__ import annotations

from pathlib import Path
from queue import Queue
from typing import get_args

import pytest

from kernels.mel.audio import Float32
from kernels.mel.features import Features
from server.engine.contract import Fallback, FallbackReason, StageRun
from server.engine.messages import (
    Began,
    DevicesChanged,
    Done,
    DurationKnown,
    Ended,
    Failed,
    FromWorker,
    Observed,
    Started,
    Submit,
    WindowDone,
)
from server.engine.worker.pace import Pace
from server.engine.worker.scheduler import Scheduler
from server.errors import UnsupportedMedia
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.stages.protocols import Encoder, Retired, Span
from server.settings.stages import DecodeSettings, ModelSettings, StageSettings
from server.transcript import Options, Resume
from tests.audio_files import tone, write

TIMED_OUT = "the overlay encoder_384.encoder gave no result within 1.8 s"
OPTIONS = Options(vad=False, language="en", align="off")


def loaded(directory: Path, **decode: object) -> LoadedModel:
    calm = {"beam_size": 1, "temperatures": (0.0,), "max_new_tokens": 5, "log_prob_threshold": None}
    settings = calm | {"no_speech_threshold": None, "compression_ratio_threshold": None} | decode
    model = ModelSettings(encoder="ctranslate2", compute_type="float32", offline=True)
    return LoadedModel("tiny", directory, StageSettings(model=model, decode=DecodeSettings.model_validate(settings)))


def messages(model: LoadedModel, *submits: Submit, overlap: bool = False) -> list[FromWorker]:
    """Run a scheduler with these requests, and return its messages until the last request has ended."""
    sent: Queue[FromWorker] = Queue()
    pace = Pace(largest=2, beam_size=1, beside=overlap)
    scheduler = Scheduler(model, pace, sent.put, max_seconds=3600, choices=model.stage_choices)
    for submit in submits:
        scheduler.submit(submit)
    scheduler.start()
    seen: list[FromWorker] = []
    while sum(isinstance(message, Done | Failed) for message in seen) < len(submits):
        seen.append(sent.get(timeout=60))
    return seen


def fallbacks(seen: list[FromWorker]) -> list[Fallback]:
    return [message.what for message in seen if isinstance(message, Observed) and isinstance(message.what, Fallback)]


class FailingNpu:
    """An encoder that fails in its first batch, as an NPU that times out, and computes on the CPU from then on."""

    def __init__(self, cpu: Encoder) -> None:
        self.device = "npu"
        self._cpu = cpu

    def __call__(self, features: Features) -> Float32:
        if self.device == "npu":
            self.device = "cpu"
            raise Retired(TIMED_OUT)
        return self._cpu(features)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write(tmp_path / "a.wav", tone(65.0))


def test_a_retired_npu_is_reported_in_one_fixed_word(tiny_english: Path, recording: Path) -> None:
    model = loaded(tiny_english)
    model.encoder = FailingNpu(model.encoder)
    seen = messages(model, Submit(1, recording, OPTIONS))
    assert fallbacks(seen) == [Fallback("tiny", "encoder", "npu_retired")]
    assert any(isinstance(message, DevicesChanged) for message in seen)
    assert isinstance(seen[-1], Done)
    [warning] = seen[-1].transcript.warnings
    assert warning == f"The NPU failed and was retired: {TIMED_OUT}. The CPU did its work."


def test_each_further_temperature_is_reported_in_a_fixed_word(tiny_english: Path, recording: Path) -> None:
    model = loaded(tiny_english, temperatures=(0.0, 0.5), log_prob_threshold=0.0)
    found = fallbacks(messages(model, Submit(1, recording, OPTIONS)))
    assert found == [Fallback("tiny", "decoder", "log_prob")] * 4, "log probability 0 cannot be reached"
    assert {fallback.reason for fallback in found} <= set(get_args(FallbackReason))


@pytest.mark.parametrize("overlap", [False, True])
def test_a_request_is_told_from_its_opening_to_its_end(tiny_english: Path, recording: Path, overlap: bool) -> None:
    seen = messages(loaded(tiny_english), Submit(7, recording, OPTIONS), overlap=overlap)
    told = [message for message in seen if isinstance(message, DurationKnown | Started | WindowDone | Done)]
    assert [type(message) for message in told] == [DurationKnown, Started, WindowDone, WindowDone, WindowDone, Done]
    assert {message.request for message in told} == {7}
    assert [message.index for message in told if isinstance(message, WindowDone)] == [0, 1, 2]
    began = [message for message in seen if isinstance(message, Began)]
    assert [message.requests for message in began] == [(7,)] * len(began)
    assert len(began) == sum(isinstance(message, Ended) for message in seen)
    runs = [message.what for message in seen if isinstance(message, Observed) and isinstance(message.what, StageRun)]
    counted = {"read": 3, "mel": 4, "encoder": 4, "decoder": 4}  # the last window, of 5 s, is encoded again in full
    for stage, windows in counted.items():
        assert sum(run.windows for run in runs if run.stage == stage) == windows, stage


def test_an_error_ends_its_own_request_only(tiny_english: Path, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "b.wav").write_text("not audio at all")
    seen = messages(loaded(tiny_english), Submit(1, tmp_path / "b.wav", OPTIONS), Submit(2, recording, OPTIONS))
    failed, done = (message for message in seen if isinstance(message, Failed | Done))
    assert isinstance(failed, Failed)
    assert (failed.request, type(failed.error)) == (1, UnsupportedMedia)
    assert isinstance(done, Done)
    assert done.request == 2


def test_a_resumed_request_computes_only_the_windows_that_are_missing(tiny_english: Path, recording: Path) -> None:
    model = loaded(tiny_english)
    whole = messages(model, Submit(1, recording, OPTIONS))
    windows = [message for message in whole if isinstance(message, WindowDone)]
    resume = Resume(2, (*windows[0].segments, *windows[1].segments), (("en", 1.0),))
    rest = messages(model, Submit(2, recording, OPTIONS, resume=resume))
    assert [message.index for message in rest if isinstance(message, WindowDone)] == [2]
    first, second = whole[-1], rest[-1]
    assert isinstance(first, Done)
    assert isinstance(second, Done)
    assert second.transcript.segments == first.transcript.segments
    assert second.transcript.input_tokens == first.transcript.input_tokens


class Everything:
    """A speech detector that takes every block of 10 s for speech."""

    device = "cpu"
    undecided = 0

    def feed(self, samples: Float32) -> list[Span]:
        start, self.undecided = self.undecided, self.undecided + len(samples)
        return [(start, self.undecided)]

    def flush(self) -> list[Span]:
        return []


@pytest.mark.parametrize("overlap", [False, True])
def test_a_window_that_says_too_little_is_decoded_again_before_it_is_delivered(
    tiny_english: Path, recording: Path, monkeypatch: pytest.MonkeyPatch, overlap: bool
) -> None:
    model = loaded(tiny_english)  # five tokens for a window
    monkeypatch.setattr(model, "detector", lambda _: Everything())
    options = Options(language="en", align="off")
    seen = messages(model, Submit(1, recording, options), Submit(2, recording, options), overlap=overlap)
    for request in (1, 2):
        done = next(m.transcript for m in seen if isinstance(m, Done) and m.request == request)
        windows = [m for m in seen if isinstance(m, WindowDone) and m.request == request]
        assert [window.index for window in windows] == [0, 1, 2]
        assert windows[0].lost
        assert done.segments == tuple(segment for window in windows for segment in window.segments)
        [warning] = done.warnings
        assert warning.startswith("Speech may be missing from the text at")
    runs = [message.what for message in seen if isinstance(message, Observed) and isinstance(message.what, StageRun)]
    assert sum(run.windows for run in runs if run.stage == "encoder") > 6, "halves are encoded, too"


def test_what_is_lost_is_known_after_a_restart(
    tiny_english: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded(tiny_english)
    monkeypatch.setattr(model, "detector", lambda _: Everything())
    options = Options(language="en", align="off")
    whole = messages(model, Submit(1, recording, options))
    first, second, _ = (message for message in whole if isinstance(message, WindowDone))
    resume = Resume(2, (*first.segments, *second.segments), second.languages, (*first.lost, *second.lost))
    rest = messages(model, Submit(2, recording, options, resume=resume))
    before, after = whole[-1], rest[-1]
    assert isinstance(before, Done)
    assert isinstance(after, Done)
    assert after.transcript.warnings == before.transcript.warnings
    assert after.transcript.languages == before.transcript.languages
