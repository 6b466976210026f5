"""Links of a chain: each reads like a file of its own, whatever a damaged file points at."""

from __future__ import annotations

from pathlib import Path

from server.pipeline.stages.audio.links import MOST, ChainLink, links
from tests.audio_files import tone, write


def test_a_link_is_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    with (tmp_path / "a").open("rb") as file:
        link = ChainLink(file, 2, 6, "a")
        assert (link.read(), link.read(), link.tell()) == (b"2345", b"", 4)
        assert (link.seek(1), link.read(2), link.seek(-1, 2), link.read(9)) == (1, b"34", 3, b"5")
        assert (link.seek(-5), link.read(1)) == (0, b"2")
        assert (link.seek(2**63), link.read(1)) == (4, b"")


def test_a_file_that_pretends_to_be_millions_of_links(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", tone(1.0), codec="flac")
    path.write_bytes(path.read_bytes() + b"fLaC\0\0\0\x22" * 100_000)
    with path.open("rb") as file:
        assert len(links(file, path.stat().st_size, "recording")) == MOST
