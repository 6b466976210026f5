"""The layout of a packed window, for tests that read single frames of it."""

from __future__ import annotations

from kernels.mel.audio import HOP_LENGTH
from kernels.mel.plan import PLANES


def first_element(frame: int) -> int:
    """Return the index in a packed window at which the samples of a mel frame start."""
    return PLANES * HOP_LENGTH * frame
