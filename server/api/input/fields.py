"""The types that form fields share, and the checks that several forms need."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from server.errors import InvalidInput
from server.languages import language_code
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
CANDIDATES = "Languages among which it is detected; one means the same as language."
Milliseconds = Annotated[int, Field(ge=0, le=30_000)]
SpeakerCount = Annotated[int, Field(ge=1, le=MAX_SPEAKERS)]


def known_or_candidates(language: str | None, languages: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """Return the language if it is known, and otherwise the languages among which it is to be detected.

    A single candidate is the language. Raises InvalidInput for a language that is none of the candidates.
    """
    candidates = tuple(dict.fromkeys(languages))
    if language is None:
        return (candidates[0], ()) if len(candidates) == 1 else (None, candidates)
    if candidates and language not in candidates:
        raise InvalidInput(
            f"language = {language!r} is none of {', '.join(candidates)}.",
            param="languages",
            cure="Give language if it is known, and languages to have one of them detected.",
        )
    return language, ()


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
