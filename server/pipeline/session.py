"""One request through the stages, as a stream: windows are cut, decoded and aligned while the file is still read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter

from server.pipeline.clock import StageClock
from server.pipeline.decode import AudioStream
from server.pipeline.decoder import Search, prompt_tokens
from server.pipeline.parts import Parts
from server.pipeline.segments import window_segments
from server.pipeline.settings import VadSettings
from server.pipeline.spool import Spool
from server.pipeline.stages import Aligner, Retired, Spoken
from server.pipeline.types import (
    Event,
    Finished,
    Float32,
    Options,
    Progress,
    Segment,
    SegmentReady,
    TokenScore,
    Transcript,
    Window,
    Word,
)
from server.pipeline.windows import fixed_windows, speech_windows
from server.pipeline.words import timed_words

NO_LANGUAGE = "en"  # what an answer without a word says, as OpenAI's does; its probability is 0


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is settled once the language is known."""

    language: str
    probability: float
    search: Search
    aligner: Aligner | None


class Session:
    """The state of one request; the parts that it uses are shared and keep none."""

    def __init__(self, parts: Parts, options: Options, *, max_seconds: float = float("inf")) -> None:
        self.parts = parts
        self.options = options
        self.max_seconds = max_seconds
        self._clock = StageClock()
        self._segments: list[Segment] = []
        self._warnings: list[str] = []
        self._plan: _Plan | None = None
        self._input_tokens = 0

    def run(self, source: Path) -> Iterator[Event]:
        """Transcribe a file; closing the iterator stops the work at the next batch of windows.

        The last event is Finished. Raises InvalidInput, UnsupportedMedia, TooLarge and ModelUnavailable.
        """
        started = perf_counter()
        self._check()
        audio = AudioStream(source, max_seconds=self.max_seconds)
        with Spool(enabled=self.options.diarize is not None) as spool:
            blocks = spool.through(self._clock.iterate("decode", "cpu", audio))
            for batch in _batches(self._windows(blocks), self.parts.settings.decode.batch_size):
                for segment in self._transcribe(batch):
                    yield SegmentReady(segment)
                yield Progress(round(batch[-1].end, 3), audio.duration, "decoder")
            self._label(spool)
        if audio.damaged:
            self._warnings.append(f"{audio.damaged} damaged audio packets were passed over.")
        yield Finished(self._transcript(audio.seconds, perf_counter() - started))

    def _check(self) -> None:
        """What can be refused is refused before the first second of audio is decoded."""
        options = self.options
        if options.language is not None:
            self.parts.checkpoint.require_language(options.language)
        if options.align == "ctc":
            self.parts.ctc()
        if options.diarize is not None:
            self.parts.diarizer()
        if options.task == "translate" and not self.parts.checkpoint.multilingual:
            self._warnings.append(f"The model {self.parts.name} speaks English only: nothing was translated.")

    def _windows(self, blocks: Iterable[Float32]) -> Iterator[Window]:
        if not self.options.vad:
            return fixed_windows(blocks)
        detector = self.parts.detector(self._vad_settings())
        return self._clock.iterate("vad", detector.device, speech_windows(blocks, detector))

    def _vad_settings(self) -> VadSettings:
        asked = {
            "threshold": self.options.vad_threshold,
            "min_silence_ms": self.options.vad_min_silence_ms,
            "pad_ms": self.options.vad_pad_ms,
        }
        return self.parts.settings.vad.model_copy(update={k: v for k, v in asked.items() if v is not None})

    def _transcribe(self, windows: Sequence[Window]) -> list[Segment]:
        parts, clock = self.parts, self._clock
        states = self._encode([window.samples for window in windows])
        plan = self._plan = self._plan or self._settle(states[0])
        self._input_tokens += sum(window.frames + len(plan.search.prompt) for window in windows)
        with clock.stage("decoder", parts.decoder.device):
            decoded = parts.decoder(states, plan.search)
        spoken = [Spoken(*item) for item in zip(windows, states, [d.words for d in decoded], strict=True)]
        words = self._align(plan, spoken)
        scores = self._scores(plan, spoken)
        fresh: list[Segment] = []
        for window, result, timed, score in zip(windows, decoded, words, scores, strict=True):
            fresh += window_segments(result, timed, window, len(self._segments) + len(fresh), score)
        self._segments += fresh
        return fresh

    def _encode(self, samples: Sequence[Float32]) -> Float32:
        parts, clock = self.parts, self._clock
        while True:
            try:
                with clock.stage("mel", parts.mel.device):
                    mel = parts.mel(samples)
                with clock.stage("encoder", parts.encoder.device):
                    return parts.encoder(mel)
            except Retired as retired:
                self._warnings.append(f"The NPU failed and was retired: {retired}. The CPU did its work.")

    def _settle(self, states: Float32) -> _Plan:
        language, probability = self.options.language, 1.0
        if language is None:
            with self._clock.stage("language", "cpu"):
                language, probability = self.parts.checkpoint.detect_language(states)
        search = self._search(language)
        aligner, warning = self.parts.aligner(self.options.align, search, self.options.task)
        if warning:
            self._warnings.append(warning)
        return _Plan(language, probability, search, aligner)

    def _search(self, language: str) -> Search:
        settings, options = self.parts.settings.decode, self.options
        tokenizer = self.parts.checkpoint.tokenizer(language, options.task)
        warm = options.temperature is not None and options.temperature > 0.0
        return Search(
            tokenizer=tokenizer,
            prompt=prompt_tokens(tokenizer, options.prompt, options.hotwords),
            beam_size=options.beam_size or settings.beam_size,
            temperatures=(options.temperature or 0.0,) if warm else settings.temperatures,
        )

    def _align(self, plan: _Plan, spoken: Sequence[Spoken]) -> list[tuple[Word, ...] | None]:
        if plan.aligner is None:
            return [None] * len(spoken)
        with self._clock.stage("align", plan.aligner.device):
            found = plan.aligner(spoken)
            return [timed_words(item.words, times, item.window) for item, times in zip(spoken, found, strict=True)]

    def _scores(self, plan: _Plan, spoken: Sequence[Spoken]) -> list[tuple[TokenScore, ...]]:
        if not self.options.token_logprobs:
            return [()] * len(spoken)
        with self._clock.stage("logprobs", "cpu"):
            return self.parts.attention(plan.search).token_scores(spoken)

    def _label(self, spool: Spool) -> None:
        if self.options.diarize is None or not self._segments:
            return
        diarizer = self.parts.diarizer()
        with self._clock.stage("diarize", diarizer.device):
            self._segments = diarizer.label(self._segments, spool.samples(), self.options.diarize)

    def _transcript(self, seconds: float, elapsed: float) -> Transcript:
        plan = self._plan
        language = plan.language if plan else self.options.language or NO_LANGUAGE
        return Transcript(
            text="".join(segment.text for segment in self._segments).strip(),
            segments=tuple(self._segments),
            language=language,
            language_probability=round(plan.probability, 4) if plan else 0.0,
            duration=round(seconds, 3),
            processing_time=round(elapsed, 4),
            model=self.parts.name,
            task=self.options.task,
            demo=self.parts.demo,
            stages=self.parts.npu.explained(self._clock.times()),
            warnings=tuple(self._warnings),
            input_tokens=self._input_tokens,
            output_tokens=sum(len(segment.tokens) for segment in self._segments),
            speakers=tuple(sorted({s.speaker for s in self._segments if s.speaker})),
        )


def _batches(windows: Iterator[Window], size: int) -> Iterator[list[Window]]:
    while batch := list(islice(windows, size)):
        yield batch
