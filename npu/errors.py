"""Errors of the package ``npu``.

NpuError
├── NpuUnavailable   nothing can be launched: no device, no module, no context, no memory; carries the cure
├── FolderRefused    a kernel folder, or a stream and its buffers, that do not belong together
├── LaunchTimeout    a launch that did not end in time: the overlay must be closed
├── LaunchFailed     a launch that ended in another state than COMPLETED, or that XRT refused
├── DeviceLost       the device is gone
└── WrongResult      a launch that completed with another result than the host model's

``reason`` is one clause without a full stop; status, log, metrics and answers repeat it as it is.
"""

from __future__ import annotations

from kernels.package.manifest import FolderError


class NpuError(Exception):
    """The base of every error that ``npu`` raises on purpose; ``cure`` is the remedy, None where there is none."""

    def __init__(self, reason: str, cure: str | None = None) -> None:
        super().__init__(reason if cure is None else f"{reason}: {cure}")
        self.reason = reason
        self.cure = cure

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.reason, self.cure)


class NpuUnavailable(NpuError):
    """Nothing can be launched: there is no device, module, context or memory, or the NPU was retired."""


class FolderRefused(NpuError):
    """A kernel folder, or a stream and its buffers, do not belong together; nothing was launched."""

    @staticmethod
    def of(error: FolderError) -> FolderRefused:
        """Return the error for a folder that ``kernels.package`` refuses; the message of ``error`` has the cure."""
        return FolderRefused(str(error).rstrip("."))


class LaunchTimeout(NpuError):
    """A launch did not end in time, by our watchdog or the driver's. The overlay may still write: close it."""


class LaunchFailed(NpuError):
    """A launch ended in ``state``, another one than COMPLETED; "REFUSED" if XRT did not accept it."""

    def __init__(self, reason: str, cure: str | None = None, state: str = "REFUSED") -> None:
        super().__init__(reason, cure)
        self.state = state

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.reason, self.cure, self.state)


class DeviceLost(NpuError):
    """The device is gone or does not answer; nothing works until it is opened again."""


class WrongResult(NpuError):
    """A launch completed, and its result differs from the host model's."""
