"""The forms of OpenAI's audio routes: its fields, and this server's own. Unknown fields are ignored, as OpenAI does."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from server.api.input.fields import (
    CANDIDATES,
    Candidate,
    Language,
    Milliseconds,
    SpeakerCount,
    Text,
    check_speakers,
    known_or_candidates,
    require_diarization,
    subtitle_alignment,
)
from server.api.input.form import Form, without_null
from server.errors import InvalidInput
from server.settings.load import Settings
from server.transcript import AlignMethod, DiarizeOptions, Options

TranslationFormat = Literal["json", "text", "srt", "verbose_json", "vtt"]
TranscriptionFormat = Literal[TranslationFormat, "diarized_json"]
STREAMED = ("json", "diarized_json")


class Chunking(BaseModel):
    """OpenAI's ``chunking_strategy``: how speech is detected. ``auto`` leaves every number as configured."""

    model_config = ConfigDict(frozen=True)

    type: Literal["auto", "server_vad"]
    threshold: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    silence_duration_ms: Milliseconds | None = None
    prefix_padding_ms: Milliseconds | None = None


def _chunking(value: object) -> object:
    """Convert ``chunking_strategy`` as sent to the fields of ``Chunking``.

    OpenAI's client sends ``auto`` or keys in brackets, and an HTML form may send a JSON object.
    """
    if isinstance(value, str) and value.startswith("{"):
        return json.loads(value)
    return {"type": value} if isinstance(value, str) else value


CHUNKING_SCHEMA = {
    "anyOf": [
        {"type": "string", "enum": ["auto"]},
        {
            "type": "object",
            "required": ["type"],
            "properties": {
                name: without_null(entry) for name, entry in Chunking.model_json_schema()["properties"].items()
            },
        },
    ]
}


class OpenAITranslationForm(Form):
    """The fields of POST /v1/audio/translations."""

    response_format: TranslationFormat = Field("json", description="Shape of the answer.")
    vad: bool = Field(True, description="Skip audio that is not speech.")

    def options(self, settings: Settings) -> Options:
        """Return the transcription options that the fields ask for.

        Raises InvalidInput if fields contradict each other.
        """
        align = subtitle_alignment(self.layout, self.response_format, self.align, settings)
        return Options(
            model=self.model,
            task="translate",
            prompt=self.prompt,
            hotwords=self.hotwords,
            temperature=self.single_temperature,
            beam_size=self.beam_size,
            audio=self.audio,
            vad=self.vad,
            align=align or ("off" if self.response_format in ("json", "text") else None),
        )


class OpenAITranscriptionForm(Form):
    """The fields of POST /v1/audio/transcriptions."""

    response_format: TranscriptionFormat = Field("json", description="Shape of the answer.")
    language: Language = Field(None, description="ISO 639-1 code or English name; detected if left out, or `auto`.")
    languages: tuple[Candidate, ...] = Field((), description=CANDIDATES)
    keywords: tuple[Text, ...] = Field((), description="Words and names to expect, one per field.")
    timestamp_granularities: tuple[Literal["word", "segment"], ...] = Field(
        (), description="With verbose_json: which times to give; segment if left out."
    )
    include: tuple[Literal["logprobs"], ...] = Field((), description="With json: log probabilities of the tokens.")
    stream: bool = Field(False, description="Server-sent events; with json or diarized_json.")
    chunking_strategy: Annotated[Chunking | None, BeforeValidator(_chunking), WithJsonSchema(CHUNKING_SCHEMA)] = Field(
        None, description="`auto`, or an object of type `server_vad`; prefix_padding_ms pads both sides of speech."
    )
    known_speaker_names: tuple[str, ...] = Field((), description="Refused: speakers are not matched with samples yet.")
    known_speaker_references: tuple[str, ...] = Field((), description="Refused, as known_speaker_names.")
    vad: bool = Field(True, description="Skip audio that is not speech.")
    min_speakers: SpeakerCount | None = Field(None, description="With diarized_json: least number of speakers.")
    max_speakers: SpeakerCount | None = Field(None, description="With diarized_json: largest number of speakers.")

    def options(self, settings: Settings) -> Options:
        """Return the transcription options that the fields ask for.

        Raises InvalidInput if fields contradict each other or ask for something that this server does not have.
        """
        self._check()
        diarize = self.diarized and self.channels != "split"
        if diarize:
            require_diarization(settings, "response_format")
        language, languages = known_or_candidates(self.language, self.languages)
        chunking = self.chunking_strategy
        return Options(
            model=self.model,
            language=language,
            languages=languages,
            prompt=self.prompt,
            hotwords=", ".join(filter(None, (self.hotwords, *self.keywords))) or None,
            temperature=self.single_temperature,
            beam_size=self.beam_size,
            audio=self.audio,
            vad=self.vad,
            vad_threshold=chunking.threshold if chunking else None,
            vad_min_silence_ms=chunking.silence_duration_ms if chunking else None,
            vad_pad_ms=chunking.prefix_padding_ms if chunking else None,
            align=self._align(settings),
            diarize=DiarizeOptions(self.min_speakers, self.max_speakers) if diarize else None,
            token_logprobs=bool(self.include),
        )

    @property
    def diarized(self) -> bool:
        return self.response_format == "diarized_json"

    @property
    def with_words(self) -> bool:
        return "word" in self.timestamp_granularities

    @property
    def with_segments(self) -> bool:
        return not self.timestamp_granularities or "segment" in self.timestamp_granularities

    def _check(self) -> None:
        if self.timestamp_granularities and self.response_format != "verbose_json":
            raise _only_with("timestamp_granularities", "verbose_json")
        if self.with_words and self.align == "off":
            raise InvalidInput("align = 'off' leaves the words without times.", param="align")
        if self.include and self.response_format != "json":
            raise _only_with("include", "json")
        if self.stream and self.response_format not in STREAMED:
            raise _only_with("stream", " or ".join(STREAMED))
        if self.chunking_strategy and not self.vad:
            raise InvalidInput("vad = false leaves nothing to cut by.", param="chunking_strategy")
        if self.known_speaker_names or self.known_speaker_references:
            raise InvalidInput(
                "This server cannot match speakers with names or samples.",
                param="known_speaker_names" if self.known_speaker_names else "known_speaker_references",
                cure="Leave known_speaker_names and known_speaker_references out; speakers are then A, B, ...",
            )
        check_speakers(self.min_speakers, self.max_speakers)

    def _align(self, settings: Settings) -> AlignMethod | None:
        """Return the method of word alignment; None means the configured one.

        The method is "off" if the answer shows no times, and it is not left "off" if the client asks for words.
        """
        align = subtitle_alignment(self.layout, self.response_format, self.align, settings)
        if align is None and self.response_format in ("json", "text"):
            return "off"
        if align is None and self.with_words and settings.align.method == "off":
            return "auto"
        return align


def _only_with(field: str, formats: str) -> InvalidInput:
    return InvalidInput(f"{field} needs response_format={formats}.", param=field)
