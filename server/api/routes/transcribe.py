"""POST /transcribe: this server's own route, which answers with everything that is known about the transcript."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter, Request, Response

from server.api import openapi
from server.api.dependencies import EngineDep, SettingsDep
from server.api.input.transcribe_form import TranscribeForm
from server.api.input.uploads import AnyUploadDep
from server.api.output import sse
from server.api.output.headers import answer_headers
from server.api.output.transcript_response import transcript_response
from server.engine.contract import Job
from server.errors import EngineFailure
from server.formats import Answer, answer, render
from server.formats.answer import segment_entry
from server.transcript import Event, Finished, Progress, SegmentReady, Transcript

routes = APIRouter(tags=["transcribe"])


@routes.post(
    "/transcribe",
    summary="Transcribe a recording",
    response_class=Response,
    responses=openapi.transcribed(Answer, *openapi.TEXT_TYPES.values(), openapi.EVENT_STREAM)
    | openapi.failures(400, 401, 404, 408, 413, 429, 500, 503, 504),
    openapi_extra=openapi.form_or_raw_body(TranscribeForm, {"language": "en"}),
)
async def transcribe(request: Request, upload: AnyUploadDep, engine: EngineDep, settings: SettingsDep) -> Response:
    """Transcribe a recording: the form field `file`, or the body itself with the options in the query string.

    curl http://localhost:9000/transcribe -F file=@speech.wav -F language=en
    """
    form = TranscribeForm.parse(upload.fields)
    job = upload.job(form.options(settings))
    events = upload.progress.watch(engine.transcribe(job))
    if form.stream:
        return await sse.stream(_messages(events, job), request, {})
    media_type = openapi.media_type(form.response_format)

    def render_response(transcript: Transcript) -> Response:
        headers = answer_headers(transcript, upload.seconds)
        return Response(
            render(transcript, job, form.response_format, form.layout), media_type=media_type, headers=headers
        )

    return await transcript_response(request, events, render_response, media_type)


async def _messages(events: AsyncGenerator[Event, None], job: Job) -> AsyncGenerator[sse.Message, None]:
    """Yield the messages of a streamed answer: progress, each segment, and at the end the whole transcript.

    Only the last message has speakers, which are not known before the end.
    """
    async with aclosing(events):
        async for event in events:
            match event:
                case Progress(done, total, stage):
                    yield {
                        "type": "progress",
                        "stage": stage,
                        "audio_seconds_done": done,
                        "audio_seconds_total": total,
                    }
                case SegmentReady(segment):
                    yield {"type": "segment", "segment": segment_entry(segment)}
                case Finished(transcript):
                    yield {"type": "done", "transcript": answer(transcript, job)}
                    return
    raise EngineFailure("The engine ended without an answer.")
