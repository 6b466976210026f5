"""Transcription of one file in the calling thread, for the command line, benchmarks and tests."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from math import inf
from pathlib import Path

from server.pipeline import batches
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.session import Delivered, Session
from server.pipeline.work import Work
from server.transcript import Event, Finished, Options, Progress, SegmentReady


def transcribe(model: LoadedModel, source: Path, options: Options, *, max_seconds: float = inf) -> Iterator[Event]:
    """Transcribe a file and yield its events; closing the iterator stops the work before the next batch of windows.

    The events are a SegmentReady for every segment in the order of the recording, a Progress after the segments of each
    window, and Finished with the whole transcript at the end. A batch has ``decode.batch_size`` windows.

    Raises InvalidInput or ModelUnavailable before the first event if the model cannot do what ``options`` ask for;
    UnsupportedMedia, or TooLarge for more than ``max_seconds`` of audio, while the file is read.

        model = LoadedModel("demo", DEMO_DIR, StageSettings())
        for event in transcribe(model, Path("talk.mp3"), Options(language="en")):
            if isinstance(event, SegmentReady):
                print(event.segment.start, event.segment.text)
    """
    session = Session.open(model, source, options, max_seconds=max_seconds)
    try:
        for batch in _batched(_windows(session), model.settings.decode.batch_size):
            for delivered in _computed(model, session, batch):
                yield from map(SegmentReady, delivered.segments)
                yield Progress(round(delivered.end, 3), session.duration, "decoder")
        yield Finished(session.finish())
    finally:
        session.close()


def _windows(session: Session) -> Iterator[Work]:
    while (works := session.read()) is not None:
        yield from works


def _batched(works: Iterator[Work], size: int) -> Iterator[list[Work]]:
    while batch := list(islice(works, size)):
        yield batch


def _computed(model: LoadedModel, session: Session, works: list[Work]) -> list[Delivered]:
    while works:
        while waiting := [work for work in works if work.waits_for_encoder]:
            batches.encode(model, waiting)
            for work in waiting:
                session.prepare(work)
            batches.decode_completely(model, waiting)
        works = session.complete(works)
    return session.deliver()
