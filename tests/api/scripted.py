"""An engine that plays a script, for events that are rare in a real one: failures midway, hangs, a full queue."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace

from server.engine.contract import EngineStatus, Job, ModelCard, Observer
from server.errors import ModelNotFound
from server.transcript import (
    Event,
    Finished,
    Progress,
    Segment,
    SegmentReady,
    StageChoice,
    StageTime,
    TokenScore,
    Transcript,
    Word,
)


@dataclass(frozen=True, slots=True)
class Hang:
    """A step of a ScriptedEngine that never ends; its event ``closed`` is set when the generator is closed."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A step of a ScriptedEngine that only waits."""

    seconds: float


Step = Event | Exception | Hang | Pause

WORDS = (
    Word("The", 0.1, 0.3, 0.9),
    Word("quick", 0.3, 0.6, 0.8),
    Word("fox.", 0.6, 1.0, 0.7),
    Word("It", 1.9996, 2.1, 0.9),
    Word("cost", 2.1, 2.5, 0.9),
    Word("$43,000", 2.5, 3.1, None, interpolated=True),
    Word("<b>&", 3.1, 3.2),
    Word("-->", 3.2, 3.4),
)
SEGMENTS = (
    Segment(
        id=0,
        start=0.1,
        end=1.0,
        text=" The quick fox.",
        tokens=(383, 2068, 21831, 13),
        avg_logprob=-0.25,
        compression_ratio=1.2,
        no_speech_prob=0.01,
        temperature=0.0,
        seek=0,
        words=WORDS[:3],
        logprobs=(TokenScore(" The", b" The", -0.1), TokenScore(" qu\ufffd", b" qu\xc3", -0.2)),
    ),
    Segment(
        id=1,
        start=1.9996,
        end=3.4,
        text=" It cost $43,000 <b>& -->",
        tokens=(632, 1575),
        avg_logprob=-0.5,
        compression_ratio=1.1,
        no_speech_prob=0.02,
        temperature=0.2,
        seek=3000,
        words=WORDS[3:],
        logprobs=(TokenScore(" It", b" It", -0.3),),
    ),
)
TRANSCRIPT = Transcript(
    text="The quick fox. It cost $43,000 <b>& -->",
    segments=SEGMENTS,
    language="en",
    language_probability=0.98,
    duration=3.5,
    processing_time=0.7,
    model="tiny-model",
    stages=(StageTime("mel", "cpu", 1.5), StageTime("encoder", "cpu", 20.0)),
    input_tokens=4,
    output_tokens=6,
)
SILENCE = replace(TRANSCRIPT, text="", segments=(), duration=2.0, output_tokens=0)
SPOKEN = replace(
    TRANSCRIPT,
    segments=(replace(SEGMENTS[0], speaker="SPEAKER_01"), replace(SEGMENTS[1], speaker="SPEAKER_00")),
    speakers=("SPEAKER_00", "SPEAKER_01"),
)
DEMO = replace(TRANSCRIPT, model="demo", demo=True)

READY = EngineStatus(
    state="ready",
    default_model="tiny-model",
    models=(
        ModelCard("tiny-model", 1_700_000_000, "openai", True, False, True, ("whisper-1", "gpt-4o-transcribe")),
        ModelCard("org/name-large", 1_700_000_001, "org", False, False, True),
        ModelCard("demo", 1_700_000_002, "whisperx-npu", False, True, False),
    ),
    stages=(StageChoice("mel", "cpu", "no NPU: /dev/accel/accel0 does not exist"),),
    warm_up=(StageTime("encoder", "cpu", 12.5),),
    queued=2,
    running=1,
    notes=("a note",),
)


def steps(transcript: Transcript) -> list[Step]:
    """Return the steps of a transcription without a failure: progress, each segment, and the transcript."""
    segments: Sequence[Segment] = [replace(segment, speaker=None) for segment in transcript.segments]
    return [Progress(0.0, transcript.duration, "decode"), *map(SegmentReady, segments), Finished(transcript)]


class ScriptedEngine:
    """An engine for tests that plays ``steps`` for every job, and keeps the jobs and the bytes of their files.

    ``reason`` is the text that says why the demo model stands in for the default one, None if it does not.
    """

    def __init__(self) -> None:
        self.reset()
        self.observers: list[Observer] = []

    def observe(self, observer: Observer) -> None:
        self.observers.append(observer)

    def reset(self) -> None:
        self.steps: list[Step] = steps(TRANSCRIPT)
        self.state = READY
        self.reason: str | None = None
        self.jobs: list[Job] = []
        self.bytes: list[bytes] = []
        self.hanging = threading.Event()
        self.closed = threading.Event()
        self.started = False

    async def start(self) -> None:
        self.started = True

    async def stop(self) -> None:
        self.started = False

    def stand_in(self) -> str | None:
        return self.reason

    def status(self) -> EngineStatus:
        return self.state

    async def transcribe(self, job: Job) -> AsyncGenerator[Event, None]:
        self.jobs.append(job)
        self.bytes.append(await asyncio.to_thread(job.path.read_bytes))
        known = {name for card in self.state.models for name in (card.id, *card.aliases)}
        if job.options.model is not None and job.options.model not in known:
            raise ModelNotFound(f"The model {job.options.model!r} is not on this server.", param="model")
        try:
            for step in self.steps:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, Hang):
                    self.hanging.set()
                    await asyncio.Event().wait()
                elif isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                else:
                    yield step
        finally:
            self.closed.set()
