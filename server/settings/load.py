"""All settings: config.yaml, overridden by environment variables ``WHISPERX_NPU_<GROUP>__<KEY>``.

docs/settings.md has a line for each; tests/test_docs.py fails when one is missing.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from server.errors import ConfigurationError
from server.settings.stages import (
    AlignSettings,
    DecodeSettings,
    DiarizeSettings,
    Group,
    ModelSettings,
    NpuSettings,
    Positive,
    StageSettings,
    VadSettings,
)

ENV_PREFIX = "WHISPERX_NPU_"
CONFIG_VARIABLE = "WHISPERX_NPU_CONFIG"  # names the YAML file; every other variable of the prefix is a setting


class ServerSettings(Group):
    """Where and how the server listens."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for every interface.")
    port: int = Field(9000, ge=0, le=65535, description="TCP port.")
    max_upload_mb: Positive = Field(1024, description="Largest request body, in MiB.")
    max_audio_seconds: Positive = Field(6 * 3600, description="Longest recording, in seconds.")
    max_queue: Positive = Field(128, description="Requests that may wait or run; one more is answered 429.")
    max_connections: Positive = Field(400, description="Open connections; on one more, requests are answered 503.")
    read_timeout_seconds: float = Field(
        30, gt=0, description="Longest wait for the head of a request, and for each further part of its body."
    )
    min_upload_rate: int = Field(
        1024,
        ge=0,
        description="Slowest upload, in bytes per second, on average after server.read_timeout_seconds; 0: any.",
    )
    shutdown_seconds: float = Field(
        5, ge=0, description="Time to finish requests when told to stop; what is left then is cut off."
    )
    cors_origins: tuple[str, ...] = Field(
        (), description='Origins whose pages may call this server from a browser; "*" for all.'
    )


class LogSettings(Group):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe line written.")
    format: Literal["console", "json"] = Field("console", description="Lines for people, or one JSON object a line.")


class AuthSettings(Group):
    """Who may ask, and how much at once."""

    keys_file: Path | None = Field(
        None,
        description="File of API keys, a line each: `name: key` or `name: sha256:<hex>`; empty: no keys asked for.",
    )
    open_paths: tuple[str, ...] = Field(("/livez", "/readyz"), description="Paths that need no key.")
    max_concurrent: int = Field(
        0, ge=0, description="POST requests that one key may have under way; one more is answered 429; 0: any number."
    )


class TracingSettings(Group):
    """OpenTelemetry traces."""

    enabled: bool = Field(
        False, description="Send a trace of each request by OTLP, to where OTEL_EXPORTER_OTLP_ENDPOINT says."
    )


class EngineSettings(Group):
    """The processes that hold the models, and what waits for them."""

    keep_alive: float = Field(
        -1, ge=-1, description="Seconds a model stays in memory after its last request; -1: for ever, 0: not at all."
    )
    keep_alive_models: dict[str, Annotated[float, Field(ge=-1)]] = Field(
        default_factory=dict, description="The same for single models, by id."
    )
    memory_mb: int = Field(
        0,
        ge=0,
        description="Most that loaded models may take together, in MiB; the one unused for longest makes room. "
        "0: three quarters of what the machine or container has.",
    )
    max_queue_seconds: Positive = Field(
        12 * 3600, description="Audio that may wait or run, in seconds; while there is more, requests are answered 429."
    )
    timeout_seconds: float | None = Field(
        None, gt=0, description="Longest that a request may take, waiting included; empty: no limit."
    )
    hang_seconds: float = Field(
        30, gt=0, description="A process that gives no sign of life for so long is killed and started again."
    )
    window_seconds: float = Field(
        120, gt=0, description="So is one that spends longer than this on one window of 30 s in one stage."
    )


class Settings(BaseSettings):
    """Every setting, frozen."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        env_parse_none_str="null",
        env_ignore_empty=True,  # compose files pass on variables that are not set as empty ones
        frozen=True,
        extra="forbid",
    )

    server: ServerSettings = Field(default_factory=lambda: ServerSettings())
    auth: AuthSettings = Field(default_factory=lambda: AuthSettings())
    log: LogSettings = Field(default_factory=lambda: LogSettings())
    tracing: TracingSettings = Field(default_factory=lambda: TracingSettings())
    model: ModelSettings = Field(default_factory=lambda: ModelSettings())
    vad: VadSettings = Field(default_factory=lambda: VadSettings())
    decode: DecodeSettings = Field(default_factory=lambda: DecodeSettings())
    align: AlignSettings = Field(default_factory=lambda: AlignSettings())
    diarize: DiarizeSettings = Field(default_factory=lambda: DiarizeSettings())
    engine: EngineSettings = Field(default_factory=lambda: EngineSettings())
    npu: NpuSettings = Field(default_factory=lambda: NpuSettings())

    @property
    def stages(self) -> StageSettings:
        """The groups that the stages take."""
        return StageSettings(self.model, self.vad, self.decode, self.align, self.diarize, self.npu)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, _Environment(settings_cls), YamlConfigSettingsSource(settings_cls))


class _Environment(EnvSettingsSource):
    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """A list that is no JSON is left for validation to refuse, which names the setting; the base class does not."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


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
    except (yaml.YAMLError, ValueError) as error:  # ValueError: YAML, but no mapping
        raise ConfigurationError(f"{path} is not valid YAML of groups and keys: {error}", param="config") from error


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
