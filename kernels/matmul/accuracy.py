"""The error of a matrix product against its reference, and the largest error that the kernels may have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.matmul.reference import Float64


@dataclass(frozen=True, slots=True)
class ProductError:
    """The error of a matrix product against a reference, or a limit for it.

    ``relative`` is the relative L2 error, ``worst`` the largest error of an element divided by the root mean square of
    the reference.
    """

    relative: float
    worst: float

    def within(self, limit: ProductError) -> bool:
        """Return whether both figures are at most those of ``limit``."""
        return self.relative <= limit.relative and self.worst <= limit.worst


# The limits for a product of a trained or Whisper-sized encoder, against float64 on the same operands. Rounding the
# result to bf16 alone is 0.0017 and up to 2**-8 of the largest |C|; the int8 epilogue rounds three times.
BF16 = ProductError(relative=0.0018, worst=0.06)
INT8 = ProductError(relative=0.0036, worst=0.12)
# The same against the operands before they were rounded to bf16, or quantised.
BF16_WHOLE = ProductError(relative=0.0045, worst=0.08)
INT8_WHOLE = ProductError(relative=0.018, worst=0.25)


def product_error(c: NDArray[Any], reference: Float64) -> ProductError:
    """Return the error of the product ``c`` against a reference of the same shape."""
    difference = c.astype(np.float64) - reference
    size = float(np.sqrt(np.mean(reference**2)))
    return ProductError(float(np.sqrt(np.mean(difference**2))) / size, float(np.abs(difference).max()) / size)
