"""The cost model counts the calls of the simulated array, is consistent, and states its error on measurements."""

from __future__ import annotations

import numpy as np
import pytest

from kernels.array.lower.encode import encode
from kernels.array.program import BufferWord
from kernels.array.simulate.simulate import Simulation
from kernels.array.tile import Tile
from kernels.command import CommandWords
from kernels.cost.assumptions import ASSUMPTIONS, LAUNCH_MS
from kernels.cost.counting import count
from kernels.cost.report import cost, text
from kernels.cost.validation import MEASUREMENTS, error
from kernels.encoder.overlay import overlay
from kernels.encoder.pack import pack_commands
from kernels.encoder.plan import plan
from kernels.encoder.shapes import Shape
from kernels.encoder.window_ops import layers, run, sequence
from kernels.registry import OPS

SMALL = Shape("small", 256, 4, 1, frames=300)
TARGETS = {"base": 60, "small": 200, "large-v3": 1100}  # of the encoder, in milliseconds at 1.0 GHz


@pytest.mark.parametrize("int8", [False, True])
def test_calls_are_counted_as_the_simulated_array_makes_them(int8: bool) -> None:
    placed = plan(SMALL, int8=int8)
    steps = list(layers(placed, range(1)))
    design = overlay("counted", OPS["encoder_int8" if int8 else "encoder"], (sequence(placed, "layer", steps),))
    arguments = [np.zeros(block.nbytes, np.uint8) for _, block in placed.arguments]
    arguments[2][:] = pack_commands(placed).view(np.uint8)
    launch = Simulation(design).run(encode(design, design.sequences[0]), arguments)
    core = design.cores[0]
    counted: dict[str, int] = {}
    for command, _ in run(placed, steps).ops:
        words = placed.commands[command]

        def value(word: BufferWord, words: CommandWords = words) -> int:
            return int(words.get(word.index, 0))

        for name, times in count(core, value).items():
            counted[name] = counted.get(name, 0) + times
    for name, calls in launch.calls[Tile(0, 2)].items():
        assert counted.get(name, 0) == calls, name


@pytest.mark.parametrize("size", TARGETS)
def test_nominal_encoders_meet_their_targets(size: str) -> None:
    assert cost(size, "nominal", 1.0).encoder <= TARGETS[size]


def test_mel_is_one_launch_of_one_and_a_half_milliseconds() -> None:
    for size in ("base", "large-v3"):
        assert LAUNCH_MS < cost(size, "nominal", 1.0).mel <= 1.5


def test_worse_assumptions_cost_more() -> None:
    for size in ("demo", "large-v3"):
        best, nominal, pessimistic = (cost(size, name, 1.0).total for name in ASSUMPTIONS)
        assert best < nominal < pessimistic
        assert cost(size, "nominal", 1.6).total < nominal
        assert cost(size, "nominal", 1.0, fused=False).total > nominal


def test_int8_pays_where_products_dominate() -> None:
    assert cost("large-v3", "nominal", 1.0, int8=True).total < cost("large-v3", "nominal", 1.0).total


def test_the_machine_is_as_far_off_as_the_page_says() -> None:
    """1.0 GHz: three of six bf16 products within 10 %, three a third too fast; int16's kernel is not like ours."""
    off = sorted(round(100 * error(given, 1.0)) for given in MEASUREMENTS if given.dtype == "bf16")
    assert off == [2, 3, 9, 34, 38, 39]
    assert all(error(given, 1.6) > error(given, 1.0) for given in MEASUREMENTS)


def test_the_report_names_what_it_is() -> None:
    report = text(["base"])
    assert report.startswith("Modelled, not measured")
    assert "whisper-xdna" in report
    assert "large-v3" not in report
