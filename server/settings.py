"""All settings: config.yaml, overridden by environment variables ``WHISPERX_NPU_<GROUP>__<KEY>``.

docs/settings.md has a line for each; tests/test_docs.py fails when one is missing.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from server.errors import ConfigurationError
from server.pipeline.types import AlignMethod

ENV_PREFIX = "WHISPERX_NPU_"
CONFIG_VARIABLE = "WHISPERX_NPU_CONFIG"  # names the YAML file; every other variable of the prefix is a setting
DEMO_MODEL = "demo"

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(Group):
    """Where and how the server listens."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for every interface.")
    port: int = Field(9000, ge=0, le=65535, description="TCP port.")
    max_upload_mb: Positive = Field(1024, description="Largest request body, in MiB.")
    max_audio_seconds: Positive = Field(6 * 3600, description="Longest recording, in seconds.")
    max_queue: Positive = Field(32, description="Requests that may wait or run; one more is answered 429.")


class LogSettings(Group):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe line written.")


class ModelSettings(Group):
    """Which Whisper checkpoint serves, and where checkpoints live."""

    name: str = Field(
        DEMO_MODEL,
        description="Default model: demo, a Whisper name (tiny ... large-v3, turbo, distil-large-v3), "
        "a Hugging Face id, or a local directory.",
    )
    aliases: tuple[str, ...] = Field(
        ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize", "gpt-transcribe"),
        description="Names that mean the default model, so that OpenAI clients work unchanged.",
    )
    cache_dir: Path = Field(
        Path(platformdirs.user_cache_dir("whisperx-npu")) / "models", description="Where pulled models are kept."
    )
    offline: bool = Field(False, description="Never reach for the network, not even to pull a model.")
    compute_type: Literal["auto", "int8", "int8_float32", "float32", "int16"] = Field(
        "auto", description="CTranslate2 arithmetic; auto keeps int8 where the checkpoint has it, else picks int8."
    )
    threads: int = Field(0, ge=0, description="CPU threads of one stage; 0 means all cores this process may use.")
    encoder: Literal["auto", "ctranslate2", "torch"] = Field(
        "auto", description="CPU encoder; auto times both at start-up where torch bfloat16 could win."
    )


class VadSettings(Group):
    """Voice activity detection and the cutting into windows."""

    method: Literal["silero", "pyannote"] = Field("silero", description="Detector; pyannote is slower.")
    threshold: Fraction = Field(0.5, description="Speech probability above which speech starts.")
    min_speech_ms: int = Field(100, ge=0, description="Shorter speech is dropped.")
    min_silence_ms: int = Field(300, ge=0, description="Silence that ends a stretch of speech.")
    pad_ms: int = Field(200, ge=0, description="Audio kept on each side of speech.")


