"""Checks of the machine: packages, processor, memory, disk, port, and arithmetic."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from kernels.mel.audio import N_FFT, SAMPLE_RATE, Float32, mel_filters
from server.cli.doctor.check import Check
from server.machine import optional_packages as extra
from server.machine.cgroup import cpu_quota
from server.machine.cpu import cpu_flags, usable_cores
from server.machine.memory import available_bytes
from server.settings.load import Settings

FLAGS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")  # used by the stages
LEAST_BYTES = 1 << 30
PACKAGES = (
    "whisperx-npu",
    "ctranslate2",
    "faster-whisper",
    "onnxruntime",
    "openvino",
    "av",
    "fastapi",
    "uvicorn",
)
EXTRA_PACKAGES = ("whisperx", "torch", "transformers")
MEL_BANDS = (80, 128)  # of Whisper's models: 128 of large-v3 and turbo, 80 of all others


def check_packages(settings: Settings) -> Check:
    """Check that the Python packages are installed that every server needs, and those that the settings need."""
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


def check_cpu() -> Check:
    """Report the usable cores and the vector instructions; a processor without AVX2 is reported as slow."""
    flags = cpu_flags()
    cores = f"{usable_cores()} of {os.cpu_count()} cores"
    if quota := cpu_quota():
        cores += f" (a quota of {quota:.3g})"
    detail = f"{cores}; {' '.join(flag for flag in FLAGS if flag in flags) or 'no vectors'}"
    if platform.machine() == "x86_64" and "avx2" not in flags:
        return Check("cpu", "missing", detail, "Expect low speed: without AVX2, CTranslate2 runs generic code.")
    return Check("cpu", "ok", detail)


def check_memory() -> Check:
    """Check that the machine or container has at least 1 GiB of memory."""
    page = os.sysconf("SC_PAGE_SIZE")
    total, free = page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    usable = available_bytes()
    detail = f"{total / 1e9:.1f} GB, {free / 1e9:.1f} GB of it unused"
    if usable < total:
        detail = f"{usable / 1e9:.1f} GB by the limit of the container, of the machine's {detail}"
    if usable < LEAST_BYTES:
        cure = "The server needs 0.3 GB beside its model, and 1 GB more for whisperx alignment or pyannote."
        return Check("memory", "missing", detail, cure)
    return Check("memory", "ok", detail)


def check_mel_filters(filters: Callable[[int], Float32] = mel_filters) -> Check:
    """Compare the mel filters that the server uses with those of librosa, bit by bit.

    librosa is an independent reference: nothing else uses it, and its import takes two seconds.
    """
    try:
        from librosa.filters import mel as reference
    except ImportError as error:
        return Check("mel filters", "missing", f"librosa cannot be imported: {error}", "Install whisperx-npu again.")
    differences = [
        float(np.abs(filters(bands) - reference(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=bands)).max())
        for bands in MEL_BANDS
    ]
    if any(differences):
        detail = f"they differ from those of librosa {version('librosa')} by up to {max(differences):.3g}"
        return Check("mel filters", "missing", detail, "Please report it, with the output of `doctor --bundle`.")
    return Check("mel filters", "ok", f"those of librosa {version('librosa')} to the bit, for 80 and 128 bands")


def check_cache(directory: Path) -> Check:
    """Check that models can be written to their directory, and report its free space."""
    directory = directory.expanduser()
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        cure = "Set model.cache_dir to a directory that this user may write to."
        return Check("model cache", "missing", f"{directory} cannot be written", cure)
    status = os.statvfs(existing)
    return Check("model cache", "ok", f"{directory}, {status.f_bavail * status.f_frsize / 1e9:.1f} GB free")


def check_port(host: str, port: int) -> Check:
    """Check that the server could listen on its address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        cure = "Stop what listens there (perhaps this server), or choose another with --port."
        why = str(error.strerror or error).partition(" (")[0]
        return Check("port", "missing", f"{host}:{port}: {why}", cure)
    return Check("port", "ok", f"{host}:{port} is free")
