"""Features of windows that are still being computed, so that the next window's mel overlaps this window's encoder."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from numpy.typing import DTypeLike, NDArray

from kernels.mel.audio import Float32


class PendingFeatures:
    """Log-mel features, float32 [B, n_mels, 3000], of which a reader waits for the windows that it reads.

    ``array`` is filled by another thread, which reports each window with ``finish`` or the end with ``fail``.
    ``check`` is called before every read and raises once the features must not be used any more.
    """

    def __init__(self, array: Float32, check: Callable[[], None]) -> None:
        self._array = array
        self._check = check
        self._finished: list[Future[None]] = [Future() for _ in range(len(array))]

    @property
    def shape(self) -> tuple[int, ...]:
        """[B, n_mels, 3000]."""
        return self._array.shape

    def finish(self, window: int) -> None:
        """Let readers have a window, which has been written to the array."""
        self._finished[window].set_result(None)

    def fail(self, error: BaseException) -> None:
        """Raise ``error`` in every reader of a window that is not finished."""
        for window in self._finished:
            if not window.done():
                window.set_exception(error)

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, window: int) -> Float32:
        """Return the features of one window, float32 [n_mels, 3000], once they are computed.

        Raises the error that stopped the computation, and what ``check`` raises.
        """
        self._check()
        self._finished[window].result()
        features: Float32 = self._array[window]
        return features

    def __array__(self, dtype: DTypeLike | None = None, /, *, copy: bool | None = None) -> NDArray[Any]:
        """Return the features of all windows, once they are computed; numpy converts and copies them where asked to."""
        for window in range(len(self)):
            self[window]
        array = self._array if dtype is None else self._array.astype(dtype)
        return array.copy() if copy else array
