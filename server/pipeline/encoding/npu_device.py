"""The NPU that the ``npu.*`` settings name: opened once and shared by the models of a process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from npu.errors import NpuError, NpuUnavailable
from npu.kernel_folders import Folders
from npu.probe import DeviceReport, probe
from npu.runtime.npu import Npu, acquire, open_npu
from server.errors import ConfigurationError
from server.settings.stages import NpuSettings


def kernel_folders(settings: NpuSettings) -> Folders:
    """Return an object that finds the NPU's compiled kernels, in the directory and for the device of the settings."""
    return Folders(settings.kernels, "host" if settings.mode == "simulated" else "npu1")


def open_device(settings: NpuSettings) -> Npu:
    """Open the NPU, or the simulated one if the settings say so. Raises NpuUnavailable."""
    return open_npu(kernel_folders(settings), simulated=settings.mode == "simulated", node=settings.device)


def acquire_device(settings: NpuSettings, opener: Callable[[NpuSettings], Npu] = open_device) -> Npu:
    """Return the NPU that all models of this process share, opened by the first caller; give it back by ``release``.

    Raises NpuUnavailable if it cannot be opened.
    """
    key = settings.mode == "simulated", settings.device, settings.kernels
    return acquire(key, lambda: opener(settings))


def require_npu(settings: NpuSettings, look: Callable[[Path], DeviceReport] = probe) -> None:
    """Raise ConfigurationError if ``npu.mode`` is required and the NPU or its kernels are missing.

    The NPU is inspected by ``look``, and not opened.
    """
    if settings.mode != "required":
        return
    try:
        problems = look(settings.device).problems
        if problems:
            raise NpuUnavailable(problems[0].what, problems[0].cure)
        kernel_folders(settings).encoder(int8=settings.precision == "int8")
    except NpuError as error:
        raise refusal(settings.mode, error) from None


def refusal(mode: str, error: NpuError) -> ConfigurationError:
    """Return a ConfigurationError which says that ``npu.mode`` is impossible because of ``error``, and the cure."""
    advice = "set npu.mode to auto to serve on the CPU."
    cure = error.cure
    return ConfigurationError(
        f"npu.mode is {mode}, but the NPU cannot serve: {error.reason}.",
        param="npu.mode",
        cure=f"{cure[0].upper()}{cure[1:]}, or {advice}" if cure else advice.capitalize(),
    )
