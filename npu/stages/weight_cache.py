"""A cache on disk of encoder weights in the NPU's layout, because packing them takes seconds to minutes.

A file is the packed tensor followed by its SHA-256; its name is a hash of everything that the tensor depends on. A
damaged file is replaced. A folder that cannot be written is logged, and the weights are packed again the next time.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import kernels.encoder
from kernels.encoder.pack import Bits, pack_weights
from kernels.encoder.plan import EncoderPlan
from kernels.encoder.weights import EncoderWeights, Linear, Norm
from kernels.matmul import blocks

log = logging.getLogger(__name__)

DIGEST_BYTES = hashlib.sha256().digest_size


def load_packed(plan: EncoderPlan, encoder: EncoderWeights, folder: Path, into: Bits) -> bool:
    """Fill ``into``, uint16 [plan.weight_elements], with packed weights, from the cache ``folder`` or by packing them.

    Returns True if they came from the cache; else they are packed and stored there.
    """
    path = folder / f"{fingerprint(plan, encoder)}.bin"
    if _read(path, into):
        return True
    into[:] = pack_weights(plan, encoder)
    _write(path, into)
    return False


def fingerprint(plan: EncoderPlan, encoder: EncoderWeights) -> str:
    """Return a hash, 40 hex digits, of everything that determines the packed weights.

    These are the tensors, the shape, the precision and the columns that they are packed for, and the code that packs
    them.
    """
    digest = hashlib.sha256(_code())
    digest.update(repr((plan.shape, plan.columns, plan.int8)).encode())
    for array in _arrays(encoder):
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:40]


def _arrays(encoder: EncoderWeights) -> Iterator[NDArray[np.float32]]:
    parts: list[Linear | Norm] = [encoder.conv1, encoder.conv2, encoder.norm]
    for layer in encoder.layers:
        parts += [layer.attention_norm, layer.qkv, layer.out, layer.ffn_norm, layer.up, layer.down]
    yield encoder.positions
    for part in parts:
        yield part.weight if isinstance(part, Linear) else part.gain
        yield part.bias


@cache
def _code() -> bytes:
    sources = [*sorted(Path(kernels.encoder.__path__[0]).glob("*.py")), Path(blocks.__file__)]
    return b"\0".join(source.read_bytes() for source in sources)


def _read(path: Path, into: Bits) -> bool:
    try:
        with path.open("rb") as file:
            whole = os.fstat(file.fileno()).st_size == into.nbytes + DIGEST_BYTES
            whole = whole and file.readinto(into.view(np.uint8).data) == into.nbytes
            if whole and hashlib.sha256(into.data).digest() == file.read():
                return True
    except FileNotFoundError:
        return False
    except OSError as error:
        log.warning("Packed weights cannot be read from %s: %s.", path, error)
        return False
    log.warning("Packed weights in %s are damaged; they are packed anew.", path)
    return False


def _write(path: Path, values: Bits) -> None:
    """Write ``values`` and their digest to ``path`` atomically; a failure, such as a full disk, is only logged."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            temporary = Path(file.name)
            file.write(values.data)
            file.write(hashlib.sha256(values.data).digest())
        temporary.replace(path)
    except OSError as error:
        log.warning("Packed weights cannot be kept in %s: %s.", path.parent, error)
        if temporary is not None:
            temporary.unlink(missing_ok=True)
