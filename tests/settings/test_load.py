from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from server.errors import ConfigurationError
from server.settings.load import ENV_PREFIX, Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "config.yaml"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run each test in a directory without a config.yaml, and with the defaults of all settings."""
    monkeypatch.delenv(f"{ENV_PREFIX}MODEL__CACHE_DIR")
    monkeypatch.delenv(f"{ENV_PREFIX}MODEL__NAME")
    monkeypatch.chdir(tmp_path)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    return path


def test_the_committed_file_says_the_defaults() -> None:
    assert load_settings(COMMITTED).model_dump() == load_settings().model_dump()


def test_the_example_for_compose_says_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = Settings()
    for name, value in re.findall(rf"^#({ENV_PREFIX}\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE):
        monkeypatch.setenv(name, value)
    assert Settings().model_dump() == defaults.model_dump()


def test_explicit_over_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write(tmp_path, "server: {port: 1, host: 10.0.0.1, max_queue: 7}\nmodel: {name: tiny}\n")
    monkeypatch.setenv("WHISPERX_NPU_SERVER__PORT", "2")
    monkeypatch.setenv("WHISPERX_NPU_SERVER__HOST", "10.0.0.2")
    settings = load_settings(config, server={"port": 3})
    assert (settings.server.port, settings.server.host, settings.server.max_queue) == (3, "10.0.0.2", 7)
    assert settings.model.name == "tiny"


def test_which_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().server.port == 9000
    (tmp_path / "config.yaml").write_text("server: {port: 1}")
    assert load_settings().server.port == 1
    monkeypatch.setenv("WHISPERX_NPU_CONFIG", str(write(tmp_path, "server: {port: 2}")))
    assert load_settings().server.port == 2
    assert load_settings(COMMITTED).server.port == 9000


@pytest.mark.parametrize("variable", [False, True])
def test_a_file_that_is_not_there_is_named(variable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPERX_NPU_CONFIG", "gone.yaml" if variable else "")
    with pytest.raises(ConfigurationError, match=r"gone\.yaml does not exist"):
        load_settings(None if variable else Path("gone.yaml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("server: {port: 70000}", "server.port = 70000: Input should be less than or equal to 65535"),
        ("server: {prot: 1}", "server.prot = 1: Extra inputs are not permitted"),
        ("sever: {port: 1}", "sever = {'port': 1}: Extra inputs are not permitted"),
        ("server: 9000", "server = 9000: Input should be a valid dictionary"),
        ("decode: {temperatures: [0.0, 1.5]}", "decode.temperatures.1 = 1.5: Input should be less than or equal to 1"),
        (
            "decode: {languages: [de, klingon]}",
            "decode.languages.1 = 'klingon': Value error, is no language of Whisper",
        ),
        ("npu: {mode: on}", "npu.mode = True: Input should be 'auto', 'required', 'off' or 'simulated'"),
        ("server: {port: 0, host: [}", "is not valid YAML"),
        ("nothing but words", "is not valid YAML of groups and keys"),
    ],
)
def test_a_wrong_file_names_key_and_value(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_settings(write(tmp_path, text))
    assert message in str(raised.value)


def test_every_wrong_value_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"server\.port.*vad\.threshold"):
        load_settings(write(tmp_path, "server: {port: -1}\nvad: {threshold: 2}"))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SERVER__PORT", "many", "server.port = 'many'"),
        ("DECODE__TEMPERATURES", "0.0, 0.2", "decode.temperatures = '0.0, 0.2'"),
        ("ALIGN__MODELS", "de=/models/de", "align.models = 'de=/models/de'"),
        ("SERVER__PROT", "1", "The environment variable WHISPERX_NPU_SERVER__PROT is no setting"),
        ("PORT", "1", "The environment variable WHISPERX_NPU_PORT is no setting"),
        ("SERVER", "{}", "The environment variable WHISPERX_NPU_SERVER is no setting"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"WHISPERX_NPU_{name}", value)
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    assert message in str(raised.value)


def test_lists_mappings_and_nothing_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write(tmp_path, "diarize: {model: from-file}\nserver: {port: 5}")
    monkeypatch.setenv("WHISPERX_NPU_DECODE__TEMPERATURES", "[0.0, 0.5]")
    monkeypatch.setenv("WHISPERX_NPU_ALIGN__MODELS", '{"de": "/models/de"}')
    monkeypatch.setenv("WHISPERX_NPU_DIARIZE__MODEL", "null")
    monkeypatch.setenv("WHISPERX_NPU_SERVER__PORT", "")
    settings = load_settings(config)
    assert settings.decode.temperatures == (0.0, 0.5)
    assert settings.align.models == {"de": "/models/de"}
    assert settings.diarize.model is None
    assert settings.server.port == 5


def test_settings_are_frozen() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.server = settings.server  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        settings.server.port = 1  # type: ignore[misc]


def test_every_setting_says_what_it_means() -> None:
    for group, field in Settings.model_fields.items():
        assert field.annotation
        for key, setting in field.annotation.model_fields.items():
            assert setting.description, f"{group}.{key}"


def test_a_real_model_serves_by_default_and_the_demo_where_it_cannot_be_had() -> None:
    model = load_settings().model
    assert (model.name, model.missing) == ("base", "pull_or_demo")
