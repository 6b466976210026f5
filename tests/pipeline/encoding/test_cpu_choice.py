from __future__ import annotations

import copy
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kernels.mel.audio import Float32
from kernels.mel.features import Features
from server.errors import ModelUnavailable
from server.pipeline.encoding.cpu_choice import Candidate, choose_encoder, cpu_encoder
from server.pipeline.encoding.ct2_encoder import Ct2Encoder
from server.pipeline.encoding.torch_encoder import TorchEncoder
from server.pipeline.stages.protocols import Encoder
from server.pipeline.stages.whisper import Checkpoint
from server.settings.stages import ModelSettings

AMX = frozenset({"amx_bf16"})
VNNI = frozenset({"avx512_vnni"})
PLAIN = frozenset({"avx2"})


@pytest.fixture(scope="module")
def checkpoint(tiny_multilingual: Path) -> Checkpoint:
    return Checkpoint(tiny_multilingual, ModelSettings(threads=1))


class Delayed:
    """A real encoder that waits ``seconds`` in each call, and counts the calls."""

    device = "cpu"

    def __init__(self, encoder: Encoder, seconds: float) -> None:
        self.encoder = encoder
        self.seconds = seconds
        self.calls = 0

    def __call__(self, features: Features) -> Float32:
        self.calls += 1
        time.sleep(self.seconds)
        return self.encoder(features)


@pytest.mark.parametrize("slow_first", [True, False])
def test_the_fastest_is_chosen_and_all_timings_are_told(checkpoint: Checkpoint, slow_first: bool) -> None:
    fast: Encoder = Delayed(Ct2Encoder(checkpoint), 0.0)
    slow: Encoder = Delayed(Ct2Encoder(checkpoint), 1.0)
    pair = [Candidate("onnxruntime", "int8", slow), Candidate("ctranslate2", "int8", fast)]
    choice = choose_encoder(pair if slow_first else pair[::-1], checkpoint.n_mels, repeats=1)
    assert choice.chosen.encoder is fast
    assert choice.chosen.implementation == "ctranslate2"
    assert choice.reason.startswith("ctranslate2 int8: ")
    assert re.search(r"onnxruntime int8 \d{4,} ms", choice.reason)
    assert choice.reason.endswith(" per window, median at start-up")


def test_one_candidate_is_not_timed(checkpoint: Checkpoint) -> None:
    only = Delayed(Ct2Encoder(checkpoint), 0.0)
    choice = choose_encoder([Candidate("ctranslate2", "int8", only)], checkpoint.n_mels)
    assert (choice.chosen.encoder, choice.reason) == (only, "ctranslate2 int8")
    assert only.calls == 0


def test_auto_times_all_that_the_processor_favours(checkpoint: Checkpoint) -> None:
    choice = cpu_encoder(checkpoint, ModelSettings(), AMX | VNNI)
    names = ("ctranslate2 int8", "onnxruntime int8", "torch bfloat16")
    assert choice.reason.startswith(tuple(f"{name}: " for name in names))
    assert tuple(map(str, choice.timed)) == names
    for candidate in choice.timed:
        assert f"{candidate} {candidate.ms:.0f} ms" in choice.reason


@pytest.mark.parametrize(
    ("settings", "flags", "reason"),
    [
        (ModelSettings(), PLAIN, "ctranslate2 int8"),
        (ModelSettings(encoder="ctranslate2"), AMX | VNNI, "ctranslate2 int8, as configured"),
        (ModelSettings(compute_type="int8"), AMX, "ctranslate2 int8"),
    ],
)
def test_ctranslate2_alone(checkpoint: Checkpoint, settings: ModelSettings, flags: frozenset[str], reason: str) -> None:
    choice = cpu_encoder(checkpoint, settings, flags)
    assert isinstance(choice.chosen.encoder, Ct2Encoder)
    assert choice.reason == reason


def test_int8_leaves_torch_out(checkpoint: Checkpoint) -> None:
    reason = cpu_encoder(checkpoint, ModelSettings(compute_type="int8"), AMX | VNNI).reason
    assert "onnxruntime int8 " in reason
    assert "torch" not in reason


def test_float32_leaves_int8_out(tiny_multilingual: Path) -> None:
    settings = ModelSettings(compute_type="float32", threads=1)
    choice = cpu_encoder(Checkpoint(tiny_multilingual, settings), settings, AMX | VNNI)
    assert isinstance(choice.chosen.encoder, Ct2Encoder)
    assert choice.reason == "ctranslate2 float32"


@pytest.mark.parametrize(("flags", "precision"), [(AMX, "bfloat16"), (VNNI, "float32")])
def test_torch_by_name(checkpoint: Checkpoint, flags: frozenset[str], precision: str) -> None:
    choice = cpu_encoder(checkpoint, ModelSettings(encoder="torch"), flags)
    encoder = choice.chosen.encoder
    assert isinstance(encoder, TorchEncoder)
    assert encoder.precision == precision
    assert choice.reason == f"torch {precision}, as configured"
    assert encoder(np.zeros((1, checkpoint.n_mels, 3000), np.float32)).shape == (1, 1500, 64)


def test_an_encoder_that_cannot_be_built_is_named(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """The loaded model still works; its file is gone, so no second encoder can be read from it."""
    lost = copy.copy(checkpoint)
    lost.directory = tmp_path
    choice = cpu_encoder(lost, ModelSettings(), VNNI)
    assert isinstance(choice.chosen.encoder, Ct2Encoder)
    assert choice.reason.startswith("ctranslate2 int8; onnxruntime int8 cannot: ")
    with pytest.raises(ModelUnavailable, match=r"model\.bin is missing"):
        cpu_encoder(lost, ModelSettings(encoder="onnxruntime"), VNNI)


def test_auto_without_bfloat16_hardware_does_not_import_torch(tiny_multilingual: Path) -> None:
    """The check runs in a fresh process, because other tests have imported torch."""
    script = f"""
import sys
from pathlib import Path
from server.pipeline.stages.protocols import Encoder
from server.pipeline.stages.whisper import Checkpoint
from server.pipeline.encoding.cpu_choice import cpu_encoder
from server.settings.stages import ModelSettings
settings = ModelSettings(threads=1)
cpu_encoder(Checkpoint(Path({str(tiny_multilingual)!r}), settings), settings, frozenset({{"avx2", "avx512_vnni"}}))
sys.exit("torch" in sys.modules)
"""
    root = Path(__file__).resolve().parents[3]
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False).returncode == 0
