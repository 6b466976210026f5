"""One NPU for all models of a process: it has six hardware contexts for the whole machine."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock

from npu.runtime.npu import Npu

_opened: dict[Hashable, tuple[Npu, int]] = {}
_lock = Lock()


def acquire(key: Hashable, open_: Callable[[], Npu]) -> Npu:
    """The NPU that is open under ``key``, else a new one; to be released as often as it was acquired."""
    with _lock:
        npu, users = _opened.get(key) or (open_(), 0)
        _opened[key] = npu, users + 1
        return npu


def release(npu: Npu) -> None:
    """The last one closes it."""
    with _lock:
        key = next((key for key, (one, _) in _opened.items() if one is npu), None)
        if key is None:
            return
        _, users = _opened.pop(key)
        if users > 1:
            _opened[key] = npu, users - 1
            return
    npu.close()
