"""The options of a request, the transcript that answers it, and the events on the way there.

Every class is a frozen dataclass of plain values, so that it can cross a process boundary. Times are seconds from
the start of the recording unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Task = Literal["transcribe", "translate"]
AlignMethod = Literal["auto", "whisperx", "attention", "ctc", "off"]


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its times.

    ``score`` is the aligner's confidence in [0, 1], None where it has none. ``interpolated`` marks times that were
    not found in the audio but laid between the neighbours (digits, symbols).
    """

    text: str
    start: float
    end: float
    score: float | None = None
    interpolated: bool = False
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class TokenScore:
    """One decoded token: its text, its bytes (a token may be part of a character) and its natural log probability."""

    text: str
    data: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text, usually a sentence.

    ``avg_logprob``, ``compression_ratio``, ``no_speech_prob`` and ``temperature`` are those of the window that it was
    decoded from, as in openai/whisper's transcribe.py; ``seek`` is that window's start in mel frames (10 ms).
    """

    id: int
    start: float
    end: float
    text: str
    tokens: tuple[int, ...]
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    temperature: float
    seek: int
    words: tuple[Word, ...] = ()
    speaker: str | None = None
    logprobs: tuple[TokenScore, ...] = ()


@dataclass(frozen=True, slots=True)
class StageTime:
    """Measured wall time of one stage for one request, on the device that really ran it.

    ``reason`` says why that device, where there was a choice.
    """

    stage: str
    device: str
    ms: float
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class StageChoice:
    """The device that serves a stage, and why: ``reason`` names the measurement or the fallback that decided it."""

    stage: str
    device: str
    reason: str


@dataclass(frozen=True, slots=True)
class DiarizeOptions:
    """Speaker labels. The bounds are counts of speakers; None leaves it to the clustering."""

    min_speakers: int | None = None
    max_speakers: int | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What one request may choose. None means: as configured."""

    model: str | None = None
    task: Task = "transcribe"
    language: str | None = None
    prompt: str | None = None
    hotwords: str | None = None
    temperature: float | None = None
    beam_size: int | None = None
    vad: bool = True
    vad_threshold: float | None = None
    vad_min_silence_ms: int | None = None
    vad_pad_ms: int | None = None
    align: AlignMethod | None = None
    diarize: DiarizeOptions | None = None
    token_logprobs: bool = False


@dataclass(frozen=True, slots=True)
class Transcript:
    """The answer to one request.

    ``duration`` is that of the decoded audio, ``processing_time`` the wall time from decode to the last stage, both in
    seconds. ``model`` is the model that ran and ``demo`` says whether it is the embedded demonstration model.
    ``warnings`` name what was not done as asked (an aligner that is missing, say) and why. ``input_tokens`` counts what
    the decoder was given: encoder frames that hold audio, and prompt tokens. ``queue_seconds`` is how long the request
    waited before its audio was first read.
    """

    text: str
    segments: tuple[Segment, ...]
    language: str
    language_probability: float
    duration: float
    processing_time: float
    model: str
    task: Task = "transcribe"
    demo: bool = False
    stages: tuple[StageTime, ...] = ()
    warnings: tuple[str, ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    speakers: tuple[str, ...] = field(default=())
    queue_seconds: float = 0.0

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def realtime_factor(self) -> float:
        """Processing time / audio time; 0.0 for an empty recording."""
        return self.processing_time / self.duration if self.duration else 0.0


@dataclass(frozen=True, slots=True)
class Resume:
    """How far an earlier attempt at a request came: windows whose segments were delivered already.

    ``language`` is what was heard in the first of them, None where none was delivered.
    """

    windows: int = 0
    segments: tuple[Segment, ...] = ()
    language: str | None = None
    language_probability: float = 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Seconds of audio finished so far; ``total`` is None while the length is not known (a stream without header).

    ``stage`` is what the request waits for now: queue, decoder or diarize.
    """

    done: float
    total: float | None
    stage: str


@dataclass(frozen=True, slots=True)
class SegmentReady:
    """A segment that will not change any more, but for its speaker."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every job that succeeds."""

    transcript: Transcript


Event = Progress | SegmentReady | Finished
