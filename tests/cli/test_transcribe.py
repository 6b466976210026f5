from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND, CommandLine

pytestmark = pytest.mark.usefixtures("short_and_steady")


@pytest.mark.parametrize(
    ("output_format", "start"), [("text", ""), ("json", '{"text":'), ("srt", "1\n00:00:00,"), ("vtt", "WEBVTT\n")]
)
def test_formats(cli: CommandLine, recording: Path, tiny_multilingual: Path, output_format: str, start: str) -> None:
    result = cli("transcribe", recording, "--model", tiny_multilingual, "--format", output_format)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip()
    assert result.stdout.startswith(start)
    assert result.stdout.endswith("\n")


def test_json_tells_what_was_asked(cli: CommandLine, recording: Path, tiny_multilingual: Path) -> None:
    result = cli(
        "transcribe", recording, "--model", tiny_multilingual, "--format", "json", "--language", "French", "--no-align"
    )
    answer = json.loads(result.stdout)
    assert (answer["language"], answer["model"], answer["duration"]) == ("fr", tiny_multilingual.name, 2.0)
    assert all(not segment["words"] for segment in answer["segments"])


def test_verbose_json_is_openais(cli: CommandLine, recording: Path, tiny_multilingual: Path) -> None:
    result = cli(
        "transcribe", recording, "--model", tiny_multilingual, "--format", "verbose_json", "--task", "translate"
    )
    answer = json.loads(result.stdout)
    assert (answer["task"], answer["language"], answer["duration"]) == ("translate", "english", 2.0)


def test_standard_input(cli: CommandLine, recording: Path, tiny_multilingual: Path) -> None:
    by_name = cli("transcribe", recording, "--model", tiny_multilingual)
    piped = cli("transcribe", "-", "--model", tiny_multilingual, input=recording.read_bytes())
    assert piped.exit_code == 0
    assert piped.stdout == by_name.stdout != ""


def test_raw_audio(cli: CommandLine, recording: Path, tiny_multilingual: Path, tmp_path: Path) -> None:
    raw = tmp_path / "a.raw"
    raw.write_bytes(recording.read_bytes()[44:])  # behind the header of a WAV file
    model = str(tiny_multilingual)
    options = ["--model", model, "--input-format", "s16le", "--sample-rate", "16000"]
    result = cli("transcribe", raw, *options)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == cli("transcribe", recording, "--model", tiny_multilingual).stdout


