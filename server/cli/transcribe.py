"""``whisperx-npu transcribe``: transcribe files without a server."""

from __future__ import annotations

import logging
import os
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from server.cli.default_model import pulled_or_demo
from server.cli.errors import FAILED, INTERRUPTED
from server.cli.logs import log_to_stderr
from server.cli.options import ConfigFile, ModelName, configured
from server.cli.progress import bar
from server.cli.results import OutputFormat, Write, rendered, to_directory, to_stdout
from server.cli.sources import local_path, readable
from server.errors import EngineFailure, InvalidInput, WhisperXError

if TYPE_CHECKING:
    from server.engine.contract import Job
    from server.formats import SubtitleLayout
    from server.pipeline.loaded_model import LoadedModel
    from server.settings.load import Settings
    from server.transcript import AudioInput, Event, Options, Transcript

log = logging.getLogger(__name__)

AlignChoice = Literal["auto", "whisperx", "attention", "ctc", "off"]


def transcribe(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Recordings; - is standard input.")],
    format: Annotated[OutputFormat, typer.Option(help="json is what POST /transcribe answers.")] = "text",  # noqa: A002
    language: Annotated[str | None, typer.Option(help="Code or English name; heard if not given.")] = None,
    languages: Annotated[str | None, typer.Option(help="Codes or names: de,nl; one of them is heard.")] = None,
    task: Annotated[Literal["transcribe", "translate"], typer.Option(help="translate: into English.")] = "transcribe",
    align: Annotated[AlignChoice | None, typer.Option(help="How word times are found; else as configured.")] = None,
    no_align: Annotated[bool, typer.Option("--no-align", help="The same as --align off.")] = False,
    diarize: Annotated[bool, typer.Option("--diarize", help="Tell speakers apart.")] = False,
    min_speakers: Annotated[int | None, typer.Option(min=1, help="With --diarize.")] = None,
    max_speakers: Annotated[int | None, typer.Option(min=1, help="With --diarize.")] = None,
    max_line_width: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Subtitles: columns of a line (42).")
    ] = None,
    max_line_count: Annotated[int | None, typer.Option(min=1, max=20, help="Subtitles: lines of a cue (2).")] = None,
    highlight_words: Annotated[
        bool, typer.Option("--highlight-words", help="Subtitles: underline what is said.")
    ] = False,
    audio_track: Annotated[str | None, typer.Option(help="Number from 1, language, or default.")] = None,
    input_format: Annotated[str | None, typer.Option(help="Raw audio: pcm_s16le, pcm_f32le, mulaw, g722, ...")] = None,
    sample_rate: Annotated[int | None, typer.Option(help="With --input-format: Hz.")] = None,
    input_channels: Annotated[int | None, typer.Option(help="With --input-format: interleaved channels.")] = None,
    channels: Annotated[
        Literal["mix", "split"], typer.Option(help="split: each channel is a speaker, transcribed on its own.")
    ] = "mix",
    model: ModelName = None,
    output_dir: Annotated[Path | None, typer.Option(help="Write FILE's text there as FILE.txt, .json, ...")] = None,
    config: ConfigFile = None,
) -> None:
    """Transcribe recordings one after the other; one that fails does not stop the others.

    Example: whisperx-npu transcribe talk.mp3 --format srt > talk.srt
    """
    from server.machine.optional_packages import check_extra
    from server.transcript import DiarizeOptions, Options

    settings = configured(config, model={"name": model})
    log_to_stderr("warning")
    if diarize:
        _check_diarization(settings, channels, min_speakers, max_speakers)
    known, candidates = _languages(language, languages)
    layout = _layout(max_line_width, max_line_count, highlight_words=highlight_words)
    options = Options(
        task=task,
        language=known,
        languages=candidates,
        align=_alignment(layout, format, "off" if no_align else align, settings),
        diarize=DiarizeOptions(min_speakers, max_speakers) if diarize else None,
        audio=_audio(audio_track, input_format, sample_rate, input_channels, channels),
    )
    write = to_directory(files, output_dir, format) if output_dir else to_stdout(files, format)
    present = readable(files)
    if not present:
        raise typer.Exit(FAILED)
    check_extra(settings.stages)
    settings, stand_in = pulled_or_demo(settings, named=model is not None)  # reported once, not for each file
    failed = _transcribe_all(settings, present, options, format, layout, write, stand_in)
    if failed or len(present) < len(files):
        raise typer.Exit(FAILED)


