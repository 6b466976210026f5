"""The uploads of a server that was killed: the next server removes them, and no files of others."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.api.live import waited
from tests.cli.test_serve import running

HEAD = "POST /transcribe HTTP/1.1\r\nHost: x\r\nContent-Type: audio/wav\r\nContent-Length: 1000000\r\n\r\n"


@pytest.fixture
def temporary(environment: dict[str, str], tmp_path: Path) -> Path:
    directory = tmp_path / "temporary"
    directory.mkdir()
    environment["TMPDIR"] = str(directory)
    return directory


@contextmanager
def uploading(address: str, temporary: Path) -> Iterator[Path]:
    """Context manager of an upload that is under way; yields the file that the server writes it to."""
    before = set(files(temporary))
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=30) as connection:
        connection.sendall(HEAD.encode() + bytes(1000))
        assert waited(lambda: set(files(temporary)) > before)
        yield (set(files(temporary)) - before).pop()


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def test_what_a_killed_server_left_is_removed(
    environment: dict[str, str], tiny_multilingual: Path, temporary: Path
) -> None:
    serve = ("--port", "0", "--model", tiny_multilingual)
    with running(environment, *serve) as first, uploading(first.address, temporary) as left:
        assert left.parent.stat().st_mode & 0o777 == 0o700
        with running(environment, *serve) as second, uploading(second.address, temporary) as other:
            assert left.is_file(), "its server lives"
            first.process.kill()
            first.process.wait()
            assert left.is_file()
            with running(environment, *serve):
                assert waited(lambda: not left.parent.exists())
                assert other.is_file()


def test_what_is_not_a_servers_stays(environment: dict[str, str], tiny_multilingual: Path, temporary: Path) -> None:
    """Names that are nearly those of a server's directories, a file, and a link to somewhere else."""
    kept = [temporary / "whisperx-npu-uploads-of-the-summer" / "talk.wav", temporary / "whisperx-npu-uploads-abcd1234"]
    kept[0].parent.mkdir()
    elsewhere = temporary / "elsewhere" / "talk.wav"
    elsewhere.parent.mkdir()
    kept.append(elsewhere)
    (temporary / "whisperx-npu-uploads-abcd5678").symlink_to(elsewhere.parent)
    for path in kept:
        path.write_bytes(b"RIFF")
    left = temporary / "whisperx-npu-uploads-abcd90_1"
    left.mkdir(mode=0o700)
    (left / "tmp1").write_bytes(b"RIFF")
    with running(environment, "--port", "0", "--model", tiny_multilingual):
        assert waited(lambda: not left.exists())
        assert all(path.is_file() for path in kept)
        assert (temporary / "whisperx-npu-uploads-abcd5678").is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's directory")
def test_another_users_stays(environment: dict[str, str], tiny_multilingual: Path, temporary: Path) -> None:
    ours, theirs = (temporary / f"whisperx-npu-uploads-{name}" for name in ("abcd1234", "abcd5678"))
    ours.mkdir(mode=0o700)
    theirs.mkdir(mode=0o700)
    os.chown(theirs, 65534, 65534)
    with running(environment, "--port", "0", "--model", tiny_multilingual):
        assert waited(lambda: not ours.exists())
        assert theirs.is_dir()


def test_a_server_that_is_told_to_stop_leaves_nothing(
    environment: dict[str, str], tiny_multilingual: Path, temporary: Path
) -> None:
    with running(environment, "--port", "0", "--model", tiny_multilingual) as server:
        with uploading(server.address, temporary):
            pass
        server.process.terminate()
        server.process.communicate(timeout=30)
    assert not any(temporary.glob("whisperx-npu-*"))
