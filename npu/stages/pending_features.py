"""Features of windows that are still being computed: what lets the next window's mel overlap this window's encoder."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Float32 = NDArray[np.float32]


class Coming:
    """As good as float32 [B, n_mels, 3000], but that a window is waited for when it is asked for.

    Asking raises what went wrong with it, or before it.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._windows: list[Future[Float32]] = [Future() for _ in range(shape[0])]

    def put(self, window: int, features: Float32) -> None:
        self._windows[window].set_result(features)

    def fail(self, error: BaseException) -> None:
        """Nothing more is coming."""
        for window in self._windows:
            if not window.done():
                window.set_exception(error)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, window: int) -> Float32:
        return self._windows[window].result()

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """All of it, for whoever wants an array."""
        del copy  # it is one
        whole = np.empty(self.shape, dtype or np.float32)
        for window in range(len(self)):
            whole[window] = self[window]
        return whole
