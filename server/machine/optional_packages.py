"""The check for the optional packages of the extra ``whisperx``, among them PyTorch, without importing any of them."""

from __future__ import annotations

from importlib.util import find_spec

from server.errors import ConfigurationError, ModelUnavailable, WhisperXError
from server.settings.stages import StageSettings

MODULES = ("torch", "torchaudio", "transformers", "whisperx")
CURE = (
    "This installation is without PyTorch: install whisperx-npu[whisperx]; for the container image see docs/install.md."
)


def lacking() -> tuple[str, ...]:
    """Return the packages of the extra ``whisperx`` that cannot be imported here; none if it is installed."""
    return tuple(name for name in MODULES if find_spec(name) is None)


def require_extra(what: str, *, param: str | None = None, kind: type[WhisperXError] = ModelUnavailable) -> None:
    """Raise ``kind`` with the cure if the extra ``whisperx``, which ``what`` needs, is not installed."""
    if missing := lacking():
        raise kind(f"{what} needs packages that are not installed here: {', '.join(missing)}.", param=param, cure=CURE)


def asked_for(settings: StageSettings) -> tuple[str, ...]:
    """Return the settings that need the extra ``whisperx`` for every request, each as "name = value"."""
    wanted = {
        "vad.method": settings.vad.method == "pyannote" and "pyannote",
        "align.method": settings.align.method == "whisperx" and "whisperx",
        "diarize.model": settings.diarize.model,
    }
    return tuple(f"{name} = {value}" for name, value in wanted.items() if value)


def check_extra(settings: StageSettings) -> None:
    """Raise ConfigurationError if ``settings`` need the extra ``whisperx`` and it is not installed."""
    for asked in asked_for(settings):
        require_extra(asked, param=asked.partition(" ")[0], kind=ConfigurationError)