def test_one_bad_file_does_not_stop_the_others(
    cli: CommandLine, recording: Path, tiny_multilingual: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "notes.txt"
    bad.write_text("no audio")
    alone = cli("transcribe", recording, "--model", tiny_multilingual)
    result = cli("transcribe", bad, tmp_path / "gone.wav", recording, "--model", tiny_multilingual)
    assert result.exit_code == 1
    assert result.stdout == alone.stdout
    assert [line.split(":")[0] for line in result.stderr.splitlines()] == [str(tmp_path / "gone.wav"), str(bad)]


def test_what_cannot_be_read_is_named_before_a_model_is_loaded(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHISPERX_NPU_MODEL__MISSING", "refuse")
    os.mkfifo(tmp_path / "pipe")
    sources = [tmp_path / "gone.mp3", tmp_path, tmp_path / "pipe", tmp_path / ("x" * 300)]
    result = cli("transcribe", *sources, "--model", "large-v3")
    assert (result.exit_code, result.stdout) == (1, "")
    faults = ["There is no such file.", "This is a directory.", "This is no file.", "The file cannot be read:"]
    for line, source, fault in zip(result.stderr.splitlines(), sources, faults, strict=True):
        assert line.startswith(f"{source}: {fault}")


def test_layout_of_subtitles(cli: CommandLine, recording: Path, tiny_multilingual: Path) -> None:
    command = ("transcribe", recording, "--model", tiny_multilingual, "--format", "srt")
    narrow = cli(*command, "--max-line-width", "1", "--max-line-count", "1")
    assert narrow.exit_code == 0, narrow.stderr
    assert all(len(block.splitlines()) == 3 for block in narrow.stdout.split("\n\n"))
    assert "<u>" in cli(*command, "--highlight-words").stdout


def test_output_directory(cli: CommandLine, recording: Path, tiny_multilingual: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.wav"
    other.write_bytes(recording.read_bytes())
    out = tmp_path / "out"
    result = cli("transcribe", recording, other, "--model", tiny_multilingual, "--format", "srt", "--output-dir", out)
    assert (result.exit_code, result.stdout) == (0, "")
    assert sorted(path.name for path in out.iterdir()) == ["noise.srt", "other.srt"]
    assert (out / "noise.srt").read_text().startswith("1\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.wav", "b.wav", "--format", "srt"], "Give --output-dir"),
        (["a/x.wav", "b/x.wav", "--output-dir", "out"], "under one name"),
        (["a.wav", "--language", "klingon"], "--language klingon is no language of Whisper"),
        (["a.wav", "--languages", "de,klingon"], "--languages klingon is no language of Whisper"),
        (["a.wav", "--languages", "de,nl", "--language", "en"], "language = 'en' is none of de, nl"),
        (["a.wav", "--sample-rate", "8000"], "sample_rate goes with input_format only"),
        (["a.wav", "--input-format", "mp3"], "input_format = 'mp3'"),
        (["a.wav", "--diarize"], "Set diarize.model"),
        (["a.wav", "--diarize", "--channels", "split"], "Leave --diarize or channels out"),
        (["a.wav", "--channels", "both"], "--channels"),
        (["a.wav", "--format", "html"], "--format"),
        (["a.wav", "--align", "guess"], "--align"),
        (["a.wav", "--max-line-width", "30"], "max_line_width needs the format srt or vtt"),
        (["a.wav", "--format", "srt", "--max-line-count", "0"], "--max-line-count"),
        (["a.wav", "--format", "srt", "--highlight-words", "--no-align"], "highlight_words needs word times"),
    ],
)
def test_wrong_use_is_status_2(cli: CommandLine, arguments: list[str], message: str) -> None:
    result = cli("transcribe", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_a_missing_model_is_said_once(cli: CommandLine, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPERX_NPU_MODEL__MISSING", "refuse")
    result = cli("transcribe", recording, recording, "--model", "large-v3")
    assert result.exit_code == 1
    assert result.stderr == "Error: The model large-v3 is not installed. Run `whisperx-npu models pull large-v3`.\n"


def test_a_bar_on_the_terminal_and_the_result_in_the_pipe(
    recording: Path, tiny_multilingual: Path, environment: dict[str, str]
) -> None:
    terminal, stderr = pty.openpty()
    command = [*COMMAND, "transcribe", str(recording), "--model", str(tiny_multilingual), "--format", "json"]
    environment |= {"TERM": "xterm", "COLUMNS": "200"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, env=environment) as process:
        os.close(stderr)
        shown = _until_closed(terminal)
        assert process.stdout is not None
        result = process.stdout.read()
    assert process.returncode == 0
    assert "noise.wav" in shown
    assert "%" in shown
    assert json.loads(result)["duration"] == 2.0


def _until_closed(terminal: int) -> str:
    """Read a terminal to its end, and return the text; an unread terminal would stop the program that writes to it."""
    shown = b""
    with suppress(OSError):  # Linux's way of saying that the other end was closed
        while part := os.read(terminal, 4096):
            shown += part
    os.close(terminal)
    return shown.decode()


def test_a_local_model_needs_no_network(
    recording: Path, tiny_multilingual: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    guard = tmp_path / "guard" / "sitecustomize.py"
    guard.parent.mkdir()
    guard.write_text(
        "import socket\nsocket.getaddrinfo = socket.socket.connect = None  # a look-up ends in a TypeError\n"
    )
    online = {name: value for name, value in environment.items() if name != "HF_HUB_OFFLINE"}
    command = [*COMMAND, "transcribe", str(recording), "--model", str(tiny_multilingual), "--format", "json"]
    result = subprocess.run(
        command, env=online | {"PYTHONPATH": str(guard.parent)}, capture_output=True, check=True, text=True
    )
    assert json.loads(result.stdout)["text"]
    assert result.stderr == ""


def test_ctrl_c_ends_it_at_once(long_recording: Path, tiny_multilingual: Path, environment: dict[str, str]) -> None:
    terminal, stderr = pty.openpty()
    heard = ("env", "--default-signal=INT")  # what a shell runs in the background ignores it, tests included
    command = [*heard, *COMMAND, "transcribe", str(long_recording), "--model", str(tiny_multilingual)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, env=environment) as process:
        assert process.stdout
        assert os.read(terminal, 1)  # the bar: work is under way
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == b""
    os.close(stderr)
    assert b"Traceback" not in os.read(terminal, 1 << 16)
    os.close(terminal)
    assert process.returncode == 130


def test_no_bar_when_piped(recording: Path, tiny_multilingual: Path, environment: dict[str, str]) -> None:
    command = [*COMMAND, "transcribe", str(recording), "--model", str(tiny_multilingual)]
    result = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert result.stdout.strip()
    assert result.stderr == b""
