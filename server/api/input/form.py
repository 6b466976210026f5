"""The base class of the forms: pydantic models whose validation errors become a 400 that names the field.

A field that OpenAI's clients repeat (``timestamp_granularities[]``) is a tuple in the model; its brackets may be left
out. ``chunking_strategy[threshold]`` is a key inside ``chunking_strategy``. An empty value counts as not given, because
HTML forms send every field.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from server.api.input.fields import (
    MAX_BEAMS,
    MAX_LINE_WIDTH,
    MAX_LINES,
    ChannelCount,
    Raw,
    SampleRate,
    Text,
    Track,
    audio_input,
    layout,
)
from server.errors import InvalidInput
from server.formats import SubtitleLayout
from server.transcript import AlignMethod, AudioInput, Channels


class Form(BaseModel):
    """The text fields that every transcribing route has; each route's form adds its own.

    A subclass has a method ``options(settings)`` that returns the ``Options`` of the job.

        form = TranscribeForm.parse([("language", "German"), ("beam_size", "5")])
        form.language    # "de"
    """

    model_config = ConfigDict(frozen=True)

    model: str | None = Field(None, max_length=256, description="Model id or alias; the default model if left out.")
    prompt: Text | None = Field(None, description="Text that guides style and spelling, as if said before.")
    hotwords: Text | None = Field(None, description="Words and names to expect.")
    temperature: float | None = Field(
        None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="0 or left out: the configured ladder, which decodes a window again at a higher temperature when "
        "it fails. Above 0: sample at this temperature only.",
    )
    beam_size: int | None = Field(
        None, ge=1, le=MAX_BEAMS, description="Beams at temperature 0; the configured number if left out."
    )
    align: AlignMethod | None = Field(
        None, description="Method that finds the word times; the configured one if left out."
    )
    max_line_width: int | None = Field(
        None, ge=1, le=MAX_LINE_WIDTH, description="With srt or vtt: columns of a line; 42 if left out."
    )
    max_line_count: int | None = Field(
        None, ge=1, le=MAX_LINES, description="With srt or vtt: lines of a cue; 2 if left out."
    )
    highlight_words: bool = Field(False, description="With srt or vtt: underline each word while it is said.")
    audio_track: Track = Field(
        None, description="Audio track: its number from 1, its language, or `default`, which is used if left out."
    )
    input_format: Raw = Field(None, description="Format of raw audio without a header; other files are recognized.")
    sample_rate: SampleRate = Field(None, description="With input_format: Hz; 16000 or the codec's if left out.")
    input_channels: ChannelCount = Field(None, description="With input_format: interleaved channels; 1 if left out.")
    channels: Channels = Field("mix", description="split: each channel is a speaker and is transcribed on its own.")

    @classmethod
    def parse(cls, fields: Iterable[tuple[str, str]]) -> Self:
        """Validate text fields, given as (name, value) pairs. Raises InvalidInput that names the first wrong one."""
        try:
            return cls.model_validate(_gathered(cls, fields))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = _field_name(first["loc"])
            if first["type"] == "extra_forbidden":
                raise InvalidInput(f"{name} is no field of this route.", param=name) from error
            shown = repr(first["input"])[:80]
            message = first["msg"].removeprefix("Value error, ")
            raise InvalidInput(f"{name} = {shown}: {message}.", param=name) from error

    @classmethod
    def properties(cls) -> dict[str, Any]:
        """Return the JSON schema of each field under its name in the request, with ``[]`` for repeated ones."""
        repeated = _repeated(cls)
        schema = cls.model_json_schema()["properties"]
        return {f"{name}[]" if name in repeated else name: without_null(entry) for name, entry in schema.items()}

    @property
    def layout(self) -> SubtitleLayout:
        """The layout of subtitles."""
        return layout(self.max_line_width, self.max_line_count, highlight_words=self.highlight_words)

    @property
    def audio(self) -> AudioInput:
        """The reading of the file. Raises InvalidInput if fields about it contradict each other."""
        return audio_input(self.audio_track, self.input_format, self.sample_rate, self.input_channels, self.channels)

    @property
    def single_temperature(self) -> float | None:
        """The one temperature to decode at; None, also for a sent 0, means the configured ladder of temperatures."""
        return self.temperature or None


def without_null(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of a field without null: forms cannot send null, so the field is simply not required."""
    kept = {key: value for key, value in entry.items() if key not in ("anyOf", "title")}
    if kept.get("default") in (None, []):
        kept.pop("default", None)
    options = [option for option in entry.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) > 1:
        return {"anyOf": options, **kept}
    return {**options[0], **kept} if options else kept


def _gathered(form: type[Form], fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
    values: dict[str, list[Any]] = {}
    objects: dict[str, dict[str, str]] = {}
    for name, value in fields:
        base, _, key = name.removesuffix("]").partition("[")
        if not value:
            continue
        if key:
            objects.setdefault(base, {})[key] = value
        else:
            values.setdefault(base, []).append(value)
    for base, members in objects.items():
        values.setdefault(base, []).append(members)
    repeated = _repeated(form)
    return {name: given if name in repeated or len(given) > 1 else given[0] for name, given in values.items()}


def _repeated(form: type[Form]) -> set[str]:
    return {name for name, field in form.model_fields.items() if isinstance(field.default, tuple)}


def _field_name(location: tuple[int | str, ...]) -> str:
    """Return the name in the request of the field at pydantic's ``location``; positions in a list are left out.

    _field_name(("chunking_strategy", "threshold"))    # "chunking_strategy[threshold]"
    """
    first, *rest = location
    return str(first) + "".join(f"[{part}]" for part in rest if isinstance(part, str))
