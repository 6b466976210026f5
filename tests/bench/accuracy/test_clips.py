from __future__ import annotations

from pathlib import Path
from zlib import crc32

import pytest

from bench.accuracy.clips import clips
from tests.conftest import SHARED_AUDIO


def test_which_clips_and_in_which_order(tmp_path: Path) -> None:
    numbered = [f"kathleen16k/{number}.flac" for number in range(60)]
    rows = [("lang/a.wav", "es", "f000001|Al Señor, / f000002|secretario"), ("fsdd/0.wav", "en", "zero")]
    rows += [("lang/unknown.wav", "en", ""), *((file, "en", "word") for file in numbered)]
    table = "\n".join("\t".join(row) for row in [("file", "lang", "text"), *rows])
    (tmp_path / "MANIFEST.tsv").write_text(table + "\n", encoding="utf-8")
    found = clips(tmp_path)
    first = [file for file in numbered if crc32(file.encode()) % 18 == 3]
    more = [file for file in numbered if crc32(file.encode()) % 18 in {0, 1, 2, 4, 5, 6}]
    assert first
    assert [clip.file for clip in found] == ["lang/a.wav", *first, *more]
    assert found[0].text == "Al Señor, secretario"
    assert (found[0].collection, found[0].language) == ("lang", "es")


def test_the_shared_recordings() -> None:
    if not (SHARED_AUDIO / "MANIFEST.tsv").is_file():
        pytest.skip("../shared/audio is not here")
    found = clips(SHARED_AUDIO)
    assert len(found) == 410
    languages = [clip.language for clip in found[:136]]
    assert (languages.count("de"), languages.count("nl"), languages.count("en")) == (53, 25, 49)
    assert all(clip.collection == "kathleen16k" for clip in found[136:])
