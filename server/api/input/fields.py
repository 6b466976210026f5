"""The types that form fields share, and the checks that several forms need."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from server.errors import InvalidInput
from server.formats import SubtitleLayout
from server.languages import language_code
from server.machine.optional_packages import require_extra
from server.raw_formats import G722_RATE, PCM_RATE, TELEPHONY, RawAudio, RawFormat, raw_format
from server.settings.load import Settings
from server.transcript import AlignMethod, AudioInput, Channels

MAX_TEXT = 16_384  # characters of prompt or hotwords; Whisper reads the last 223 tokens
MAX_BEAMS = 16
MAX_SPEAKERS = 50
MAX_LINE_WIDTH = 1_000  # columns; as good as no limit, and WhisperX's own for none
MAX_LINES = 20
MIN_RATE, MAX_RATE = 1_000, 768_000  # Hz
MAX_CHANNELS = 512  # as many as FFmpeg's containers may have


def _language(value: object) -> object:
    """Convert a language as sent to Whisper's code, and ``auto`` to None, which means that the language is detected."""
    return None if value == "auto" else language_code(value) if isinstance(value, str) else value


Text = Annotated[str, Field(max_length=MAX_TEXT)]
Language = Annotated[str | None, BeforeValidator(_language)]
Candidate = Annotated[str, AfterValidator(language_code)]
CANDIDATES = "Languages among which it is detected; one means the same as language."
SUBTITLES = ("srt", "vtt")
Milliseconds = Annotated[int, Field(ge=0, le=30_000)]
Raw = Annotated[RawFormat | None, BeforeValidator(lambda value: raw_format(value) if isinstance(value, str) else value)]
Track = Annotated[str | None, Field(max_length=64)]
SampleRate = Annotated[int | None, Field(ge=MIN_RATE, le=MAX_RATE)]
ChannelCount = Annotated[int | None, Field(ge=1, le=MAX_CHANNELS)]
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


def audio_input(
    track: str | None, raw: RawFormat | None, rate: int | None, count: int | None, channels: Channels = "mix"
) -> AudioInput:
    """Return the reading of a file that the request asks for; None is what was left out.

    Raises InvalidInput for a rate or channels without a raw format, or that the format cannot have.
    """
    for value, name in ((rate, "sample_rate"), (count, "input_channels")):
        if raw is None and value is not None:
            cure = "Name the format in input_format, or leave it out: every other file says it itself."
            raise InvalidInput(f"{name} goes with input_format only.", param=name, cure=cure)
    if raw is None:
        return AudioInput(track=track, channels=channels)
    if raw == "g722" and rate not in (None, G722_RATE):
        raise InvalidInput(f"g722 has {G722_RATE} Hz always.", param="sample_rate", cure="Leave sample_rate out.")
    if raw in ("g722", "g726") and count not in (None, 1):
        raise InvalidInput(f"{raw} has one channel.", param="input_channels", cure="Leave input_channels out.")
    return AudioInput(RawAudio(raw, rate or TELEPHONY.get(raw, PCM_RATE), count or 1), track, channels=channels)


def require_diarization(settings: Settings, param: str) -> None:
    """Raise InvalidInput, with ``param`` and the cure, unless diarization is installed and configured."""
    require_extra("Diarization", param=param, kind=InvalidInput)
    if settings.diarize.model is None:
        raise InvalidInput(
            "This server tells no speakers apart.",
            param=param,
            cure="Set diarize.model to a pyannote pipeline (a local directory or a Hugging Face id).",
        )


def check_channels(channels: Channels, param: str) -> None:
    """Raise InvalidInput, with ``param`` and the cure, if speakers are told apart by their channels already."""
    if channels == "split":
        raise InvalidInput(
            f"{param} finds speakers in the mix, but channels=split makes each channel a speaker.",
            param=param,
            cure=f"Leave {param} or channels out.",
        )


def layout(max_line_width: int | None, max_line_count: int | None, *, highlight_words: bool) -> SubtitleLayout:
    """Return the layout of subtitles; None means the default."""
    default = SubtitleLayout()
    return SubtitleLayout(
        max_line_width=default.max_line_width if max_line_width is None else max_line_width,
        max_line_count=default.max_line_count if max_line_count is None else max_line_count,
        highlight_words=highlight_words,
    )


def subtitle_alignment(
    chosen: SubtitleLayout, answer_format: str, align: AlignMethod | None, settings: Settings
) -> AlignMethod | None:
    """Return the method of word alignment that the layout needs: highlighted words are not left without times.

    Raises InvalidInput if the answer has no subtitles to lay out, or no word times to highlight.
    """
    if answer_format not in SUBTITLES:
        for name, default in asdict(SubtitleLayout()).items():
            if getattr(chosen, name) != default:
                raise InvalidInput(f"{name} needs the format srt or vtt.", param=name)
    if not chosen.highlight_words:
        return align
    if align == "off":
        raise InvalidInput("highlight_words needs word times, but align = 'off' finds none.", param="highlight_words")
    return "auto" if align is None and settings.align.method == "off" else align


def check_speakers(least: int | None, most: int | None) -> None:
    """Raise InvalidInput if the smallest number of speakers is larger than the largest; None is no bound."""
    if least is not None and most is not None and least > most:
        raise InvalidInput(f"min_speakers = {least} is more than max_speakers = {most}.", param="min_speakers")
