"""One request through the stages, as a stream: windows are cut, decoded and aligned while the file is still read.

``run`` takes a request through alone. A scheduler takes the same steps for many requests in turn: ``open``, ``read``
until None, and for every window batches.encode, ``settle``, batches.decode until it has no temperature left,
``complete`` and ``deliver``; at last ``finish``. Reading and computing may be done by two threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from time import perf_counter

from server.errors import InvalidInput
from server.machine.optional_packages import require_extra
from server.pipeline import batches
from server.pipeline.batches import Watch, Work
from server.pipeline.clock import StageClock
from server.pipeline.cutting import Cutter, FixedCutter, SpeechCutter
from server.pipeline.decoding_plan import Plan, plan
from server.pipeline.loaded_model import Parts
from server.pipeline.segments import window_segments
from server.pipeline.spool import Spool
from server.pipeline.stages.decode import AudioStream
from server.pipeline.stages.decoder import Attempts, Decoded
from server.pipeline.stages.protocols import Spoken
from server.pipeline.window import Window
from server.pipeline.words import timed_words
from server.settings.stages import VadSettings
from server.transcript import (
    Event,
    Finished,
    Options,
    Progress,
    Resume,
    Segment,
    SegmentReady,
    TokenScore,
    Transcript,
    Word,
)

NO_LANGUAGE = "en"  # what an answer without a word says, as OpenAI's does; its probability is 0
START = Resume()


@dataclass(frozen=True, slots=True)
class _Completed:
    window: Window
    decoded: Decoded
    words: tuple[Word, ...] | None
    scores: tuple[TokenScore, ...]


@dataclass(frozen=True, slots=True)
class Delivered:
    """The segments of one window, in the order of the recording; ``end`` is where the window ends, in seconds."""

    index: int
    end: float
    segments: tuple[Segment, ...]


class Session:
    """The state of one request; the parts that it uses are shared and keep none.

    ``number`` is the scheduler's name for it.
    """

    def __init__(
        self,
        parts: Parts,
        options: Options,
        *,
        max_seconds: float = float("inf"),
        resume: Resume = START,
        number: int = 0,
    ) -> None:
        self.number = number
        self.parts = parts
        self.options = options
        self.max_seconds = max_seconds
        self.clock = StageClock()
        self._reading = StageClock()
        self._resume = resume
        self._segments = list(resume.segments)
        self._next = resume.windows
        self._completed: dict[int, _Completed] = {}
        self._warnings: list[str] = []
        self._plan: Plan | None = None
        self._windows = 0
        self._frames = 0

    def run(self, source: Path) -> Iterator[Event]:
        """Transcribe a file; closing the iterator stops the work at the next batch of windows.

        The last event is Finished. Raises InvalidInput, UnsupportedMedia, TooLarge and ModelUnavailable.
        """
        self.open(source)
        try:
            for batch in _batched(self._read_all(), self.parts.settings.decode.batch_size):
                for delivered in self._compute([Work(self, window) for window in batch]):
                    yield from map(SegmentReady, delivered.segments)
                    yield Progress(round(delivered.end, 3), self.duration, "decoder")
            yield Finished(self.finish())
        finally:
            self.close()

    def warn(self, warning: str) -> None:
        """Say something in the answer's warnings."""
        self._warnings.append(warning)

    def _compute(self, works: list[Work]) -> list[Delivered]:
        batches.encode(self.parts, works)
        for work in works:
            self.settle(work)
        while pending := [work for work in works if work.temperature is not None]:
            for _, alike in groupby(sorted(pending, key=lambda work: work.alike or ()), key=lambda work: work.alike):
                batches.decode(self.parts, list(alike))
        self.complete(works)
        return self.deliver()

    def _read_all(self) -> Iterator[Window]:
        while (cut := self.read()) is not None:
            yield from cut

    def open(self, source: Path) -> None:
        """What can be refused is refused before the first second of audio is decoded."""
        self._started = perf_counter()
        options = self.options
        if options.language is not None:
            self.parts.checkpoint.require_language(options.language)
        if options.align == "ctc":
            self.parts.ctc()
        if options.align == "whisperx":
            require_extra("align = whisperx", param="align", kind=InvalidInput)
        if options.diarize is not None:
            self.parts.diarizer()
        if options.task == "translate" and not self.parts.checkpoint.multilingual:
            self._warnings.append(f"The model {self.parts.name} speaks English only: nothing was translated.")
        if self._resume.language is not None:
            self._plan = plan(self.parts, options, self._resume.language, self._resume.language_probability)
        self._audio = AudioStream(source, max_seconds=self.max_seconds)
        self._spool = Spool(enabled=options.diarize is not None)
        self._blocks = iter(self._spool.through(self._audio))
        self._cutter: Cutter = FixedCutter()
        self._detector_device = ""
        if options.vad:
            detector = self.parts.detector(self._vad_settings())
            self._cutter, self._detector_device = SpeechCutter(detector), detector.device
        self._ended = False

    def close(self) -> None:
        """Let go of file and spool; safe at any time after ``open``."""
        self._blocks.close()  # type: ignore[attr-defined]
        self._spool.close()

    @property
    def duration(self) -> float | None:
        """The length in seconds that the file claims, None where it claims none or has not been looked at yet."""
        return self._audio.duration

    @property
    def seconds(self) -> float:
        """Audio read so far."""
        return self._audio.seconds

    @property
    def language(self) -> tuple[str, float] | None:
        """The language and its probability, once they are settled."""
        return (self._plan.language, self._plan.probability) if self._plan else None

    def _vad_settings(self) -> VadSettings:
        asked = {
            "threshold": self.options.vad_threshold,
            "min_silence_ms": self.options.vad_min_silence_ms,
            "pad_ms": self.options.vad_pad_ms,
        }
        return self.parts.settings.vad.model_copy(update={k: v for k, v in asked.items() if v is not None})

    def read(self) -> list[Window] | None:
        """The windows that the next 10 s of audio complete; None at the end of the recording."""
        if self._ended:
            return None
        with self._reading.stage("decode", "cpu"):
            block = next(self._blocks, None)
        self._ended = block is None
        with self._reading.stage("vad", self._detector_device) if self.options.vad else nullcontext():
            cut = self._cutter.flush() if block is None else self._cutter.push(block)
        self._windows += len(cut)
        self._frames += sum(window.frames for window in cut)
        return [window for window in cut if window.index >= self._resume.windows]

    def settle(self, work: Work, watch: Watch = batches.charged) -> None:
        """How an encoded window is to be decoded; the first one tells the language where none was asked for."""
        if self._plan is None:
            language, probability = self.options.language, 1.0
            if language is None:
                with watch("language", "cpu", [work]):
                    language, probability = self.parts.checkpoint.detect_language(batches.stacked([work])[0])
            self._plan = plan(self.parts, self.options, language, probability)
        search = self._plan.search
        work.settle(search, Attempts(search.temperatures, self.parts.settings.decode))

    def complete(self, works: Sequence[Work], watch: Watch = batches.charged) -> None:
        """Place the words of decoded windows of this request; they wait for those before them."""
        assert self._plan is not None  # noqa: S101  settled before it was decoded
        decoded = [work.attempts.settled() for work in works if work.attempts]
        states = batches.stacked(works)
        spoken = [Spoken(work.window, row, item.words) for work, row, item in zip(works, states, decoded, strict=True)]
        words = self._align(self._plan, spoken, works, watch)
        scores = self._scores(self._plan, spoken, works, watch)
        for work, item, timed, score in zip(works, decoded, words, scores, strict=True):
            self._completed[work.window.index] = _Completed(work.window, item, timed, score)
            work.states = None

    def _align(
        self, plan: Plan, spoken: Sequence[Spoken], works: Sequence[Work], watch: Watch
    ) -> list[tuple[Word, ...] | None]:
        if plan.aligner is None:
            return [None] * len(spoken)
        with watch("align", plan.aligner.device, works):
            found = plan.aligner(spoken)
            return [timed_words(item.words, times, item.window) for item, times in zip(spoken, found, strict=True)]

    def _scores(
        self, plan: Plan, spoken: Sequence[Spoken], works: Sequence[Work], watch: Watch
    ) -> list[tuple[TokenScore, ...]]:
        if not self.options.token_logprobs:
            return [()] * len(spoken)
        with watch("logprobs", "cpu", works):
            return self.parts.attention(plan.search).token_scores(spoken)

    def deliver(self) -> list[Delivered]:
        """The completed windows that none before them is missing from; each is delivered once."""
        ready: list[Delivered] = []
        while item := self._completed.pop(self._next, None):
            segments = window_segments(item.decoded, item.words, item.window, len(self._segments), item.scores)
            self._segments += segments
            ready.append(Delivered(self._next, item.window.end, tuple(segments)))
            self._next += 1
        return ready

    def finish(self) -> Transcript:
        """The whole, once every window is delivered; speakers are told apart here, which takes a while."""
        self._label()
        settled = self._plan
        warnings = [*self._warnings, *filter(None, [settled.warning if settled else None])]
        if self._audio.damaged:
            warnings.append(f"{self._audio.damaged} damaged audio packets were passed over.")
        language = settled.language if settled else self.options.language or NO_LANGUAGE
        return Transcript(
            text="".join(segment.text for segment in self._segments).strip(),
            segments=tuple(self._segments),
            language=language,
            language_probability=round(settled.probability, 4) if settled else 0.0,
            duration=round(self.seconds, 3),
            processing_time=round(perf_counter() - self._started, 4),
            model=self.parts.name,
            task=self.options.task,
            demo=self.parts.demo,
            stages=self.parts.npu.explained((*self._reading.times(), *self.clock.times())),
            warnings=tuple(warnings),
            input_tokens=self._frames + (self._windows * len(settled.search.prompt) if settled else 0),
            output_tokens=sum(len(segment.tokens) for segment in self._segments),
            speakers=tuple(sorted({s.speaker for s in self._segments if s.speaker})),
        )

    def _label(self) -> None:
        if self.options.diarize is None or not self._segments:
            return
        diarizer = self.parts.diarizer()
        with self.clock.stage("diarize", diarizer.device):
            self._segments = diarizer.label(self._segments, self._spool.samples(), self.options.diarize)


def _batched(windows: Iterator[Window], size: int) -> Iterator[list[Window]]:
    while batch := list(islice(windows, size)):
        yield batch
