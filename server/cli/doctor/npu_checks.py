"""Checks of the NPU: its device, driver and libraries, and the kernel folders. None opens the device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from npu.errors import NpuError
from npu.probe import HEAP_BYTES, DeviceReport, Subject, probe
from server.cli.doctor.check import Check, State
from server.pipeline.encoding.npu_device import kernel_folders
from server.settings.load import Settings


def check_npu(settings: Settings) -> Iterator[Check]:
    """Check the device and all that it needs, unless ``npu.mode`` is off."""
    if settings.npu.mode == "off":
        yield Check("npu", "ok", "npu.mode is off")
        return
    bad: State = "fatal" if settings.npu.mode == "required" else "missing"
    yield from _device(probe(settings.npu.device), bad)
    yield _kernels(settings, bad)


def _device(report: DeviceReport, bad: State) -> Iterator[Check]:
    limit = "unlimited" if report.memlock_bytes is None else f"{report.memlock_bytes >> 10} KiB"
    driver = f"{report.driver}, {report.name}, firmware {report.firmware}"
    parts: tuple[tuple[str, tuple[Subject, ...], str], ...] = (
        ("npu device", ("node", "access"), f"{report.node}"),
        ("npu driver", ("driver", "firmware"), driver if report.driver else "unknown: /sys says nothing of the device"),
        ("pyxrt", ("pyxrt",), "importable"),
        ("memlock", ("memlock",), f"{limit}, at least {HEAP_BYTES >> 20} MiB needed"),
    )
    yield Check("kernel", "ok", f"Linux {report.kernel}")
    for name, subjects, detail in parts:
        problems = [problem for problem in report.problems if problem.subject in subjects]
        if problems:
            yield Check(name, bad, problems[0].what, f"{problems[0].cure}.")
        elif report.present or name in ("pyxrt", "memlock"):
            yield Check(name, "ok", detail)


def _kernels(settings: Settings, bad: State) -> Check:
    """Check that the kernel folders are complete. They are read, not loaded."""
    folders = kernel_folders(settings.npu)
    if settings.npu.mode == "simulated":
        return Check("npu kernels", "ok", "of the simulated NPU, built when they are first wanted")
    try:
        found = [folders.mel(80), folders.mel(128), *folders.encoder(int8=settings.npu.precision == "int8").values()]
    except NpuError as error:
        return Check("npu kernels", bad, error.reason, f"{error.cure or 'Build it again'}.")
    places: dict[Path, list[str]] = {}
    for folder in found:
        places.setdefault(folder.path.parent, []).append(folder.manifest.design)
    return Check("npu kernels", "ok", "; ".join(f"{', '.join(names)} in {place}" for place, names in places.items()))
