"""Errors of the NPU rooms; nothing here knows of the server.

NpuError
├── NpuUnavailable   nothing can be launched: no device, no module, no context, no memory; carries the cure
├── FolderRefused    a kernel folder, or a stream and its buffers, that do not belong together
├── LaunchTimeout    a launch that did not end in time: the overlay must go
├── LaunchFailed     a launch that ended in another state than COMPLETED, or was not taken
├── DeviceLost       the device is gone
└── WrongResult      a launch that ended well and computed something else than the host model

``reason`` is one clause without a stop: it goes into status, log, metrics and answers as it is.
"""

from __future__ import annotations

from kernels.package.manifest import FolderError


class NpuError(Exception):
    """Base of every error that ``npu`` raises on purpose."""

    def __init__(self, reason: str, cure: str | None = None) -> None:
        super().__init__(reason if cure is None else f"{reason}: {cure}")
        self.reason = reason
        self.cure = cure

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.reason, self.cure)


class NpuUnavailable(NpuError):
    """Nothing can be launched."""


class FolderRefused(NpuError):
    """A kernel folder, or a stream and its buffers, that do not belong together; nothing was launched."""

    @staticmethod
    def of(error: FolderError) -> FolderRefused:
        """What ``kernels.package`` found wrong with a folder. Its message holds the cure."""
        return FolderRefused(str(error).rstrip("."))


class LaunchTimeout(NpuError):
    """A launch that did not end in time, by our watch or the driver's. The overlay may still write: close it."""


class LaunchFailed(NpuError):
    """A launch that ended in ``state``, another than COMPLETED; or that XRT did not take ("REFUSED")."""

    def __init__(self, reason: str, cure: str | None = None, state: str = "REFUSED") -> None:
        super().__init__(reason, cure)
        self.state = state

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.reason, self.cure, self.state)


class DeviceLost(NpuError):
    """The device is gone, or does not answer; nothing of it works until it is opened anew."""


class WrongResult(NpuError):
    """A launch that ended well and computed something else than the host model."""
