"""The type of Whisper's input features on their way from the mel stage to the encoder."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from kernels.mel.audio import Float32


class Features(Protocol):
    """Log-mel features of a batch of B windows, float32 [B, n_mels, 3000], some of which may not be computed yet.

    A float32 array qualifies, and so does ``npu.stages.pending_features.PendingFeatures``, whose windows are computed
    while the encoder already reads the first of them. ``np.asarray(features)`` waits for all windows.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of all features: (B, n_mels, frames)."""

    def __len__(self) -> int:
        """Return the number B of windows."""

    def __getitem__(self, window: int, /) -> Float32:
        """Return the features of one window, float32 [n_mels, 3000], as soon as they are computed.

        Raises the error that kept the window from being computed.
        """

    def __array__(self, dtype: None = None, /) -> NDArray[Any]:
        """Wait for all windows and return their features; the array may be shared: do not write to it."""
