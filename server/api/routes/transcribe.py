"""POST /transcribe: this server's own route, with everything it knows about the transcript."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field

from server.api import openapi
from server.api.input.fields import Choices, Language, SpeakerCount, check_speakers, parse, require_diarization
from server.api.input.uploads import UploadedAny
from server.api.output import sse
from server.api.output.client import JobId, TheEngine, TheSettings
from server.api.output.headers import answer_headers
from server.api.output.headers_first import answer
from server.engine.contract import Job
from server.errors import EngineFailure, InvalidInput
from server.formats import Answer, AnswerFormat, render
from server.formats.answer import answer as whole_answer
from server.formats.answer import segment_entry
from server.settings.load import Settings
from server.transcript import DiarizeOptions, Event, Finished, Options, Progress, SegmentReady, Transcript

routes = APIRouter(tags=["transcribe"])


class TranscribeForm(Choices):
    """Every field is honoured; one that is not listed here is refused."""

    model_config = ConfigDict(extra="forbid")

    language: Language = Field(None, description="ISO 639-1 code or English name; heard if left out, or `auto`.")
    task: Literal["transcribe", "translate"] = Field("transcribe", description="translate: into English.")
    response_format: AnswerFormat = Field("json", description="Shape of the answer.")
    stream: bool = Field(
        False, description="Server-sent events: progress, segments, and the whole answer; `json` only."
    )
    enable_diarization: bool = Field(False, description="Tell speakers apart.")
    min_speakers: SpeakerCount | None = Field(None, description="With enable_diarization: least number of speakers.")
    max_speakers: SpeakerCount | None = Field(None, description="With enable_diarization: largest number of speakers.")
    vad_filter: bool | None = Field(None, description="Skip what is not speech; true if left out.")
    enable_vad: bool | None = Field(None, description="The same as vad_filter.")

    def options(self, settings: Settings) -> Options:
        """Raises InvalidInput where fields do not go together, or ask for what this server does not have."""
        if self.enable_diarization:
            require_diarization(settings, "enable_diarization")
        check_speakers(self.min_speakers, self.max_speakers)
        if self.stream and self.response_format != "json":
            raise InvalidInput("stream goes with response_format json only.", param="stream")
        return Options(
            model=self.model,
            task=self.task,
            language=self.language,
            prompt=self.prompt,
            hotwords=self.hotwords,
            temperature=self.single_temperature,
            beam_size=self.beam_size,
            vad=self._vad(),
            align=self.align,
            diarize=DiarizeOptions(self.min_speakers, self.max_speakers) if self.enable_diarization else None,
        )

    def _vad(self) -> bool:
        given = {value for value in (self.vad_filter, self.enable_vad) if value is not None}
        if len(given) > 1:
            raise InvalidInput("vad_filter and enable_vad mean the same, but differ.", param="enable_vad")
        return given.pop() if given else True


@routes.post(
    "/transcribe",
    summary="Transcribe a recording",
    response_class=Response,
    responses=openapi.transcribed(Answer, *openapi.TEXT_TYPES.values(), openapi.EVENT_STREAM)
    | openapi.failures(400, 401, 404, 408, 413, 429, 500, 503, 504),
    openapi_extra=openapi.form_or_raw_body(TranscribeForm, {"language": "en"}),
)
async def transcribe(
    request: Request, upload: UploadedAny, engine: TheEngine, settings: TheSettings, job_id: JobId
) -> Response:
    """Send the recording as the form field `file`, or as the body itself with the options in the query string."""
    form = parse(TranscribeForm, upload.fields)
    job = Job(job_id, upload.path, form.options(settings))
    events = upload.progress.watch(engine.transcribe(job))
    if form.stream:
        return await sse.stream(_messages(events, job), request, {})
    media_type = openapi.media_type(form.response_format)

    def respond(transcript: Transcript) -> Response:
        headers = answer_headers(transcript, upload.seconds)
        return Response(render(transcript, job, form.response_format), media_type=media_type, headers=headers)

    return await answer(request, events, respond, media_type)


async def _messages(events: AsyncGenerator[Event, None], job: Job) -> AsyncGenerator[sse.Message, None]:
    """Speakers are known at the end only: they are in the last message, not in the segments before."""
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
                    yield {"type": "done", "transcript": whole_answer(transcript, job)}
                    return
    raise EngineFailure("The engine ended without an answer.")
