"""A translation of XRT's errors into those of ``npu.errors``.

XRT raises RuntimeError for everything, so only the text and the errno in it tell the errors apart. Texts: xdna-driver
src/shim at 856409ca ("DRM_IOCTL_AMDXDNA_... IOCTL failed (err=-22): Invalid argument"); which errno means what on
Phoenix: reports of whisper-xdna, mlir-aie#3526 and the driver's aie2_ctx.c.
"""

from __future__ import annotations

import errno
import re
from types import TracebackType

from npu.errors import DeviceLost, LaunchFailed, NpuError, NpuUnavailable

CONTEXTS = 6  # hwctx_limit, npu1_regs.c of amd/xdna-driver: for the whole machine
GONE = (errno.ENODEV, errno.ENXIO)
ERRNO = re.compile(r"\berr(?:or)?\s*[=:]\s*-?(\d+)")
MEMLOCK_CURE = "raise the limit with `ulimit -l unlimited`, LimitMEMLOCK=infinity or --ulimit memlock=-1"
LOST_CURE = "look into `dmesg`; load the driver again or restart the machine"


class XrtCall:
    """A context manager around calls into pyxrt: it catches XRT's error and keeps the error's text in ``failure``.

    ``failure`` is None if the block ended without an error. The error itself is dropped here: its traceback would keep
    a hardware context alive as long as anybody holds it. So raise the error that the text means after the block, not
    in it, and from a function whose local variables refer to no kernel and no run. Errors of other kinds, such as
    TypeError, pass through.

    Example::

        with XrtCall() as call:
            run.start()
        if call.failure is not None:
            raise while_launching("mel_80.run", call.failure)
    """

    failure: str | None = None

    def __enter__(self) -> XrtCall:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if not isinstance(error, RuntimeError | MemoryError | OSError):
            return False
        self.failure = str(error).strip() or type(error).__name__
        return True


def while_loading(what: str, text: str) -> NpuError:
    """Return the error for ``text``, the message of an error that XRT raised while it loaded or allocated ``what``."""
    number = _errno(text)
    if number in GONE:
        return DeviceLost(f"the NPU was lost while {what} was made ready ({text})", LOST_CURE)
    if "HWCTX" in text and number == errno.EINVAL:
        return NpuUnavailable(
            f"the NPU gives {what} no hardware context ({text}); it has {CONTEXTS} for the whole machine",
            "end other programs that use the NPU",
        )
    if number == errno.ENOSPC:
        return NpuUnavailable(
            f"no columns of the NPU are free for {what} ({text})", "end other programs that use the NPU"
        )
    if number == errno.ENOMEM:
        return NpuUnavailable(f"the NPU has no memory left for {what} ({text})", "close other programs, or load less")
    if number == errno.EAGAIN or "Resource temporarily unavailable" in text:
        return NpuUnavailable(f"memory for {what} may not be locked ({text})", MEMLOCK_CURE)
    return NpuUnavailable(f"XRT does not make {what} ready ({text})", "run `whisperx-npu doctor` and look into `dmesg`")


def while_launching(what: str, text: str) -> NpuError:
    """Return the error for ``text``, the message of an error that XRT raised while launching or polling ``what``."""
    if _errno(text) in GONE:
        return DeviceLost(f"the NPU was lost while it ran {what} ({text})", LOST_CURE)
    return LaunchFailed(f"XRT did not take the launch of {what} ({text})")


def while_syncing(text: str) -> NpuError:
    """Return the error for ``text``, the message of an error that XRT raised while a buffer was synced."""
    if _errno(text) in GONE:
        return DeviceLost(f"the NPU was lost while a buffer was synced ({text})", LOST_CURE)
    return LaunchFailed(f"XRT did not sync a buffer ({text})")


def _errno(text: str) -> int | None:
    found = ERRNO.search(text)
    return int(found[1]) if found else None
