"""The results of transcriptions: their formats on the command line, and where they are written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from server.cli.sources import STDIN
from server.errors import InvalidInput

if TYPE_CHECKING:
    from server.engine.contract import Job
    from server.formats import SubtitleLayout
    from server.transcript import Transcript

OutputFormat = Literal["text", "json", "srt", "vtt", "verbose_json"]
EXTENSIONS = {"text": "txt", "verbose_json": "json"}
Write = Callable[[str, str], None]  # takes the name of a source and its result


def rendered(transcript: Transcript, job: Job, output_format: OutputFormat, layout: SubtitleLayout) -> str:
    """Return a transcript in a format of the command line."""
    from server.formats import openai, render

    if output_format == "verbose_json":
        return json.dumps(openai.verbose(transcript, with_words=bool(transcript.words)), ensure_ascii=False)
    return render(transcript, job, output_format, layout)


def to_stdout(files: list[str], output_format: OutputFormat) -> Write:
    """Return a function that prints results. Raises InvalidInput for the subtitles of several files."""
    if len(files) > 1 and output_format in ("srt", "vtt"):
        raise InvalidInput("Subtitles of several files do not fit into one stream.", cure="Give --output-dir.")

    def write(_source: str, result: str) -> None:
        typer.echo(result, nl=not result.endswith("\n"))

    return write


def to_directory(files: list[str], directory: Path, output_format: OutputFormat) -> Write:
    """Return a function that writes each result to a file, and make the directory.

    Raises InvalidInput if two files would be written under one name.
    """
    names = {source: "stdin" if source == STDIN else Path(source).stem for source in files}
    if len(set(names.values())) < len(files):
        raise InvalidInput("Two of the files would be written under one name.", cure="Transcribe them one by one.")
    directory.mkdir(parents=True, exist_ok=True)
    extension = EXTENSIONS.get(output_format, output_format)

    def write(source: str, result: str) -> None:
        (directory / f"{names[source]}.{extension}").write_text(result, encoding="utf-8")

    return write
