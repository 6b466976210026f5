"""The transcription of one recording, step by step; its windows are decoded while the file is still being read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from math import inf
from pathlib import Path
from time import perf_counter

from server.pipeline.clock import StageClock
from server.pipeline.decoding_plan import DecodingPlan, decoding_plan
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.lost_speech import cut_at, lost_in, lost_warning
from server.pipeline.recheck import Half, Recheck, settled
from server.pipeline.recording_languages import RecordingLanguages, language_times
from server.pipeline.segments import in_order_of_time, window_segments
from server.pipeline.stages.coverage import Stretch
from server.pipeline.stages.decode import AudioStream
from server.pipeline.stages.decoder import Attempts
from server.pipeline.stages.protocols import WindowText
from server.pipeline.text_stages import Alignment
from server.pipeline.window import Window
from server.pipeline.windows.parts import halves
from server.pipeline.windows.reader import WindowReader
from server.pipeline.work import Watch, Work, charged
from server.transcript import Options, Resume, Segment, StageTime, Transcript

START = Resume()


@dataclass(frozen=True, slots=True)
class Delivered:
    """A window's finished segments. ``index`` counts windows from 0; ``end`` is the progress so far in seconds.

    ``lost`` are the stretches, in seconds, of the window's speech that have no text.
    """

    index: int
    end: float
    segments: tuple[Segment, ...]
    lost: tuple[Stretch, ...] = ()


class Session:
    """The state of one request from its file to its transcript; each method is a step. The loaded model is shared.

    A request takes these steps, shown here for one request alone::

        session = Session.open(model, source, options)
        while (works := session.read()) is not None:
            while works:
                batches.encode(model, works)
                for work in works:
                    session.prepare(work)
                batches.decode_completely(model, works)
                works = session.complete(works)
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
        began: float | None = None,
    ) -> None:
        self.model = model
        self.options = options
        self.number = number
        self._began = perf_counter() if began is None else began
        self._reader = reader
        self._clock = StageClock()
        self._languages = RecordingLanguages(model, options, resume.languages)
        self._plans: dict[str, DecodingPlan] = {}
        self._resume = resume
        self._segments = list(resume.segments)
        self._lost = list(resume.lost)
        self._next = resume.windows
        self._done = 0.0
        self._completed: dict[int, Sequence[WindowText]] = {}
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
        audio = AudioStream(source, options.audio, max_seconds=max_seconds)
        if options.audio.channels == "split":
            reader = WindowReader(audio, split=partial(model.detector, options))
        else:
            reader = WindowReader(audio, model.detector(options), keep=options.diarize is not None)
        return cls(model, reader, options, resume=resume, number=number, began=began)

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
    def languages(self) -> tuple[tuple[str, float], ...]:
        """The languages heard so far, with their probabilities, the first window's first; empty before they are."""
        return tuple(self._languages.heard.items())

    def read(self) -> list[Work] | None:
        """Decode the next 10 s of audio; return a Work for each window that is complete now, None at the end.

        Windows that an earlier attempt has delivered are left out. Raises UnsupportedMedia or TooLarge, as AudioStream
        does.
        """
        windows = self._reader.read()
        return None if windows is None else [self._work(w) for w in windows if w.index >= self._resume.windows]

    def _work(self, window: Window, half: Half | None = None) -> Work:
        return Work(window, request=self.number, clock=self._clock, warn=self._warnings.append, half=half)

    def prepare(self, work: Work, watch: Watch = charged) -> None:
        """Set the decoder's parameters for an encoded window.

        If the language is not known, it is detected in the first window and holds for all others in which no other
        language is heard. Raises InvalidInput or ModelUnavailable for an aligner that was asked for and cannot be had
        in the first language.
        """
        plan = self._plan(self._languages.listen(work, watch))
        work.prepare(Attempts(plan.search, self.model.settings.decode, work.window.speech if self.options.vad else ()))

    def _plan(self, language: str) -> DecodingPlan:
        if language not in self._plans:
            first = not self._plans
            self._plans[language] = decoding_plan(self.model, self.options, language, first=first)
        return self._plans[language]

    def complete(self, works: Sequence[Work], watch: Watch = charged) -> list[Work]:
        """Run the stages after the decoder (word times, say) on decoded windows; store their texts for ``deliver``.

        Return the halves of windows that must be decoded again, because speech in them has no text or has another
        language. They take all steps from the encoder on, and their windows are delivered after that.
        """
        again: list[Work] = []
        for language, same in groupby(sorted(works, key=_language), key=_language):
            plan, batch = self._plans[language], list(same)
            texts = [WindowText(work.window, work.attempts.result(), language=language) for work in batch]
            states = [work.states for work in batch]
            for stage in plan.text_stages:
                with watch(stage.name, stage.device, batch):
                    texts = stage(texts, states)
            for work, text in zip(batch, texts, strict=True):
                again += self._settle(work, self._checked(work, text, plan))
                work.release()
        return again

    def _checked(self, work: Work, text: WindowText, plan: DecodingPlan) -> WindowText:
        """Return the text with the stretches of speech that it leaves out; without speech detection none is known."""
        if not self.options.vad:
            return text
        return replace(text, lost=lost_in(text, work.states, self.model.aligners.attention(plan.search)))

    def _settle(self, work: Work, text: WindowText) -> list[Work]:
        """Return the halves of a window that must be decoded again; if none must be, store the window's text."""
        cut = work.cut
        if cut is None and self.model.settings.decode.recheck:
            cut = cut_at(text, work.half)
        if cut is not None:
            recheck = Recheck(text, work.half)
            parts = halves(work.window, cut)
            return [self._work(part, Half(recheck, place)) for place, part in enumerate(parts)]
        texts = settled(text, work.half)
        if texts is not None:
            self._completed[work.window.index] = texts
        return []

    def deliver(self) -> list[Delivered]:
        """Return the completed windows that are next in the order of the recording; none is returned twice.

        A window stays behind until all windows before it are completed. With channels that are split, the windows of
        two channels may overlap in time, and ``finish`` puts their segments in order.
        """
        ready: list[Delivered] = []
        while texts := self._completed.pop(self._next, None):
            before = len(self._segments)
            for text in texts:
                language = "en" if self.options.task == "translate" else text.language
                self._segments += window_segments(text, first_id=len(self._segments), language=language)
            lost = tuple(stretch for text in texts for stretch in text.lost)
            self._lost += lost
            self._done = max(self._done, texts[-1].window.end)
            ready.append(Delivered(self._next, self._done, tuple(self._segments[before:]), lost))
            self._next += 1
        return ready

    def finish(self) -> Transcript:
        """Label speakers if that was asked for, and return the whole transcript; every window must have been delivered.

        Diarization takes a while. Raises ModelUnavailable if its pipeline cannot be loaded.
        """
        if self.options.audio.channels == "split":
            self._segments = in_order_of_time(self._segments)
        self._label_speakers()
        reader, languages = self._reader, language_times(self._segments)
        language, probability = self._languages.main(languages)
        prompt = len(next(iter(self._plans.values())).search.prompt) if self._plans else 0
        return Transcript(
            text="".join(segment.text for segment in self._segments).strip(),
            segments=tuple(self._segments),
            language=language,
            language_probability=round(probability, 4),
            duration=round(self.seconds, 3),
            processing_time=round(perf_counter() - self._began, 4),
            model=self.model.name,
            task=self.options.task,
            demo=self.model.demo,
            stages=self._stage_times(),
            warnings=self._all_warnings(),
            input_tokens=reader.frames + reader.windows * prompt,
            output_tokens=sum(len(segment.tokens) for segment in self._segments),
            speakers=tuple(sorted({s.speaker for s in self._segments if s.speaker})),
            languages=languages,
        )

    def _stage_times(self) -> tuple[StageTime, ...]:
        """Return the time of every stage, with the reason for its device, for word times with their aligners."""
        stages = (stage for plan in self._plans.values() for stage in plan.text_stages)
        used = dict.fromkeys(stage.method for stage in stages if isinstance(stage, Alignment))
        times = self.model.npu.explained((*self._reader.clock.times(), *self._clock.times()))
        return tuple(replace(time, reason=", ".join(used)) if time.stage == "align" else time for time in times)

    def _label_speakers(self) -> None:
        if self.options.diarize is None or not self._segments:
            return
        diarizer = self.model.diarizer()
        with self._clock.stage("diarize", diarizer.device):
            self._segments = diarizer.label(self._segments, self._reader.samples(), self.options.diarize)

    def _all_warnings(self) -> tuple[str, ...]:
        warnings = list(self._warnings)
        warnings += dict.fromkeys(plan.warning for plan in self._plans.values() if plan.warning)
        if self._lost:
            warnings.append(lost_warning(self._lost))
        return (*warnings, *self._reader.warnings)


def _language(work: Work) -> str:
    language: str = work.attempts.search.tokenizer.language_code
    return language
