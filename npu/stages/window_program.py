"""Generate the NPU's instruction streams for an encoder of any shape, without the compiler toolchain.

The generator is verified by the self-test stream that each kernel folder contains.
"""

from __future__ import annotations

from collections.abc import Mapping

from kernels.array.lower.encode import encode_all
from kernels.array.sequence import Sequence
from kernels.encoder.overlay import overlay
from kernels.encoder.plan import EncoderPlan
from kernels.encoder.selftest import NAME, trial_sequence
from kernels.encoder.window_ops import launches
from kernels.errors import DesignError
from kernels.package.verify import KernelFolder
from kernels.registry import OPS
from npu.errors import FolderRefused, NpuUnavailable


def window_streams(placed: EncoderPlan, folders: Mapping[str, KernelFolder]) -> list[tuple[str, bytes]]:
    """Return the launches that encode one window, in order, each as (overlay name, instruction stream).

    A stream refers to its overlay by the channels of FIFOs only, so a stream that is written here works with a
    configuration that was compiled elsewhere, if the self-test stream generated here equals the one in the kernel
    folder. Raises FolderRefused if it does not, and NpuUnavailable for a shape that the overlays cannot compute.
    """
    try:
        steps = launches(placed, {name: frozenset(OPS[name]) for name in folders})
        streams = {name: _encoded(placed, name, steps, folders[name]) for name in folders}
    except (DesignError, ValueError) as error:
        raise NpuUnavailable(f"the kernels cannot do an encoder of {placed.shape} ({error})") from None
    return [(name, streams[name][sequence.name]) for name, sequence in steps]


def _encoded(
    placed: EncoderPlan, name: str, steps: list[tuple[str, Sequence]], folder: KernelFolder
) -> dict[str, bytes]:
    own = tuple(sequence for at, sequence in steps if at == name)
    trial = trial_sequence(OPS[name], placed.columns)
    encoded = encode_all(overlay(name, OPS[name], (trial, *own), columns=placed.columns))
    if encoded[NAME] != folder.streams.get(NAME):
        raise FolderRefused(
            f"the instruction stream of kernel folder {name} is not what this version writes for it", "build it again"
        )
    return encoded