def _transcribe_all(
    settings: Settings,
    files: list[str],
    options: Options,
    output_format: OutputFormat,
    layout: SubtitleLayout,
    write: Write,
    stand_in: str | None,
) -> int:
    """Transcribe the files in turn, report those that fail on standard error, and return the number of failures.

    ``stand_in`` is why the demo model does it in the place of the default one, None where it does not.
    """
    from server.engine.contract import Job

    compute = ThreadPoolExecutor(1, thread_name_prefix="compute")  # Ctrl-C cannot interrupt the native code in it
    failed = 0
    try:
        with tempfile.TemporaryDirectory(prefix="whisperx-npu-") as scratch:
            model = compute.submit(_load, settings).result()
            for source in files:
                try:
                    job = Job(uuid.uuid4().hex, local_path(source, Path(scratch)), options)
                    events = _events(model, job, settings.server.max_audio_seconds)
                    transcript = replace(_transcript(_stepped(events, compute), source), stand_in=stand_in)
                    _warn(source, transcript)
                    write(source, rendered(transcript, job, output_format, layout))
                except (WhisperXError, OSError) as error:
                    typer.echo(f"{source}: {error}", err=True)
                    failed += 1
    except KeyboardInterrupt:  # nobody waits for the batch of windows that is being computed
        os._exit(INTERRUPTED)
    model.close()
    return failed


def _load(settings: Settings) -> LoadedModel:
    from server.machine.cpu import let_threads_sleep

    let_threads_sleep()  # before the libraries of the pipeline are loaded
    from server.checkpoints.catalog import Catalog
    from server.pipeline.loaded_model import LoadedModel
    from server.settings.stages import DEMO_MODEL

    catalog = Catalog(settings.model)
    name = catalog.default
    return LoadedModel(name, catalog.resolve(name), settings.stages, demo=name == DEMO_MODEL)


def _events(model: LoadedModel, job: Job, max_seconds: float) -> Iterator[Event]:
    """Run the pipeline on one file. An error that is not of this project becomes an EngineFailure and a log entry."""
    from server.pipeline import alone

    try:
        yield from alone.transcribe(model, job.path, job.options, max_seconds=max_seconds)
    except WhisperXError:
        raise
    except Exception as error:  # the outermost edge of the computation
        log.exception("Job %s failed.", job.id)
        raise EngineFailure(f"The transcription failed: {type(error).__name__}.") from error


def _stepped(events: Iterator[Event], compute: Executor) -> Iterator[Event]:
    """Take each event in another thread, so that this thread waits where Ctrl-C can interrupt it."""
    while (event := compute.submit(next, events, None).result()) is not None:
        yield event


def _transcript(events: Iterable[Event], source: str) -> Transcript:
    from server.transcript import Finished, Progress

    with bar(source) as update:
        for event in events:
            if isinstance(event, Progress):
                update(event.done, event.total)
            elif isinstance(event, Finished):
                return event.transcript
    raise EngineFailure("The pipeline stopped without a result.")


def _warn(source: str, transcript: Transcript) -> None:
    from server.formats import notice

    for warning in filter(None, (notice(transcript), *transcript.warnings)):
        typer.echo(f"{source}: {warning}", err=True)


def _layout(max_line_width: int | None, max_line_count: int | None, *, highlight_words: bool) -> SubtitleLayout:
    from server.api.input.fields import layout

    return layout(max_line_width, max_line_count, highlight_words=highlight_words)


def _alignment(
    layout: SubtitleLayout, output_format: OutputFormat, align: AlignChoice | None, settings: Settings
) -> AlignChoice | None:
    from server.api.input.fields import subtitle_alignment

    return subtitle_alignment(layout, output_format, align, settings)


def _languages(language: str | None, candidates: str | None) -> tuple[str | None, tuple[str, ...]]:
    from server.api.input.fields import known_or_candidates

    codes = tuple(_code(name, "languages") for name in candidates.split(",")) if candidates else ()
    return known_or_candidates(_code(language, "language") if language else None, codes)


def _audio(
    track: str | None, raw: str | None, rate: int | None, count: int | None, channels: Literal["mix", "split"]
) -> AudioInput:
    from server.api.input.form import Form

    fields = {
        "audio_track": track,
        "input_format": raw,
        "sample_rate": rate,
        "input_channels": count,
        "channels": channels,
    }
    return Form.parse([(name, str(value)) for name, value in fields.items() if value is not None]).audio


def _code(name: str, option: str) -> str:
    from server.languages import language_code

    try:
        return language_code(name)
    except ValueError as error:
        raise InvalidInput(f"--{option} {name} {error}.", param=option) from error


def _check_diarization(
    settings: Settings, channels: Literal["mix", "split"], least: int | None, most: int | None
) -> None:
    from server.api.input.fields import check_channels, check_speakers, require_diarization

    check_channels(channels, "--diarize")
    require_diarization(settings, "--diarize")
    check_speakers(least, most)
