"""The options of a request, the transcript that answers it, and the events in between.

Every class is a frozen dataclass of plain values, so that it can cross a process boundary. Times are seconds from
the start of the recording unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from server.raw_formats import RawAudio

Task = Literal["transcribe", "translate"]
Channels = Literal["mix", "split"]
AlignMethod = Literal["auto", "whisperx", "attention", "ctc", "off"]


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its times.

    ``score`` is the aligner's confidence in [0, 1], None if it gives none. ``interpolated`` marks times that were not
    found in the audio but interpolated between the neighbouring words (digits, symbols).
    """

    text: str
    start: float
    end: float
    score: float | None = None
    interpolated: bool = False
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class TokenScore:
    """A decoded token: its text, its bytes (a token may be part of a character) and its natural log probability."""

    text: str
    data: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of transcribed text, usually a sentence.

    ``avg_logprob``, ``compression_ratio``, ``no_speech_prob`` and ``temperature`` are those of the window that it was
    decoded from, as in openai/whisper's transcribe.py; ``seek`` is that window's start in mel frames (10 ms).
    ``language`` is the code of the language in which it was decoded.
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
    language: str = ""


@dataclass(frozen=True, slots=True)
class StageTime:
    """The wall time of a processing stage (vad, mel, encoder, ...) for one request, and the device that really ran it.

    ``reason`` is the reason for that device, None if there was no choice.
    """

    stage: str
    device: str
    ms: float
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class StageChoice:
    """The device that runs a processing stage (vad, mel, encoder, ...) of a model.

    ``reason`` names the measurement or the fallback that decided it.
    """

    stage: str
    device: str
    reason: str

    @property
    def on_npu(self) -> bool:
        """True if the NPU or the simulated NPU runs the stage, False if the CPU does."""
        return self.device != "cpu"


@dataclass(frozen=True, slots=True)
class DiarizeOptions:
    """The options of diarization: bounds for the number of speakers; None leaves the number to the clustering."""

    min_speakers: int | None = None
    max_speakers: int | None = None


@dataclass(frozen=True, slots=True)
class AudioInput:
    """The reading of a file; the file itself decides what is left out.

    ``raw`` describes samples without a header. ``track`` is the number of an audio track from 1, its language, or
    ``default``. ``extension`` is that of the upload's name if its format has no signature (``telling_extension``).
    ``channels`` says whether all channels are mixed, or each is split off as a speaker of its own.
    """

    raw: RawAudio | None = None
    track: str | None = None
    extension: str | None = None
    channels: Channels = "mix"


@dataclass(frozen=True, slots=True)
class Options:
    """The options that one request may choose; None means the configured value.

    Without ``language`` it is detected: among ``languages`` if there are any, else among those of ``decode.languages``.

    Options(language="de", beam_size=5, diarize=DiarizeOptions(max_speakers=2))
    Options(languages=("de", "nl"))
    """

    model: str | None = None
    task: Task = "transcribe"
    language: str | None = None
    languages: tuple[str, ...] = ()
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
    audio: AudioInput = AudioInput()


@dataclass(frozen=True, slots=True)
class LanguageTime:
    """A language of a recording, and the length in seconds of the segments in it."""

    code: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """The answer to one request.

    ``duration`` is that of the decoded audio, ``processing_time`` the wall time from decode to the last stage, both in
    seconds. ``model`` is the model that ran and ``demo`` says whether it is the embedded demonstration model.
    ``stand_in`` is why that model ran in the place of the default one, None where it did not.
    ``warnings`` name the parts of the request that were not done as asked (a missing aligner, for example) and why.
    ``input_tokens`` counts the decoder's input: encoder frames that hold audio, and prompt tokens. ``queue_seconds`` is
    the time that the request waited before its audio was first read.
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
    stand_in: str | None = None
    stages: tuple[StageTime, ...] = ()
    warnings: tuple[str, ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    speakers: tuple[str, ...] = field(default=())
    queue_seconds: float = 0.0
    languages: tuple[LanguageTime, ...] = ()

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of all segments, in order of time, also where two speakers talk at once."""
        return tuple(sorted((word for segment in self.segments for word in segment.words), key=lambda word: word.start))

    @property
    def realtime_factor(self) -> float:
        """The processing time divided by the duration; 0.0 for an empty recording."""
        return self.processing_time / self.duration if self.duration else 0.0


@dataclass(frozen=True, slots=True)
class Resume:
    """The result of an earlier, interrupted attempt at a request, behind which the next attempt continues.

    ``windows`` is the number of windows whose segments were delivered already, and ``segments`` are those segments.
    ``languages`` are those that were heard, with their probabilities, the first window's first. ``lost`` are stretches
    of speech without text, in seconds.
    """

    windows: int = 0
    segments: tuple[Segment, ...] = ()
    languages: tuple[tuple[str, float], ...] = ()
    lost: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """An event: the seconds of audio that are transcribed so far, ``done``, of the ``total``.

    ``total`` is None while it is unknown (a stream without header). ``stage`` is the step that the request waits for
    now: queue, decoder or diarize.
    """

    done: float
    total: float | None
    stage: str


@dataclass(frozen=True, slots=True)
class SegmentReady:
    """An event: a segment is transcribed and will not change any more, except for its speaker."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class Finished:
    """An event: a request has succeeded. This is its last event."""

    transcript: Transcript


Event = Progress | SegmentReady | Finished
