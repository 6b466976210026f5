from __future__ import annotations

from pathlib import Path

from bench.accuracy.clips import Clip
from bench.accuracy.systems import Heard
from bench.accuracy.transcripts import read, transcribe_all

CLIPS = [Clip(f"set/{number}.wav", "en", "word") for number in range(3)]


def test_transcripts_are_kept_and_a_line_that_was_cut_off_is_not(tmp_path: Path) -> None:
    heard: list[Path] = []

    def transcribe(path: Path) -> Heard:
        heard.append(path)
        return Heard(f"wörter in {path.name}", "de")

    path = tmp_path / "system.jsonl"
    transcribe_all(transcribe, CLIPS[:2], tmp_path, path)
    path.write_bytes(path.read_bytes()[:-20])
    assert list(read(path)) == ["set/0.wav"]
    transcribe_all(transcribe, CLIPS[1:], tmp_path, path)
    found = read(path)
    assert list(found) == ["set/0.wav", "set/1.wav", "set/2.wav"]
    assert (found["set/1.wav"].text, found["set/1.wav"].language) == ("wörter in 1.wav", "de")
    assert heard == [tmp_path / "set" / f"{number}.wav" for number in (0, 1, 1, 2)]


def test_no_file_is_no_transcripts(tmp_path: Path) -> None:
    assert read(tmp_path / "absent.jsonl") == {}
