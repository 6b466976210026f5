"""Errors of the package ``npu``.

NpuError
├── NpuUnavailable   nothing can be launched: no device, no module, no context, no memory; carries the cure
├── FolderRefused    a kernel folder (the compiled files of an overlay) that is damaged or does not fit; also a stream
├── LaunchTimeout    a launch that did not end in time: the overlay must be closed
├── LaunchFailed     a launch that ended in another state than COMPLETED, or that XRT refused
├── DeviceLost       the device is gone
└── WrongResult      a launch that completed with another result than the host model's

An overlay is a configuration of the NPU's cores; a launch runs one instruction stream on it. ``reason`` is one clause
without a full stop; status, log, metrics and answers repeat it as it is.
"""

from __future__ import annotations

from kernels.package.manifest import FolderError


class NpuError(Exception):
    """The base of every error that ``npu`` raises on purpose.

    ``reason`` is one clause without a full stop, ``cure`` the remedy for the user, None where there is none.
    """

    def __init__(self, reason: str, cure: str | None = None) -> None:
        super().__init__(reason if cure is None else f"{reason}: {cure}")
        self.reason = reason
        self.cure = cure

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.reason, self.cure)


class NpuUnavailable(NpuError):
    """Nothing can be launched: no device, module, context or memory is there, or the NPU was retired after a fault."""


class FolderRefused(NpuError):
    """A kernel folder is damaged or does not fit, or a stream does not fit its buffers; nothing was launched."""

    @staticmethod
    def of(error: FolderError) -> FolderRefused:
        """Convert the error of ``kernels.package`` about a kernel folder; its message already contains the cure."""
        return FolderRefused(str(error).rstrip("."))


class LaunchTimeout(NpuError):
    """A launch on the NPU exceeded the time limit of this package or of the driver.

    The launch may still write to its buffers, so close its overlay.
    """


class LaunchFailed(NpuError):
    """A launch on the NPU failed.

    ``state`` is the state of XRT in which the launch ended, "REFUSED" if XRT did not accept it, and "GIVEN UP" if an
    earlier failure had already ended the use of its overlay.
    """

    def __init__(self, reason: str, cure: str | None = None, state: str = "REFUSED") -> None:
        super().__init__(reason, cure)
        self.state = state

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.reason, self.cure, self.state)


class DeviceLost(NpuError):
    """The NPU is gone or does not answer; every call fails until the device is opened again."""


class WrongResult(NpuError):
    """A launch completed, and its result differs from the one that the host computes, or cannot be right."""