class DecodeSettings(Group):
    """Decoder search and the guard against hallucination (thresholds as in openai/whisper's transcribe.py)."""

    beam_size: Positive = Field(5, description="Beams at temperature 0; 1 is greedy and fastest.")
    best_of: Positive = Field(5, description="Samples drawn at a temperature above 0.")
    patience: float = Field(1.0, gt=0, description="Beam search patience.")
    length_penalty: float = Field(1.0, description="Exponent of the length in beam scores.")
    temperatures: tuple[Fraction, ...] = Field(
        (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
        min_length=1,
        description="Ladder: the next one is tried when a window fails the thresholds below.",
    )
    compression_ratio_threshold: float | None = Field(
        2.4, description="Text that gzip shrinks more than this repeats itself: try again."
    )
    log_prob_threshold: float | None = Field(-1.0, description="Average log probability below this: try again.")
    no_speech_threshold: float | None = Field(
        0.6, description="Above this, and below log_prob_threshold: the window is silence."
    )
    max_repeats: Positive = Field(
        8, description="A phrase of up to 10 words repeated more often in a row than this is cut."
    )
    batch_size: Positive = Field(8, description="Windows decoded together.")
    max_new_tokens: int | None = Field(
        None, gt=0, le=224, description="Longest text of one window, in tokens; empty for the model's own limit."
    )


class AlignSettings(Group):
    """Word times."""

    method: AlignMethod = Field(
        "auto",
        description="auto: the model's CTC head, else a wav2vec2 model listed in models, else decoder attention. "
        "whisperx: wav2vec2 always. off: no word times.",
    )
    models: dict[str, str] = Field(
        default_factory=dict,
        description="wav2vec2 models by language code: a local directory or a Hugging Face id.",
    )


class DiarizeSettings(Group):
    """Speaker labels."""

    model: str | None = Field(
        None, description="pyannote pipeline: a local directory or a Hugging Face id; empty: no diarization."
    )
    hf_token_file: Path | None = Field(None, description="File with a Hugging Face token, for gated pipelines.")


class NpuSettings(Group):
    """The NPU."""

    mode: Literal["auto", "required", "off", "simulated"] = Field(
        "auto", description="auto: NPU where it is right and pays; required: refuse to start without it; off: CPU."
    )
    device: Path = Field(Path("/dev/accel/accel0"), description="Device node of the NPU driver.")


class Settings(BaseSettings):
    """Every setting, frozen."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", env_parse_none_str="null", frozen=True, extra="forbid"
    )

    server: ServerSettings = Field(default_factory=lambda: ServerSettings())
    log: LogSettings = Field(default_factory=lambda: LogSettings())
    model: ModelSettings = Field(default_factory=lambda: ModelSettings())
    vad: VadSettings = Field(default_factory=lambda: VadSettings())
    decode: DecodeSettings = Field(default_factory=lambda: DecodeSettings())
    align: AlignSettings = Field(default_factory=lambda: AlignSettings())
    diarize: DiarizeSettings = Field(default_factory=lambda: DiarizeSettings())
    npu: NpuSettings = Field(default_factory=lambda: NpuSettings())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings, YamlConfigSettingsSource(settings_cls))


def load_settings(config: Path | None = None, **overrides: Any) -> Settings:
    """Read the settings once, at start-up.

    ``config`` names the YAML file; without it, $WHISPERX_NPU_CONFIG, else ./config.yaml where that exists.
    ``overrides`` are groups as nested dicts and win over file and environment.

    Raises ConfigurationError, naming the key and the value, when anything does not fit.
    """
    path = config or _config_file()
    if path is not None and not path.is_file():
        raise ConfigurationError(f"The configuration file {path} does not exist.", param="config")
    _refuse_unknown_variables()

    class Configured(Settings):
        model_config = SettingsConfigDict(yaml_file=path)

    try:
        return Configured(**overrides)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, item['loc']))} = {item['input']!r}: {item['msg']}" for item in error.errors()]
        raise ConfigurationError("Wrong setting: " + "; ".join(lines), param="config") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not valid YAML: {error}", param="config") from error


def _config_file() -> Path | None:
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    return Path("config.yaml") if Path("config.yaml").is_file() else None


def _refuse_unknown_variables() -> None:
    """pydantic-settings passes over variables it does not know; a typing error must not be lost like that."""
    known = {f"{ENV_PREFIX}{group}__{key}".upper() for group, key in setting_names()} | {CONFIG_VARIABLE}
    for name in os.environ:
        if name.upper().startswith(ENV_PREFIX) and name.upper() not in known:
            raise ConfigurationError(
                f"The environment variable {name} is no setting.",
                param=name,
                cure=f"Settings are named {ENV_PREFIX}<GROUP>__<KEY>; see docs/settings.md.",
            )


@cache
def setting_names() -> tuple[tuple[str, str], ...]:
    """Every setting as (group, key)."""
    groups = {name: field.annotation for name, field in Settings.model_fields.items()}
    return tuple((name, key) for name, group in groups.items() if group for key in group.model_fields)
