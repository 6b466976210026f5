"""OpenAI's audio routes: /v1/audio/transcriptions and /v1/audio/translations."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable

from fastapi import APIRouter, Request, Response

from server.api import openapi
from server.api.dependencies import EngineDep, SettingsDep
from server.api.input.openai_forms import OpenAITranscriptionForm, OpenAITranslationForm
from server.api.input.uploads import MultipartUploadDep
from server.api.output import openai_events, sse
from server.api.output.headers import answer_headers, model_headers
from server.api.output.transcript_response import transcript_response
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
    openapi_extra=openapi.form_body(OpenAITranscriptionForm, {"model": "whisper-1", "response_format": "verbose_json"}),
)
async def transcriptions(
    request: Request, upload: MultipartUploadDep, engine: EngineDep, settings: SettingsDep
) -> Response:
    """Transcribe in the wire format of OpenAI's clients: all its fields and formats, and streaming for every model.

    curl http://localhost:9000/v1/audio/transcriptions -F model=whisper-1 -F file=@speech.wav
    """
    form = OpenAITranscriptionForm.parse(upload.fields)
    job = upload.job(form.options(settings))
    events = upload.progress.watch(engine.transcribe(job))
    if form.stream:
        return await _stream(form, job, events, engine, request)

    def render(transcript: Transcript) -> Response:
        return _response(transcript, form, upload.seconds, lambda: _transcription(transcript, form))

    return await transcript_response(request, events, render, openapi.media_type(form.response_format))


@routes.post(
    "/translations",
    summary="Translate into English, as OpenAI does",
    response_class=Response,
    responses=openapi.transcribed(Translated, *openapi.TEXT_TYPES.values())
    | openapi.failures(400, 401, 404, 408, 413, 415, 429, 500, 503, 504),
    openapi_extra=openapi.form_body(OpenAITranslationForm, {"model": "whisper-1"}),
)
async def translations(
    request: Request, upload: MultipartUploadDep, engine: EngineDep, settings: SettingsDep
) -> Response:
    """Translate speech into English. This needs a multilingual model, and the quality depends on that model.

    curl http://localhost:9000/v1/audio/translations -F model=whisper-1 -F file=@speech.wav
    """
    form = OpenAITranslationForm.parse(upload.fields)
    job = upload.job(form.options(settings))
    events = upload.progress.watch(engine.transcribe(job))

    def render(transcript: Transcript) -> Response:
        return _response(transcript, form, upload.seconds, lambda: _translation(transcript, form))

    return await transcript_response(request, events, render, openapi.media_type(form.response_format))


def _transcription(transcript: Transcript, form: OpenAITranscriptionForm) -> Transcribed:
    match form.response_format:
        case "verbose_json":
            return openai.verbose(transcript, with_segments=form.with_segments, with_words=form.with_words)
        case "diarized_json":
            return openai.diarized(transcript)
        case _:
            return openai.transcription(transcript, with_logprobs=bool(form.include))


def _translation(transcript: Transcript, form: OpenAITranslationForm) -> Translated:
    return openai.verbose(transcript) if form.response_format == "verbose_json" else {"text": transcript.text}


def _response(
    transcript: Transcript,
    form: OpenAITranscriptionForm | OpenAITranslationForm,
    upload_seconds: float,
    body: Callable[[], Transcribed | Translated],
) -> Response:
    """Return the response with the transcript in the form's ``response_format``; ``body`` returns its JSON object.

    Callers run this in a thread, because writing hours of text would block the event loop.
    """
    match form.response_format:
        case "text":
            content = plain_text(transcript)
        case "srt":
            content = srt(transcript.segments, form.layout)
        case "vtt":
            content = vtt(transcript.segments, form.layout)
        case _:
            content = json.dumps(body(), ensure_ascii=False, allow_nan=False)
    headers = answer_headers(transcript, upload_seconds)
    return Response(content, media_type=openapi.media_type(form.response_format), headers=headers)


async def _stream(
    form: OpenAITranscriptionForm, job: Job, events: AsyncGenerator[Event, None], engine: Engine, request: Request
) -> Response:
    messages = openai_events.messages(events, diarized=form.diarized, with_logprobs=job.options.token_logprobs)
    status = engine.status()
    card = find_card(status, job.options.model)
    model, demo = (
        (card.id, card.demo) if card else (status.default_model, False)
    )  # no card: the model is still being pulled
    return await sse.stream(messages, request, model_headers(model, demo=demo))
