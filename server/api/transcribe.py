"""POST /transcribe: this server's own route, with everything it knows about the transcript."""

from __future__ import annotations

import asyncio
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field

from server.api import openapi
from server.api.forms import Choices, Language, SpeakerCount, check_speakers, parse, require_diarization
from server.api.headers import answer_headers
from server.api.jobs import RequestId, TheEngine, TheSettings, run
from server.api.uploads import UploadedAny
from server.engine import Job
from server.errors import InvalidInput
from server.formats import Answer, AnswerFormat, render
from server.pipeline.types import DiarizeOptions, Options
from server.settings import Settings

routes = APIRouter(tags=["transcribe"])


class TranscribeForm(Choices):
    """Every field is honoured; one that is not listed here is refused."""

    model_config = ConfigDict(extra="forbid")

    language: Language = Field(None, description="ISO 639-1 code or English name; heard if left out, or `auto`.")
    task: Literal["transcribe", "translate"] = Field("transcribe", description="translate: into English.")
    response_format: AnswerFormat = Field("json", description="Shape of the answer.")
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
    responses=openapi.transcribed(Answer, *openapi.TEXT_TYPES.values())
    | openapi.failures(400, 404, 413, 429, 500, 503),
    openapi_extra=openapi.form_or_raw_body(TranscribeForm, {"language": "en"}),
)
async def transcribe(
    request: Request, upload: UploadedAny, engine: TheEngine, settings: TheSettings, request_id: RequestId
) -> Response:
    """Send the recording as the form field `file`, or as the body itself with the options in the query string."""
    form = parse(TranscribeForm, upload.fields)
    job = Job(request_id, upload.path, form.options(settings))
    transcript = await run(engine, job, request)
    return Response(
        await asyncio.to_thread(render, transcript, job, form.response_format),
        media_type=openapi.TEXT_TYPES.get(form.response_format, "application/json"),
        headers=answer_headers(transcript),
    )
