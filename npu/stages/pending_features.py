"""Log-mel features that are computed while they are read, so that the encoder starts before the last window's mel."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from numpy.typing import DTypeLike, NDArray

from kernels.mel.audio import Float32


class PendingFeatures:
    """Log-mel features, float32 [B, n_mels, 3000], that another thread still computes; reading a window waits for it.

    The computing thread writes to ``array`` and reports each window by ``finish``, or its failure by ``fail``.
    ``check`` is called before every read and raises an error once the features must not be used any more.
    """

    def __init__(self, array: Float32, check: Callable[[], None]) -> None:
        self._array = array
        self._check = check
        self._finished: list[Future[None]] = [Future() for _ in range(len(array))]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of all features, (B, n_mels, 3000), known from the start."""
        return self._array.shape

    def finish(self, window: int) -> None:
        """Mark the window of this index as computed, and wake the readers that wait for it."""
        self._finished[window].set_result(None)

    def fail(self, error: BaseException) -> None:
        """Make every read of a window that is not finished raise ``error``."""
        for window in self._finished:
            if not window.done():
                window.set_exception(error)

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, window: int) -> Float32:
        """Wait for the window of this index and return its features, float32 [n_mels, 3000].

        Raises the error that stopped the computation, and the error of ``check``.
        """
        self._check()
        self._finished[window].result()
        features: Float32 = self._array[window]
        return features

    def __array__(self, dtype: DTypeLike | None = None, /, *, copy: bool | None = None) -> NDArray[Any]:
        """Wait for all windows and return their features as an array; this lets ``numpy.asarray`` accept the object."""
        for window in range(len(self)):
            self[window]
        array = self._array if dtype is None else self._array.astype(dtype)
        return array.copy() if copy else array
