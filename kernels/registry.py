"""Every design by name: what ``whisperx-npu kernels`` lists and builds, and what a card wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from kernels.array.program import Design, Sequence
from kernels.encoder.core import Op
from kernels.encoder.overlay import ENCODER_OPS, overlay
from kernels.encoder.plan import plan
from kernels.encoder.shapes import SHAPES
from kernels.encoder.trial import trial, trial_sequence
from kernels.encoder.window import launches
from kernels.trial import Trial

MATMUL_OPS: tuple[Op, ...] = ("matmul", "rows")
ATTENTION_OPS: tuple[Op, ...] = ("attention",)
SEPARATE = {"matmul": frozenset(MATMUL_OPS), "attention": frozenset(ATTENTION_OPS)}
FUSED = {"encoder": frozenset(ENCODER_OPS)}


@dataclass(frozen=True, slots=True)
class Entry:
    """One overlay. ``make`` gives its design with the sequences of the named Whisper sizes, and its self-test's."""

    name: str
    summary: str
    make: Callable[[Iterable[str]], Design]
    trial: Callable[[], Trial]


def _encoder_design(name: str, ops: tuple[Op, ...], columns: int, sizes: Iterable[str]) -> Design:
    whole = FUSED if name in FUSED else SEPARATE
    sequences: list[Sequence] = [trial_sequence(ops, columns)]
    for size in sizes:
        sequences += [sequence for at, sequence in launches(plan(SHAPES[size], columns), whole) if at == name]
    return overlay(name, ops, tuple(sequences), columns=columns)


def _encoder_entry(name: str, ops: tuple[Op, ...], summary: str, columns: int = 4) -> Entry:
    make = partial(_encoder_design, name, ops, columns)
    return Entry(name, summary, make, partial(trial, ops, columns))


ENTRIES = {
    entry.name: entry
    for entry in (
        _encoder_entry("encoder", ENCODER_OPS, "matmul, attention and row ops in one program"),
        _encoder_entry("matmul", MATMUL_OPS, "matmul with bias and GELU, residual add, layer norm"),
        _encoder_entry("attention", ATTENTION_OPS, "attention with the softmax on the tile"),
    )
}
