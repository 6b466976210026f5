"""OpenAI's audio routes: /v1/audio/transcriptions and /v1/audio/translations."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable

from fastapi import APIRouter, Request, Response

from server.api import openapi
from server.api.input.fields import parse
from server.api.input.openai_fields import TranscriptionForm, TranslationForm
from server.api.input.uploads import UploadedForm
from server.api.output import openai_events, sse
from server.api.output.client import JobId, TheEngine, TheSettings
from server.api.output.headers import answer_headers, model_headers
from server.api.output.headers_first import answer
from server.api.routes.openai_models import find_card
from server.engine.contract import Engine, Job
from server.formats import openai, srt, vtt
from server.formats.render import plain_text
from server.transcript import Event, Transcript

routes = APIRouter(prefix="/v1/audio", tags=["OpenAI"])

Transcribed = openai.Transcription | openai.VerboseTranscription | openai.DiarizedTranscription
Translated = openai.Translation | openai.VerboseTranscription


@routes.post(
    "/transcriptions",
    summary="Transcribe, as OpenAI does",
    response_class=Response,
    responses=openapi.transcribed(Transcribed, *openapi.TEXT_TYPES.values(), openapi.EVENT_STREAM)
    | openapi.failures(400, 401, 404, 408, 413, 415, 429, 500, 503, 504),
    openapi_extra=openapi.form_body(TranscriptionForm, {"model": "whisper-1", "response_format": "verbose_json"}),
)
async def transcriptions(
    request: Request, upload: UploadedForm, engine: TheEngine, settings: TheSettings, job_id: JobId
) -> Response:
    """The wire format of OpenAI's clients: all its fields, all its formats, and streaming for every model."""
    form = parse(TranscriptionForm, upload.fields)
    job = Job(job_id, upload.path, form.options(settings))
    events = upload.progress.watch(engine.transcribe(job))
    if form.stream:
        return await _stream(form, job, events, engine, request)

    def respond(transcript: Transcript) -> Response:
        return _response(transcript, form.response_format, upload.seconds, lambda: _transcription(transcript, form))

    return await answer(request, events, respond, openapi.media_type(form.response_format))


@routes.post(
    "/translations",
    summary="Translate into English, as OpenAI does",
    response_class=Response,
    responses=openapi.transcribed(Translated, *openapi.TEXT_TYPES.values())
    | openapi.failures(400, 401, 404, 408, 413, 415, 429, 500, 503, 504),
    openapi_extra=openapi.form_body(TranslationForm, {"model": "whisper-1"}),
)
async def translations(
    request: Request, upload: UploadedForm, engine: TheEngine, settings: TheSettings, job_id: JobId
) -> Response:
    """Needs a multilingual model; what a model makes of speech in other languages is its own affair."""
    form = parse(TranslationForm, upload.fields)
    job = Job(job_id, upload.path, form.options(settings))
    events = upload.progress.watch(engine.transcribe(job))

    def respond(transcript: Transcript) -> Response:
        return _response(transcript, form.response_format, upload.seconds, lambda: _translation(transcript, form))

    return await answer(request, events, respond, openapi.media_type(form.response_format))


def _transcription(transcript: Transcript, form: TranscriptionForm) -> Transcribed:
    match form.response_format:
        case "verbose_json":
            return openai.verbose(transcript, with_segments=form.with_segments, with_words=form.with_words)
        case "diarized_json":
            return openai.diarized(transcript)
        case _:
            return openai.transcription(transcript, with_logprobs=bool(form.include))


def _translation(transcript: Transcript, form: TranslationForm) -> Translated:
    return openai.verbose(transcript) if form.response_format == "verbose_json" else {"text": transcript.text}


def _response(
    transcript: Transcript, response_format: str, upload_seconds: float, body: Callable[[], Transcribed | Translated]
) -> Response:
    """Writing hours of text takes a while: not for the event loop."""
    match response_format:
        case "text":
            content = plain_text(transcript)
        case "srt":
            content = srt(transcript.segments)
        case "vtt":
            content = vtt(transcript.segments)
        case _:
            content = json.dumps(body(), ensure_ascii=False, allow_nan=False)
    headers = answer_headers(transcript, upload_seconds)
    return Response(content, media_type=openapi.media_type(response_format), headers=headers)


async def _stream(
    form: TranscriptionForm, job: Job, events: AsyncGenerator[Event, None], engine: Engine, request: Request
) -> Response:
    messages = openai_events.messages(events, diarized=form.diarized, with_logprobs=job.options.token_logprobs)
    status = engine.status()
    card = find_card(status, job.options.model)
    model, demo = (card.id, card.demo) if card else (status.default_model, False)  # not here yet: it is being pulled
    return await sse.stream(messages, request, model_headers(model, demo=demo))
