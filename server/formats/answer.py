"""The JSON answer of POST /transcribe and of ``--format json``."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads typing.TypedDict only from Python 3.12 on

from server.engine.contract import Job
from server.formats.rounding import milliseconds, ratio, seconds, seconds_of_stages
from server.transcript import Segment, StageTime, Transcript, Word

DEMO_NOTICE = (
    "This text comes from the embedded demonstration model, which shows that the server works and is no "
    "general speech recognizer. Set model.name to a Whisper model for real use."
)
STAND_IN_NOTICE = (
    "This text comes from the embedded demonstration model, which turns most speech into nonsense, because the default "
    "model is not here. {why}"
)


class WordEntry(TypedDict):
    """A word in the JSON answer; times in seconds."""

    word: str
    start: float
    end: float
    score: Annotated[float | None, Field(description="The aligner's confidence in 0..1, or null.")]
    interpolated: Annotated[bool, Field(description="The times were interpolated between the neighbours.")]
    speaker: NotRequired[str]


class SegmentEntry(TypedDict):
    """A stretch of text in the JSON answer, usually a sentence; times in seconds."""

    id: int
    start: float
    end: float
    text: str
    language: Annotated[str, Field(description="Whisper's code of the language in which the segment was decoded.")]
    speaker: NotRequired[str]
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    temperature: float
    words: list[WordEntry]


class StageEntry(TypedDict):
    """The measured wall time of one stage, in milliseconds, and the device that really ran it."""

    stage: str
    device: str
    ms: float
    reason: NotRequired[Annotated[str, Field(description="The reason for this device, if there was a choice.")]]


class LanguageSeconds(TypedDict):
    """A language of the recording, and the seconds of the segments in it."""

    code: str
    seconds: float


class Speakers(TypedDict):
    """The speakers that diarization found."""

    count: int
    labels: list[str]


class Answer(TypedDict):
    """The JSON answer of POST /transcribe: everything that is known about one transcription."""

    text: str
    segments: list[SegmentEntry]
    language: Annotated[str, Field(description="Whisper's code of the main language, spoken or given.")]
    language_probability: float
    languages: Annotated[list[LanguageSeconds], Field(description="All languages of the text, the main one first.")]
    duration: Annotated[float, Field(description="Seconds of decoded audio.")]
    processing_time: Annotated[float, Field(description="Seconds from decoding to the last stage.")]
    realtime_factor: Annotated[float, Field(description="processing_time / duration; below 1 is faster than speech.")]
    stages: list[StageEntry]
    model: Annotated[str, Field(description="The model that ran.")]
    demo: Annotated[bool, Field(description="Whether that is the embedded demonstration model.")]
    notice: NotRequired[Annotated[str, Field(description="Present for the demonstration model: what to expect.")]]
    warnings: Annotated[list[str], Field(description="Parts of the request that were not done as asked, and why.")]
    diarization_enabled: bool
    speakers: Speakers
    vad_filter: bool
    job_id: Annotated[
        str, Field(description="Unique id of this request; the header X-Request-Id, unless the client chose that.")
    ]
    npu_mel_time: Annotated[
        float | None, Field(description="Seconds of the mel stage if it really ran on an NPU, else null.")
    ]


def answer(transcript: Transcript, job: Job) -> Answer:
    """Return the JSON answer for a transcript; the request's id and its options come from ``job``."""
    entry: Answer = {
        "text": transcript.text,
        "segments": [segment_entry(segment) for segment in transcript.segments],
        "language": transcript.language,
        "language_probability": transcript.language_probability,
        "languages": [{"code": each.code, "seconds": seconds(each.seconds)} for each in transcript.languages],
        "duration": seconds(transcript.duration),
        "processing_time": seconds(transcript.processing_time),
        "realtime_factor": ratio(transcript.realtime_factor),
        "stages": [stage_entry(stage) for stage in transcript.stages],
        "model": transcript.model,
        "demo": transcript.demo,
        "warnings": list(transcript.warnings),
        "diarization_enabled": job.options.diarize is not None,
        "speakers": {"count": len(transcript.speakers), "labels": list(transcript.speakers)},
        "vad_filter": job.options.vad,
        "job_id": job.id,
        "npu_mel_time": npu_mel_seconds(transcript.stages),
    }
    if remark := notice(transcript):
        entry["notice"] = remark
    return entry


def notice(transcript: Transcript) -> str | None:
    """Return the notice that goes with a transcript of the demonstration model, None for other models."""
    if transcript.stand_in:
        return STAND_IN_NOTICE.format(why=transcript.stand_in)
    return DEMO_NOTICE if transcript.demo else None


def npu_mel_seconds(stages: tuple[StageTime, ...]) -> float | None:
    """Return the seconds of the mel stage on a real NPU; None if another device or a simulated NPU ran it."""
    times = [stage.ms for stage in stages if stage.stage == "mel" and stage.device == "npu"]
    return seconds_of_stages(sum(times)) if times else None


def stage_entry(stage: StageTime) -> StageEntry:
    """Convert the time of a stage to its object in the JSON answer."""
    entry: StageEntry = {"stage": stage.stage, "device": stage.device, "ms": milliseconds(stage.ms)}
    if stage.reason is not None:
        entry["reason"] = stage.reason
    return entry


def segment_entry(segment: Segment) -> SegmentEntry:
    """Convert a segment to its object in the JSON answer."""
    entry: SegmentEntry = {
        "id": segment.id,
        "start": seconds(segment.start),
        "end": seconds(segment.end),
        "text": segment.text,
        "language": segment.language,
        "avg_logprob": segment.avg_logprob,
        "no_speech_prob": segment.no_speech_prob,
        "compression_ratio": segment.compression_ratio,
        "temperature": segment.temperature,
        "words": [_word(word) for word in segment.words],
    }
    if segment.speaker is not None:
        entry["speaker"] = segment.speaker
    return entry


def _word(word: Word) -> WordEntry:
    entry: WordEntry = {
        "word": word.text,
        "start": seconds(word.start),
        "end": seconds(word.end),
        "score": word.score,
        "interpolated": word.interpolated,
    }
    if word.speaker is not None:
        entry["speaker"] = word.speaker
    return entry
