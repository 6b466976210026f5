"""The instruction streams of an encoder of any shape, written without the toolchain and held against a folder's own."""

from __future__ import annotations

from collections.abc import Mapping

from kernels.array.design import Sequence
from kernels.array.lower.encode import encode_all
from kernels.encoder.overlay import overlay
from kernels.encoder.plan import EncoderPlan
from kernels.encoder.selftest import NAME, trial_sequence
from kernels.encoder.window_ops import launches
from kernels.errors import DesignError
from kernels.package.verify import KernelFolder
from kernels.registry import OPS
from npu.errors import FolderRefused, NpuUnavailable


def window_streams(placed: EncoderPlan, folders: Mapping[str, KernelFolder]) -> list[tuple[str, bytes]]:
    """A window as (overlay, stream), in order; the overlays are those of ``folders``.

    A stream refers to the overlay by its FIFOs' channels only, so one that is written here works with a configuration
    that was compiled elsewhere, provided that both agree on the streams that the folder has: FolderRefused if not.
    Raises NpuUnavailable for a shape that the overlays cannot do.
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
    mine = tuple(sequence for at, sequence in steps if at == name)
    trial = trial_sequence(OPS[name], placed.columns)
    encoded = encode_all(overlay(name, OPS[name], (trial, *mine), columns=placed.columns))
    if encoded[NAME] != folder.streams.get(NAME):
        raise FolderRefused(
            f"the instruction stream of kernel folder {name} is not what this version writes for it", "build it again"
        )
    return encoded
