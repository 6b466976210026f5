"""The types that form fields share, and the checks that several forms need."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from server.errors import InvalidInput
from server.formats.languages import language_code
from server.machine.optional_packages import require_extra
from server.settings.load import Settings

MAX_TEXT = 16_384  # characters of prompt or hotwords; Whisper reads the last 223 tokens
MAX_BEAMS = 16
MAX_SPEAKERS = 50


def _language(value: object) -> object:
    """Convert a language as sent to Whisper's code, and ``auto`` to None, which means that the language is detected."""
    return None if value == "auto" else language_code(value) if isinstance(value, str) else value


Text = Annotated[str, Field(max_length=MAX_TEXT)]
Language = Annotated[str | None, BeforeValidator(_language)]
Candidate = Annotated[str, AfterValidator(language_code)]
Milliseconds = Annotated[int, Field(ge=0, le=30_000)]
SpeakerCount = Annotated[int, Field(ge=1, le=MAX_SPEAKERS)]


def require_diarization(settings: Settings, param: str) -> None:
    """Raise InvalidInput, with ``param`` and the cure, unless diarization is installed and configured."""
    require_extra("Diarization", param=param, kind=InvalidInput)
    if settings.diarize.model is None:
        raise InvalidInput(
            "This server tells no speakers apart.",
            param=param,
            cure="Set diarize.model to a pyannote pipeline (a local directory or a Hugging Face id).",
        )


def check_speakers(least: int | None, most: int | None) -> None:
    """Raise InvalidInput if the smallest number of speakers is larger than the largest; None is no bound."""
    if least is not None and most is not None and least > most:
        raise InvalidInput(f"min_speakers = {least} is more than max_speakers = {most}.", param="min_speakers")
