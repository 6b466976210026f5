"""The transcription of one recording, step by step; its windows are decoded while the file is still being read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from time import perf_counter

from server.pipeline.clock import StageClock
from server.pipeline.decoding_plan import DecodingPlan, decoding_plan
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.segments import in_order_of_time, window_segments
from server.pipeline.stages.decode import AudioStream
from server.pipeline.stages.decoder import Attempts
from server.pipeline.stages.protocols import WindowText
from server.pipeline.window import Window
from server.pipeline.windows.reader import WindowReader
from server.pipeline.work import Watch, Work, charged
from server.transcript import Options, Resume, Segment, Transcript

NO_LANGUAGE = "en"  # the language of an answer without a word, as OpenAI's; its probability is 0
START = Resume()


@dataclass(frozen=True, slots=True)
class Delivered:
    """A window's finished segments. ``index`` counts windows from 0; ``end`` is the progress so far in seconds."""

    index: int
    end: float
    segments: tuple[Segment, ...]


class Session:
    """The state of one request from its file to its transcript; each method is a step. The loaded model is shared.

    A request takes these steps, shown here for one request alone::

        session = Session.open(model, source, options)
        while (works := session.read()) is not None:
            batches.encode(model, works)
            for work in works:
                session.prepare(work)
            batches.decode_completely(model, works)
            session.complete(works)
            for delivered in session.deliver():
                print(delivered.segments)
        transcript = session.finish()
        session.close()

    One thread may call ``read`` and ``close`` while another one computes.
    """

    def __init__(
        self,
        model: LoadedModel,
        reader: WindowReader,
        options: Options,
        *,
        resume: Resume = START,
        number: int = 0,
        plan: DecodingPlan | None = None,
        began: float | None = None,
    ) -> None:
        self.model = model
        self.options = options
        self.number = number
        self._began = perf_counter() if began is None else began
        self._reader = reader
        self._clock = StageClock()
        self._plan = plan
        self._resume = resume
        self._segments = list(resume.segments)
        self._next = resume.windows
        self._done = 0.0
        self._completed: dict[int, WindowText] = {}
        self._warnings: list[str] = []
        if options.task == "translate" and not model.checkpoint.multilingual:
            self._warnings.append(f"The model {model.name} speaks English only: nothing was translated.")

    @classmethod
    def open(
        cls,
        model: LoadedModel,
        source: Path,
        options: Options,
        *,
        max_seconds: float = inf,
        resume: Resume = START,
        number: int = 0,
    ) -> Session:
        """Begin a request; ``source`` is a recording in any container that PyAV reads.

        ``resume`` holds what an earlier attempt has delivered, and ``number`` identifies the request in its Works.
        Raises InvalidInput or ModelUnavailable, before any audio is decoded, if the model cannot do what ``options``
        ask for.
        """
        began = perf_counter()
        model.check(options)
        plan = None
        if resume.language is not None:
            plan = decoding_plan(model, options, resume.language, resume.language_probability)
        audio = AudioStream(source, options.audio, max_seconds=max_seconds)
        if options.audio.channels == "split":
            reader = WindowReader(audio, split=partial(model.detector, options))
        else:
            reader = WindowReader(audio, model.detector(options), keep=options.diarize is not None)
        return cls(model, reader, options, resume=resume, number=number, plan=plan, began=began)

    def close(self) -> None:
        """Close the file, and delete the copy of the audio that diarization needs."""
        self._reader.close()

    @property
    def duration(self) -> float | None:
        """The length in seconds that the file claims; None if it claims none, or before the first ``read``."""
        return self._reader.duration

    @property
    def seconds(self) -> float:
        """Seconds of audio read so far."""
        return self._reader.seconds

    @property
    def language(self) -> tuple[str, float] | None:
        """The language of the recording and its probability; None until they are known."""
        return (self._plan.language, self._plan.probability) if self._plan else None

    def read(self) -> list[Work] | None:
        """Decode the next 10 s of audio; return a Work for each window that is complete now, None at the end.

        Windows that an earlier attempt has delivered are left out. Raises UnsupportedMedia or TooLarge, as AudioStream
        does.
        """
        windows = self._reader.read()
        return None if windows is None else [self._work(w) for w in windows if w.index >= self._resume.windows]

    def _work(self, window: Window) -> Work:
        return Work(window, request=self.number, clock=self._clock, warn=self._warnings.append)

    def prepare(self, work: Work, watch: Watch = charged) -> None:
        """Set the decoder's parameters for an encoded window.

        If the language is not known, it is detected in the first window and holds for all. Raises InvalidInput or
        ModelUnavailable for an aligner that was asked for and cannot be had in this language.
        """
        if self._plan is None:
            self._plan = decoding_plan(self.model, self.options, *self._language(work, watch))
        speech = work.window.speech if self.options.vad else ()
        work.prepare(Attempts(self._plan.search, self.model.settings.decode, speech))

    def _language(self, work: Work, watch: Watch) -> tuple[str, float]:
        candidates = self.model.candidates(self.options)
        if len(candidates) == 1:
            return candidates[0], 1.0
        with watch("language", "cpu", [work]):
            return self.model.checkpoint.detect_language(work.states, candidates)

    def complete(self, works: Sequence[Work], watch: Watch = charged) -> None:
        """Run the stages after the decoder (word times, say) on decoded windows; store their texts for ``deliver``."""
        assert self._plan is not None, "windows are prepared before they are decoded"  # noqa: S101
        texts = [WindowText(work.window, work.attempts.result()) for work in works]
        states = [work.states for work in works]
        for stage in self._plan.text_stages:
            with watch(stage.name, stage.device, works):
                texts = stage(texts, states)
        for work, text in zip(works, texts, strict=True):
            self._completed[work.window.index] = text
            work.release()

    def deliver(self) -> list[Delivered]:
        """Return the completed windows that are next in the order of the recording; none is returned twice.

        A window stays behind until all windows before it are completed. With channels that are split, the windows of
        two channels may overlap in time, and ``finish`` puts their segments in order.
        """
        ready: list[Delivered] = []
        language = "en" if self.options.task == "translate" or self._plan is None else self._plan.language
        while text := self._completed.pop(self._next, None):
            segments = window_segments(text, first_id=len(self._segments), language=language)
            self._segments += segments
            self._done = max(self._done, text.window.end)
            ready.append(Delivered(self._next, self._done, tuple(segments)))
            self._next += 1
        return ready

    def finish(self) -> Transcript:
        """Label speakers if that was asked for, and return the whole transcript; every window must have been delivered.

        Diarization takes a while. Raises ModelUnavailable if its pipeline cannot be loaded.
        """
        if self.options.audio.channels == "split":
            self._segments = in_order_of_time(self._segments)
        self._label_speakers()
        plan, reader = self._plan, self._reader
        return Transcript(
            text="".join(segment.text for segment in self._segments).strip(),
            segments=tuple(self._segments),
            language=plan.language if plan else self._language_of_silence(),
            language_probability=round(plan.probability, 4) if plan else 0.0,
            duration=round(self.seconds, 3),
            processing_time=round(perf_counter() - self._began, 4),
            model=self.model.name,
            task=self.options.task,
            demo=self.model.demo,
            stages=self.model.npu.explained((*reader.clock.times(), *self._clock.times())),
            warnings=self._all_warnings(),
            input_tokens=reader.frames + (reader.windows * len(plan.search.prompt) if plan else 0),
            output_tokens=sum(len(segment.tokens) for segment in self._segments),
            speakers=tuple(sorted({s.speaker for s in self._segments if s.speaker})),
        )

    def _language_of_silence(self) -> str:
        candidates = self.model.candidates(self.options)
        return candidates[0] if len(candidates) == 1 else NO_LANGUAGE

    def _label_speakers(self) -> None:
        if self.options.diarize is None or not self._segments:
            return
        diarizer = self.model.diarizer()
        with self._clock.stage("diarize", diarizer.device):
            self._segments = diarizer.label(self._segments, self._reader.samples(), self.options.diarize)

    def _all_warnings(self) -> tuple[str, ...]:
        warnings = list(self._warnings)
        if self._plan and self._plan.warning:
            warnings.append(self._plan.warning)
        return (*warnings, *self._reader.warnings)
