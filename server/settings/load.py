"""The whole of the settings, read once from a YAML file, environment variables and the command line.

settings = load_settings(Path("config.yaml"), server={"port": 9001})
settings.server.port  # 9001
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

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
from server.settings.service import AuthSettings, EngineSettings, LogSettings, ServerSettings, TracingSettings
from server.settings.stages import (
    AlignSettings,
    DecodeSettings,
    DiarizeSettings,
    ModelSettings,
    NpuSettings,
    StageSettings,
    VadSettings,
)

ENV_PREFIX = "WHISPERX_NPU_"
CONFIG_VARIABLE = "WHISPERX_NPU_CONFIG"  # names the YAML file; every other variable of the prefix is a setting


class Settings(BaseSettings):
    """Every setting, in frozen groups.

    The same setting in config.yaml and as an environment variable:

        model:
          name: small

        WHISPERX_NPU_MODEL__NAME=small
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        env_parse_none_str="null",
        env_ignore_empty=True,  # compose files pass a variable that is not set on as an empty one
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
        """The groups of settings that the stages use."""
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
    """Environment variables, whose errors name the setting."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Decode JSON; leave other text to validation, which names the setting where the base class does not."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def load_settings(config: Path | None = None, **overrides: Any) -> Settings:
    """Read the settings; done once, at start-up.

    ``config`` is the path of the YAML file. The default is that in $WHISPERX_NPU_CONFIG, else ./config.yaml if it
    exists. ``overrides`` are groups as nested dicts and win over file and environment:

        load_settings(Path("config.yaml"), server={"port": 9001}, model={"name": "small"})

    Raises ConfigurationError, which names the key and the value, for an unknown key or a value that does not fit.
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
    """Raise ConfigurationError if an environment variable with our prefix names no setting.

    pydantic-settings ignores such a variable, which would hide a misspelt name.
    """
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
    """Return every setting as (group, key)."""
    groups = {name: field.annotation for name, field in Settings.model_fields.items()}
    return tuple((name, key) for name, group in groups.items() if group for key in group.model_fields)
