"""The transcripts of one system, clip by clip, as lines of JSON in a work folder: an interrupted run goes on there."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.accuracy.clips import Clip
from bench.accuracy.systems import Transcribe


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The text and the language that a system heard in the clip ``file``, and the processor time of all its threads."""

    file: str
    text: str
    language: str
    cpu_seconds: float


def read(path: Path) -> dict[str, Hypothesis]:
    """Return the hypotheses in a file by their clips; a last line that was cut off is left out."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    found = [Hypothesis(**json.loads(line)) for line in lines if line.endswith("\n")]
    return {hypothesis.file: hypothesis for hypothesis in found}


def transcribe_all(transcribe: Transcribe, clips: Sequence[Clip], audio: Path, path: Path) -> None:
    """Transcribe the clips one after the other, and append each to the file at ``path``."""
    _drop_unfinished_line(path)
    with path.open("a", encoding="utf-8") as file:
        for number, clip in enumerate(clips, 1):
            begun = time.process_time()
            heard = transcribe(audio / clip.file)
            seconds = round(time.process_time() - begun, 2)
            hypothesis = Hypothesis(clip.file, heard.text, heard.language, seconds)
            file.write(json.dumps(asdict(hypothesis), ensure_ascii=False) + "\n")
            file.flush()
            print(f"{path.stem}: {number}/{len(clips)} {clip.file}, {seconds} s", flush=True)


def _drop_unfinished_line(path: Path) -> None:
    if path.is_file():
        written = path.read_bytes()
        path.write_bytes(written[: written.rfind(b"\n") + 1])
