"""The form fields of POST /transcribe."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from server.api.input.fields import (
    CANDIDATES,
    Candidate,
    Language,
    SpeakerCount,
    check_channels,
    check_speakers,
    known_or_candidates,
    require_diarization,
    subtitle_alignment,
)
from server.api.input.form import Form
from server.errors import InvalidInput
from server.formats import AnswerFormat
from server.settings.load import Settings
from server.transcript import DiarizeOptions, Options


class TranscribeForm(Form):
    """The fields of POST /transcribe. Every field is honoured, and a field that is not listed here is refused."""

    model_config = ConfigDict(extra="forbid")

    language: Language = Field(None, description="ISO 639-1 code or English name; detected if left out, or `auto`.")
    languages: tuple[Candidate, ...] = Field((), description=CANDIDATES)
    task: Literal["transcribe", "translate"] = Field("transcribe", description="translate: into English.")
    response_format: AnswerFormat = Field("json", description="Shape of the answer.")
    stream: bool = Field(
        False, description="Server-sent events: progress, segments, and the whole answer; `json` only."
    )
    enable_diarization: bool = Field(False, description="Label segments and words with speakers.")
    min_speakers: SpeakerCount | None = Field(None, description="With enable_diarization: least number of speakers.")
    max_speakers: SpeakerCount | None = Field(None, description="With enable_diarization: largest number of speakers.")
    vad_filter: bool | None = Field(None, description="Skip audio that is not speech; true if left out.")
    enable_vad: bool | None = Field(None, description="The same as vad_filter.")

    def options(self, settings: Settings) -> Options:
        """Return the transcription options that the fields ask for.

        Raises InvalidInput if fields contradict each other or ask for something that this server does not have.
        """
        if self.enable_diarization:
            check_channels(self.channels, "enable_diarization")
            require_diarization(settings, "enable_diarization")
        check_speakers(self.min_speakers, self.max_speakers)
        if self.stream and self.response_format != "json":
            raise InvalidInput("stream goes with response_format json only.", param="stream")
        language, languages = known_or_candidates(self.language, self.languages)
        return Options(
            model=self.model,
            task=self.task,
            language=language,
            languages=languages,
            prompt=self.prompt,
            hotwords=self.hotwords,
            temperature=self.single_temperature,
            beam_size=self.beam_size,
            audio=self.audio,
            vad=self._vad(),
            align=subtitle_alignment(self.layout, self.response_format, self.align, settings),
            diarize=DiarizeOptions(self.min_speakers, self.max_speakers) if self.enable_diarization else None,
        )

    def _vad(self) -> bool:
        given = {value for value in (self.vad_filter, self.enable_vad) if value is not None}
        if len(given) > 1:
            raise InvalidInput("vad_filter and enable_vad mean the same, but differ.", param="enable_vad")
        return given.pop() if given else True
