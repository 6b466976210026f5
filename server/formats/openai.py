"""OpenAI's JSON shapes of a transcription (openai-python 3.52, openai/types/audio); no value in them is invented."""

from __future__ import annotations

from collections.abc import Iterable
from string import ascii_uppercase
from typing import Literal, NotRequired

from typing_extensions import TypedDict

from server.formats.rounding import seconds
from server.languages import language_name
from server.transcript import Segment, Task, TokenScore, Transcript

UNKNOWN_SPEAKER = "unknown"  # for a segment without a speaker: OpenAI's type requires a label


class DurationUsage(TypedDict):
    """The ``usage`` of an answer in seconds of audio, as OpenAI bills whisper-1."""

    type: Literal["duration"]
    seconds: float


class TokenUsage(TypedDict):
    """The ``usage`` of a streamed answer: the numbers of tokens that the decoder read and wrote."""

    type: Literal["tokens"]
    input_tokens: int
    output_tokens: int
    total_tokens: int


class Logprob(TypedDict):
    """A token with its natural log probability; ``bytes`` are its UTF-8 bytes, which may be part of a character."""

    token: str
    bytes: list[int]
    logprob: float


class LanguageEntry(TypedDict):
    """A language that was spoken."""

    code: str


class Transcription(TypedDict):
    """OpenAI's answer to a transcription with response_format=json."""

    text: str
    languages: list[LanguageEntry]
    logprobs: NotRequired[list[Logprob]]
    usage: DurationUsage


class Translation(TypedDict):
    """OpenAI's answer to a translation with response_format=json."""

    text: str


class VerboseSegment(TypedDict):
    """A segment in verbose_json. Temperature, log probability and ratio are those of the window it was decoded from.

    ``language``, a code, is there only in recordings with several languages, since whisper-1 does not have it.
    """

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    language: NotRequired[str]


class VerboseWord(TypedDict):
    """A word with its times in seconds."""

    word: str
    start: float
    end: float


class VerboseTranscription(TypedDict):
    """OpenAI's answer with response_format=verbose_json."""

    task: Task
    language: str
    duration: float
    text: str
    segments: NotRequired[list[VerboseSegment]]
    words: NotRequired[list[VerboseWord]]
    usage: DurationUsage


class DiarizedSegment(TypedDict):
    """A segment with its speaker, in diarized_json and as the event transcript.text.segment of a stream."""

    type: Literal["transcript.text.segment"]
    id: str
    start: float
    end: float
    speaker: str
    text: str


class DiarizedTranscription(TypedDict):
    """OpenAI's answer with response_format=diarized_json."""

    task: Literal["transcribe"]
    duration: float
    text: str
    segments: list[DiarizedSegment]
    usage: DurationUsage


def transcription(transcript: Transcript, *, with_logprobs: bool = False) -> Transcription:
    """Return the answer with response_format=json: the text, and the tokens' log probabilities if ``with_logprobs``."""
    body: Transcription = {
        "text": transcript.text,
        "languages": languages(transcript),
        "usage": duration_usage(transcript),
    }
    if with_logprobs:
        body["logprobs"] = logprobs(transcript.segments)
    return body


def verbose(transcript: Transcript, *, with_segments: bool = True, with_words: bool = False) -> VerboseTranscription:
    """Return the answer with response_format=verbose_json: text with times, as OpenAI's whisper-1 gives it.

    The language of a translation is always English.
    """
    body: VerboseTranscription = {
        "task": transcript.task,
        "language": "english" if transcript.task == "translate" else language_name(transcript.language),
        "duration": seconds(transcript.duration),
        "text": transcript.text,
        "usage": duration_usage(transcript),
    }
    if with_words:
        body["words"] = [{"word": w.text, "start": seconds(w.start), "end": seconds(w.end)} for w in transcript.words]
    if with_segments:
        several = len(transcript.languages) > 1
        body["segments"] = [_verbose_segment(segment, with_language=several) for segment in transcript.segments]
    return body


def diarized(transcript: Transcript) -> DiarizedTranscription:
    """Return the answer with response_format=diarized_json: segments with their speakers."""
    return {
        "task": "transcribe",
        "duration": seconds(transcript.duration),
        "text": transcript.text,
        "segments": diarized_segments(transcript.segments),
        "usage": duration_usage(transcript),
    }


def diarized_segments(segments: Iterable[Segment]) -> list[DiarizedSegment]:
    """Convert segments to OpenAI's diarized ones, whose speakers are A, B, ... in the order of their first words."""
    names: dict[str | None, str] = {None: UNKNOWN_SPEAKER}
    return [
        {
            "type": "transcript.text.segment",
            "id": str(segment.id),
            "start": seconds(segment.start),
            "end": seconds(segment.end),
            "speaker": names.setdefault(segment.speaker, _letters(len(names) - 1)),
            "text": segment.text,
        }
        for segment in segments
    ]


def duration_usage(transcript: Transcript) -> DurationUsage:
    """Return the seconds of audio as the ``usage`` of an answer."""
    return {"type": "duration", "seconds": seconds(transcript.duration)}


def token_usage(transcript: Transcript) -> TokenUsage:
    """Return the numbers of tokens as the ``usage``, which OpenAI's type requires at the end of a stream."""
    return {
        "type": "tokens",
        "input_tokens": transcript.input_tokens,
        "output_tokens": transcript.output_tokens,
        "total_tokens": transcript.input_tokens + transcript.output_tokens,
    }


def languages(transcript: Transcript) -> list[LanguageEntry]:
    """Return the transcript's languages, the main one first; the list is empty if nothing was said."""
    codes = [each.code for each in transcript.languages] or [transcript.language]
    return [{"code": code} for code in codes] if transcript.text else []


def logprobs(segments: Iterable[Segment]) -> list[Logprob]:
    """Return the log probability of every token of the segments, in order."""
    return [_logprob(score) for segment in segments for score in segment.logprobs]


def _logprob(score: TokenScore) -> Logprob:
    return {"token": score.text, "bytes": list(score.data), "logprob": score.logprob}


def _verbose_segment(segment: Segment, *, with_language: bool) -> VerboseSegment:
    entry: VerboseSegment = {
        "id": segment.id,
        "seek": segment.seek,
        "start": seconds(segment.start),
        "end": seconds(segment.end),
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
    }
    if with_language:
        entry["language"] = segment.language
    return entry


def _letters(index: int) -> str:
    """Return A ... Z, AA, AB ... for 0, 1, ..., as a spreadsheet names its columns."""
    rest, letter = divmod(index, len(ascii_uppercase))
    return (_letters(rest - 1) if rest else "") + ascii_uppercase[letter]
