"""From text fields to options: pydantic models, whose errors become a 400 that names the field.

A field that OpenAI's clients repeat (``timestamp_granularities[]``) is a tuple in the model; brackets may be left out.
``chunking_strategy[threshold]`` is a key inside ``chunking_strategy``. An empty value counts as not given, since HTML
forms send every field.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from server.errors import InvalidInput
from server.formats.languages import language_code
from server.machine.optional_packages import require_extra
from server.settings.load import Settings
from server.transcript import AlignMethod

MAX_TEXT = 16_384  # characters of prompt or hotwords; Whisper reads the last 223 tokens
MAX_BEAMS = 16
MAX_SPEAKERS = 50


def _language(value: object) -> object:
    """``auto`` and nothing mean: hear for yourself."""
    return None if value == "auto" else language_code(value) if isinstance(value, str) else value


Text = Annotated[str, Field(max_length=MAX_TEXT)]
Language = Annotated[str | None, BeforeValidator(_language)]
Candidate = Annotated[str, AfterValidator(language_code)]
Milliseconds = Annotated[int, Field(ge=0, le=30_000)]
SpeakerCount = Annotated[int, Field(ge=1, le=MAX_SPEAKERS)]


class Choices(BaseModel):
    """The fields that every transcribing route has."""

    model_config = ConfigDict(frozen=True)

    model: str | None = Field(None, max_length=256, description="Model id or alias; the default model if left out.")
    prompt: Text | None = Field(None, description="Text that guides style and spelling, as if said before.")
    hotwords: Text | None = Field(None, description="Words and names to expect.")
    temperature: float | None = Field(
        None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="0 or left out: the configured ladder, which starts again hotter when a window fails. "
        "Above 0: sample at this temperature only.",
    )
    beam_size: int | None = Field(None, ge=1, le=MAX_BEAMS, description="Beams at temperature 0; as configured.")
    align: AlignMethod | None = Field(None, description="How word times are found; as configured.")

    @property
    def single_temperature(self) -> float | None:
        """OpenAI's 0 means the ladder, which is what None means to the engine."""
        return self.temperature or None


Form = TypeVar("Form", bound=Choices)


def parse(form: type[Form], fields: Iterable[tuple[str, str]]) -> Form:
    """Read the text fields. Raises InvalidInput that names the first wrong one."""
    try:
        return form.model_validate(_gathered(form, fields))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = _field_name(first["loc"])
        if first["type"] == "extra_forbidden":
            raise InvalidInput(f"{name} is no field of this route.", param=name) from error
        shown = repr(first["input"])[:80]
        message = first["msg"].removeprefix("Value error, ")
        raise InvalidInput(f"{name} = {shown}: {message}.", param=name) from error


def require_diarization(settings: Settings, param: str) -> None:
    """Raises InvalidInput, naming ``param`` and the cure, where no diarization is installed or configured."""
    require_extra("Diarization", param=param, kind=InvalidInput)
    if settings.diarize.model is None:
        raise InvalidInput(
            "This server tells no speakers apart.",
            param=param,
            cure="Set diarize.model to a pyannote pipeline (a local directory or a Hugging Face id).",
        )


def check_speakers(least: int | None, most: int | None) -> None:
    """Raises InvalidInput where the bounds exclude each other."""
    if least is not None and most is not None and least > most:
        raise InvalidInput(f"min_speakers = {least} is more than max_speakers = {most}.", param="min_speakers")


def properties(form: type[Choices]) -> dict[str, Any]:
    """JSON schema of each field under the name that it has on the wire."""
    repeated = _repeated(form)
    schema = form.model_json_schema()["properties"]
    return {f"{name}[]" if name in repeated else name: plain(entry) for name, entry in schema.items()}


def _gathered(form: type[Choices], fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
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


def _repeated(form: type[Choices]) -> set[str]:
    return {name for name, field in form.model_fields.items() if isinstance(field.default, tuple)}


def _field_name(location: tuple[int | str, ...]) -> str:
    """('chunking_strategy', 'threshold') -> 'chunking_strategy[threshold]'; positions in a list say nothing."""
    first, *rest = location
    return str(first) + "".join(f"[{part}]" for part in rest if isinstance(part, str))


def plain(entry: dict[str, Any]) -> dict[str, Any]:
    """A form cannot send null, so a field that may be left out is simply not required."""
    kept = {key: value for key, value in entry.items() if key not in ("anyOf", "title")}
    if kept.get("default") in (None, []):
        kept.pop("default", None)
    options = [option for option in entry.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) > 1:
        return {"anyOf": options, **kept}
    return {**options[0], **kept} if options else kept
