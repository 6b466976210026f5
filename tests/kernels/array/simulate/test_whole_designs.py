"""The streams of the real designs run to their end: nothing deadlocks, overruns a queue or races, for any size.

The kernels here compute nothing but the command, so that only the flow of objects is judged, in seconds.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from kernels.array.design import Design
from kernels.array.lower.encode import encode
from kernels.array.sequence import Sequence
from kernels.array.simulate.simulate import LaunchReport, Simulation
from kernels.encoder.core import Op
from kernels.encoder.overlay import ENCODER_OPS, overlay
from kernels.encoder.pack import pack_commands
from kernels.encoder.plan import plan
from kernels.encoder.shapes import SHAPES
from kernels.encoder.window_ops import convolutions, layers, sequence
from kernels.mel.overlay import mel_overlay, window_overlay
from kernels.mel.plan import MelPlan

WITHOUT_ROWS: tuple[Op, ...] = ("matmul", "attention")  # row ops need four columns


def empty(*_: object) -> None:
    """A kernel that changes nothing, in place of every real kernel."""


def command(source: NDArray[np.uint16], words: NDArray[np.int32]) -> None:
    words[:] = source.view(np.int32)[: words.size]


def run(design: Design, steps: Sequence, **given: NDArray[np.uint16]) -> LaunchReport:
    loaded = replace(design, sequences=(steps,))
    kernels = {kernel.name: empty for kernel in design.kernels} | {"gemm_cmd": command}
    arguments = []
    for name, block in steps.arguments:
        arguments.append(np.zeros(block.nbytes, np.uint8))
        if name in given:
            data = given[name].reshape(-1).view(np.uint8)
            arguments[-1][: data.size] = data
    return Simulation(loaded, kernels).run(encode(loaded, steps), arguments)


def encoder(size: str, columns: int) -> Counter[str]:
    """Simulate the convolutions and one layer of a Whisper on an overlay of ``columns``; return the kernel calls."""
    ops = ENCODER_OPS if columns == 4 else WITHOUT_ROWS
    placed = plan(replace(SHAPES[size], layers=1), columns)
    steps = [step for step in (*convolutions(placed), *layers(placed, range(1))) if step[0] in ops]
    done = run(overlay("encoder", ops, columns=columns), sequence(placed, size, steps), commands=pack_commands(placed))
    assert max(done.queue_peak.values()) <= 4
    return done.total_calls


@pytest.mark.parametrize(("size", "columns"), [("demo", 4), ("demo", 2), ("demo", 1), ("base", 4)])
def test_an_encoder_layer_flows_to_its_end(size: str, columns: int) -> None:
    calls = encoder(size, columns)
    shape = SHAPES[size]
    tiles = shape.groups * 4  # of 64 rows
    heads = shape.padded_heads
    assert calls["attn_scores"] == calls["attn_values"] == tiles * heads * shape.key_tiles
    wide = shape.padded_width // 64
    outputs = 3 * wide + wide + 3 * heads + wide + shape.hidden // 64 + wide  # convolutions, then the layer's matmuls
    assert calls["gemm_out"] == calls["gemm_zero"] == tiles * outputs


@pytest.mark.slow
@pytest.mark.parametrize("columns", [2, 4])
@pytest.mark.parametrize("size", sorted(SHAPES))
def test_every_size_flows_to_its_end(size: str, columns: int) -> None:
    assert encoder(size, columns)["gemm_mac"] > 0


@pytest.mark.parametrize("columns", [1, 2, 4])
@pytest.mark.parametrize("n_mels", [80, 128])
def test_a_window_of_mel_flows_to_its_end(n_mels: int, columns: int) -> None:
    design = window_overlay(n_mels, columns)
    (steps,) = design.sequences
    objects = -(-3000 // (4 * columns))  # of four frames, for each column
    assert run(design, steps).total_calls == {"mel_frames": 4 * columns * objects}


@pytest.mark.parametrize(
    ("frames", "columns", "per_object"), [(1, 1, 1), (10, 1, 10), (20, 1, 10), (30, 1, 10), (100, 4, 5)]
)
def test_batches_of_mel_flow_to_their_end(frames: int, columns: int, per_object: int) -> None:
    design = mel_overlay("batch", MelPlan(80, columns, per_object, frames))
    (steps,) = design.sequences
    assert run(design, steps).total_calls == {"mel_frames": 4 * frames // per_object}
