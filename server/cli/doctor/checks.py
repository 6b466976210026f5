"""What the doctor looks at. A check looks and never raises for what it finds."""

from __future__ import annotations

import os
import platform
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from npu.errors import NpuError
from npu.probe import HEAP_BYTES, DeviceReport, Subject, probe
from server.checkpoints.catalog import Catalog
from server.errors import WhisperXError
from server.machine import optional_packages as extra
from server.machine.cgroup import cpu_quota
from server.machine.cpu import cpu_flags, usable_cores
from server.machine.memory import available_bytes
from server.pipeline.encoding.npu import kernel_folders
from server.settings.load import Settings

State = Literal["ok", "missing", "fatal"]  # fatal: the server cannot run

FLAGS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")  # what the stages use
LEAST_BYTES = 1 << 30
PACKAGES = (
    "whisperx-npu",
    "ctranslate2",
    "faster-whisper",
    "onnxruntime",
    "av",
    "fastapi",
    "uvicorn",
)
EXTRA_PACKAGES = ("whisperx", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report. ``cure`` says what to do where something is missing."""

    name: str
    state: State
    detail: str
    cure: str | None = None


def run_checks(settings: Settings, *, stages: bool = False) -> Iterator[Check]:
    """Every check, from the machine to the server; with ``stages`` mel and encoder are loaded and measured."""
    yield Check("python", "ok", f"{platform.python_version()} ({sys.executable})")
    yield _packages(settings)
    yield _cpu()
    yield _memory()
    yield from _npu(probe(settings.npu.device), settings)
    yield from _models(settings)
    if stages and not _waits_for_a_pull(settings):
        yield from _stages(settings)
    yield _cache(settings.model.cache_dir)
    yield _network(Catalog(settings.model))
    yield _diarization(settings)
    yield _port(settings.server.host, settings.server.port)


def _packages(settings: Settings) -> Check:
    found, missing = [], []
    for package in (*PACKAGES, *EXTRA_PACKAGES):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    if broken := [package for package in missing if package in PACKAGES]:
        return Check("packages", "fatal", f"not installed: {', '.join(broken)}", "Install whisperx-npu again.")
    if without := extra.lacking():
        asked = extra.asked_for(settings.stages)
        detail = f"{', '.join(found)}; not installed: {', '.join(without)}"
        return Check("packages", "fatal" if asked else "missing", "; ".join((detail, *asked)), extra.CURE)
    return Check("packages", "ok", ", ".join(found))


def _cpu() -> Check:
    flags = cpu_flags()
    cores = f"{usable_cores()} of {os.cpu_count()} cores"
    if quota := cpu_quota():
        cores += f" (a quota of {quota:.3g})"
    detail = f"{cores}; {' '.join(flag for flag in FLAGS if flag in flags) or 'no vectors'}"
    if platform.machine() == "x86_64" and "avx2" not in flags:
        return Check("cpu", "missing", detail, "Expect low speed: without AVX2, CTranslate2 runs generic code.")
    return Check("cpu", "ok", detail)


def _memory() -> Check:
    page = os.sysconf("SC_PAGE_SIZE")
    total, free = page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    usable = available_bytes()
    detail = f"{total / 1e9:.1f} GB, {free / 1e9:.1f} GB of it unused"
    if usable < total:
        detail = f"{usable / 1e9:.1f} GB by the limit of the container, of the machine's {detail}"
    if usable < LEAST_BYTES:
        return Check(
            "memory",
            "missing",
            detail,
            "The server needs 0.3 GB beside its model, and 1 GB more for whisperx alignment or pyannote.",
        )
    return Check("memory", "ok", detail)


def _npu(report: DeviceReport, settings: Settings) -> Iterator[Check]:
    if settings.npu.mode == "off":
        yield Check("npu", "ok", "npu.mode is off")
        return
    bad: State = "fatal" if settings.npu.mode == "required" else "missing"
    limit = "unlimited" if report.memlock_bytes is None else f"{report.memlock_bytes >> 10} KiB"
    driver = f"{report.driver}, {report.name}, firmware {report.firmware}"
    seen: tuple[tuple[str, tuple[Subject, ...], str], ...] = (
        ("npu device", ("node", "access"), f"{report.node}"),
        ("npu driver", ("driver", "firmware"), driver if report.driver else "unknown: /sys says nothing of the device"),
        ("pyxrt", ("pyxrt",), "importable"),
        ("memlock", ("memlock",), f"{limit}, at least {HEAP_BYTES >> 20} MiB needed"),
    )
    yield Check("kernel", "ok", f"Linux {report.kernel}")
    for name, subjects, detail in seen:
        problems = [problem for problem in report.problems if problem.subject in subjects]
        if problems:
            yield Check(name, bad, problems[0].what, f"{problems[0].cure}.")
        elif report.present or name in ("pyxrt", "memlock"):
            yield Check(name, "ok", detail)
    yield _kernels(settings, bad)


def _kernels(settings: Settings, bad: State) -> Check:
    """Read and hold together, not loaded."""
    folders = kernel_folders(settings.npu)
    if settings.npu.mode == "simulated":
        return Check("npu kernels", "ok", "of the simulated NPU, built when they are first wanted")
    try:
        found = [folders.mel(80), folders.mel(128), *folders.encoder(int8=settings.npu.precision == "int8").values()]
    except NpuError as error:
        return Check("npu kernels", bad, error.reason, f"{error.cure or 'Build it again'}.")
    places: dict[Path, list[str]] = {}
    for one in found:
        places.setdefault(one.path.parent, []).append(one.manifest.design)
    return Check("npu kernels", "ok", "; ".join(f"{', '.join(names)} in {place}" for place, names in places.items()))


def _stages(settings: Settings) -> Iterator[Check]:
    """Loads the default model as the server does."""
    from server.pipeline.loaded_model import LoadedModel, StageSettings

    try:
        directory = Catalog(settings.model).resolve(settings.model.name)
        parts = LoadedModel(settings.model.name, directory, StageSettings(model=settings.model, npu=settings.npu))
    except WhisperXError as error:
        yield Check("stages", "fatal", error.message, error.cure)
        return
    yield Check("stage mel", "ok", f"{parts.mel.device}; {parts.npu.reason('mel')}")
    why = f"{parts.npu.reason('encoder')}; CPU: {parts.encoder_reason}"
    yield Check("stage encoder", "ok", f"{parts.encoder.device}; {why}")
    for note in parts.npu.notes():
        yield Check("npu self-test", "ok", note)
    parts.close()


def _models(settings: Settings) -> Iterator[Check]:
    try:
        catalog = Catalog(settings.model)
        entries = catalog.entries()
        yield _default_model(catalog, settings)
    except WhisperXError as error:
        yield Check("default model", "fatal", error.message, error.cure)
        return
    for entry in entries:
        if entry.problem:
            yield Check(f"model {entry.id}", "missing", entry.problem, f"Run `whisperx-npu models pull {entry.id}`.")
        elif entry.id != catalog.default:
            yield Check(f"model {entry.id}", "ok", f"{entry.bytes / 1e6:.0f} MB in {entry.path}")


def _waits_for_a_pull(settings: Settings) -> bool:
    model = settings.model
    return model.missing != "refuse" and Catalog(model).is_missing(model.name)


def _default_model(catalog: Catalog, settings: Settings) -> Check:
    """Raises what stops the start of the server."""
    name, missing = catalog.default, settings.model.missing
    if not _waits_for_a_pull(settings):
        return Check("default model", "ok", f"{name} in {catalog.resolve(settings.model.name)}")
    cure = f"To have it before: `whisperx-npu models pull {name}`."
    then = "serve pulls it" if missing == "pull" else "serve pulls it, or serves the demo without the hub"
    if catalog.offline:
        cure = f"Set model.offline to false and unset HF_HUB_OFFLINE to pull {name}."
        then = "serve cannot pull it" if missing == "pull" else "serve serves the demo"
        then += ", the network is off"
    state: State = "fatal" if catalog.offline and missing == "pull" else "missing"
    return Check("default model", state, f"{name} is not installed; model.missing is {missing}: {then}", cure)


def _cache(directory: Path) -> Check:
    directory = directory.expanduser()
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        cure = "Set model.cache_dir to a directory that this user may write to."
        return Check("model cache", "missing", f"{directory} cannot be written", cure)
    status = os.statvfs(existing)
    return Check("model cache", "ok", f"{directory}, {status.f_bavail * status.f_frsize / 1e9:.1f} GB free")


def _network(catalog: Catalog) -> Check:
    used = "used by `models pull` and model.missing, and where align.models or diarize.model name Hugging Face ids"
    return Check("network", "ok", "off: nothing is ever looked up" if catalog.offline else used)


def _diarization(settings: Settings) -> Check:
    model = settings.diarize.model
    if model is None:
        cure = "To tell speakers apart, set diarize.model to a pyannote pipeline (a directory or a Hugging Face id)."
        return Check("diarization", "missing", "not configured", cure)
    return Check("diarization", "ok", model)


def _port(host: str, port: int) -> Check:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        cure = "Stop what listens there (perhaps this server), or choose another with --port."
        why = str(error.strerror or error).partition(" (")[0]
        return Check("port", "missing", f"{host}:{port}: {why}", cure)
    return Check("port", "ok", f"{host}:{port} is free")
