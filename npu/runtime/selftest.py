"""Checks of results of the NPU: an overlay's self-test, and one encoder layer of a model.

The expected result of a self-test comes from the kernels themselves, compiled for the host and run on the simulated
array; a layer is compared with Whisper's encoder in float64 (kernels/encoder/reference.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.matmul.blocks import from_bf16
from kernels.package.manifest import Judged
from npu.errors import WrongResult
from npu.xrt.overlay import Overlay

DTYPES = {"bf16": np.uint16, "i8": np.int8, "i16": np.int16, "i32": np.int32, "f32": np.float32}
BF16_ERROR, INT8_ERROR = 0.012, 0.06  # relative L2 of a layer: twice what trained and random weights show in simulation


@dataclass(frozen=True, slots=True)
class Verdict:
    """The deviation of a result (``what``) of the NPU from the expected one; it passes if ``relative`` <= ``allowed``.

    ``largest`` and ``mean`` are absolute differences over all ``elements``. ``relative`` is, for a self-test, the
    largest difference divided by the largest expected magnitude, and for a layer the L2 norm of the difference divided
    by that of the expected result.
    """

    what: str
    elements: int
    largest: float
    mean: float
    relative: float
    allowed: float

    def __str__(self) -> str:
        return (
            f"{self.what}: {self.elements:,} elements, largest difference {self.largest:.3g}, mean {self.mean:.3g}, "
            f"relative {self.relative:.3g} of {self.allowed:.3g} allowed"
        )


class OverlaySelfTest:
    """The self-test of a loaded overlay: a launch with inputs and expected results from its kernel folder."""

    def __init__(self, overlay: Overlay) -> None:
        """Allocate the self-test's buffers on the device. Raises NpuUnavailable, FolderRefused, DeviceLost."""
        folder = overlay.folder
        self.overlay = overlay
        self._judged = folder.manifest.selftest.results
        self._program = overlay.program(folder.manifest.selftest.sequence)
        self._inputs = [np.frombuffer(data, np.uint8) for data in folder.inputs()]
        self._expected = [np.frombuffer(data, np.uint8) for data in folder.expected()]
        self._buffers = [overlay.buffer(data.nbytes) for data in self._inputs]

    def run(self) -> Verdict:
        """Launch the self-test, compare its results, and return the comparison with the largest ``relative`` deviation.

        Raises WrongResult if a deviation is larger than allowed, and the errors of ``Overlay.launch``.
        """
        for buffer, data in zip(self._buffers, self._inputs, strict=True):
            buffer.view()[:] = data
        for buffer in self._buffers:
            buffer.to_device()
        self.overlay.launch(self._program, self._buffers)
        for number in {judged.argument for judged in self._judged}:
            self._buffers[number].from_device()
        with np.errstate(invalid="ignore", over="ignore"):  # garbage is compared as well
            verdicts = [self._judge(judged) for judged in self._judged]
        wrong = next((verdict for verdict in verdicts if not verdict.relative <= verdict.allowed), None)
        if wrong is not None:
            raise WrongResult(f"the self-test gave another result than the host model: {wrong}")
        return max(verdicts, key=lambda verdict: verdict.relative)

    def _judge(self, judged: Judged) -> Verdict:
        got = values(self._buffers[judged.argument].view(), judged)
        want = values(self._expected[judged.argument], judged)
        difference = np.abs(got - want)
        largest, scale = float(difference.max()), float(np.abs(want).max())
        relative = largest / scale if scale else (0.0 if largest == 0.0 else np.inf)
        what = f"{self.overlay.name}.{judged.name}"
        return Verdict(what, want.size, largest, float(difference.mean()), relative, judged.tolerance)


def values(argument: NDArray[np.uint8], judged: Judged) -> NDArray[np.float64]:
    """Return the elements of a launch argument that a self-test compares, converted to float64 [elements].

    ``argument`` is the whole argument in bytes; ``judged`` gives dtype, offset and number of the elements.
    """
    stored: NDArray[Any] = argument.view(DTYPES[judged.dtype])[judged.offset : judged.offset + judged.elements]
    return (from_bf16(stored) if judged.dtype == "bf16" else stored).astype(np.float64)


def judge_layer(got: NDArray[np.float32], want: NDArray[np.float64], what: str, *, int8: bool) -> Verdict:
    """Compare ``got``, an encoder's output on the NPU, with ``want``, its float64 reference, of equal shape.

    Raises WrongResult if the relative L2 error is above BF16_ERROR, or above INT8_ERROR with ``int8``. ``what`` names
    the layer in the result and in the message.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(got - want)
    relative = float(np.linalg.norm(difference) / np.linalg.norm(want))
    allowed = INT8_ERROR if int8 else BF16_ERROR
    verdict = Verdict(what, want.size, float(difference.max()), float(difference.mean()), relative, allowed)
    if not relative <= allowed:
        raise WrongResult(f"a layer of the model gave another result than the reference: {verdict}")
    return verdict
