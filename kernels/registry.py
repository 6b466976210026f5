"""The registered designs by name: ``whisperx-npu kernels`` lists and builds them, and the server loads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial

from kernels.array.design import Design
from kernels.array.sequence import Sequence
from kernels.encoder.core import Op
from kernels.encoder.overlay import ENCODER_OPS, overlay
from kernels.encoder.plan import plan
from kernels.encoder.selftest import trial, trial_sequence
from kernels.encoder.shapes import SHAPES
from kernels.encoder.window_ops import launches
from kernels.mel.overlay import window_overlay
from kernels.mel.selftest import trial as mel_trial
from kernels.package.folder import overlay_hash
from kernels.selftest import Trial

Overlays = Mapping[str, frozenset[Op]]

OPS: dict[str, tuple[Op, ...]] = {
    "encoder": ENCODER_OPS,
    "matmul": ("matmul", "rows"),
    "attention": ("attention",),
    "encoder_int8": (*ENCODER_OPS, "matmul_i8", "quantise"),
    "matmul_int8": ("matmul_i8", "rows", "quantise"),
}
SUMMARIES = {
    "encoder": "matmul with bias and GELU, attention, residual add and layer norm in one program",
    "matmul": "the same without attention",
    "attention": "attention with the softmax on the tile",
    "encoder_int8": "encoder with the layers' products in int8, rows quantised on the tile",
    "matmul_int8": "int8 products, residual add, layer norm, quantisation",
}


def _some(*names: str) -> Overlays:
    return {name: frozenset(OPS[name]) for name in names}


# Sets of overlays that a window can run on, the fewest first. Program sizes decide: a core has 16 KB of program memory.
CHOICES: dict[bool, tuple[Overlays, ...]] = {  # by whether the layers' products are int8
    False: (_some("encoder"), _some("matmul", "attention")),
    True: (_some("encoder_int8"), _some("matmul_int8", "attention", "matmul")),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered overlay: one configuration of the NPU's array, with its self-test.

    ``summary`` is its line in ``whisperx-npu kernels list``. ``make(sizes)`` returns the design, with the instruction
    sequence of the self-test and those for the named Whisper sizes. ``trial()`` returns the input and the compared
    results of the self-test.

    >>> ENTRIES["encoder"].make(["base", "small"])
    """

    name: str
    summary: str
    make: Callable[[Iterable[str]], Design]
    trial: Callable[[], Trial]


def _encoder_design(name: str, columns: int, sizes: Iterable[str]) -> Design:
    ops = OPS[name]
    int8, overlays = next((int8, some) for int8, choice in CHOICES.items() for some in choice if name in some)
    sequences: list[Sequence] = [trial_sequence(ops, columns)]
    for size in sizes:
        placed = plan(SHAPES[size], columns, int8=int8)
        sequences += [sequence for at, sequence in launches(placed, overlays) if at == name]
    return overlay(name, ops, tuple(sequences), columns=columns)


def _encoder_entry(name: str, columns: int = 4) -> Entry:
    return Entry(name, SUMMARIES[name], partial(_encoder_design, name, columns), partial(trial, OPS[name], columns))


def _mel_entry(n_mels: int) -> Entry:
    name = f"mel_{n_mels}"
    return Entry(
        name,
        f"a window's {n_mels} mel bands in one launch",
        lambda _: replace(window_overlay(n_mels), name=name),
        partial(mel_trial, n_mels),
    )


ENTRIES = {entry.name: entry for entry in (*map(_mel_entry, (80, 128)), *map(_encoder_entry, OPS))}


@cache
def overlay_sha256(name: str) -> str:
    """Return the SHA-256 (hex) of a registered overlay's design, without sequences, and its kernel sources.

    A kernel folder that was built from the same sources has this value in ``Manifest.overlay_sha256``. Raises KeyError
    for a name that is not registered.
    """
    return overlay_hash(ENTRIES[name].make(()))
