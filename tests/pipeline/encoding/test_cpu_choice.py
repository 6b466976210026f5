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
from server.errors import ModelUnavailable
from server.pipeline.encoding.cpu_choice import choose_encoder, cpu_encoder
from server.pipeline.encoding.ct2_encoder import Ct2Encoder
from server.pipeline.encoding.torch_encoder import TorchEncoder
from server.pipeline.stages.whisper import Checkpoint
from server.settings.stages import ModelSettings

AMX = frozenset({"amx_bf16"})
VNNI = frozenset({"avx512_vnni"})
PLAIN = frozenset({"avx2"})


@pytest.fixture(scope="module")
def checkpoint(tiny_multilingual: Path) -> Checkpoint:
    return Checkpoint(tiny_multilingual, ModelSettings(threads=1))


class Delayed:
    """A real encoder that takes its time."""

    device = "cpu"

    def __init__(self, encoder: Ct2Encoder, seconds: float) -> None:
        self.encoder = encoder
        self.seconds = seconds
        self.calls = 0

    def __call__(self, mel: Float32) -> Float32:
        self.calls += 1
        time.sleep(self.seconds)
        return self.encoder(mel)


@pytest.mark.parametrize("slow_first", [True, False])
def test_the_fastest_is_chosen_and_all_timings_are_told(checkpoint: Checkpoint, slow_first: bool) -> None:
    fast, slow = Delayed(Ct2Encoder(checkpoint), 0.0), Delayed(Ct2Encoder(checkpoint), 1.0)
    pairs = [("slow int8", slow), ("fast int8", fast)]
    chosen, reason = choose_encoder(dict(pairs if slow_first else pairs[::-1]), checkpoint.n_mels, repeats=1)
    assert chosen is fast
    assert reason.startswith("fast int8: ")
    assert re.search(r"slow int8 \d{4,} ms", reason)
    assert reason.endswith(" per window, median at start-up")


def test_one_candidate_is_not_timed(checkpoint: Checkpoint) -> None:
    only = Delayed(Ct2Encoder(checkpoint), 0.0)
    assert choose_encoder({"ctranslate2 int8": only}, checkpoint.n_mels) == (only, "ctranslate2 int8")
    assert only.calls == 0


def test_auto_times_all_that_the_processor_favours(checkpoint: Checkpoint) -> None:
    _, reason = cpu_encoder(checkpoint, ModelSettings(), AMX | VNNI)
    names = ("ctranslate2 int8", "onnxruntime int8", "torch bfloat16")
    assert reason.startswith(tuple(f"{name}: " for name in names))
    timings = reason.split(": ")[1].split(" per window")[0].split(", ")
    assert tuple(timing.rsplit(" ", 2)[0] for timing in timings) == names


@pytest.mark.parametrize(
    ("settings", "flags", "reason"),
    [
        (ModelSettings(), PLAIN, "ctranslate2 int8"),
        (ModelSettings(encoder="ctranslate2"), AMX | VNNI, "ctranslate2 int8, as configured"),
        (ModelSettings(compute_type="int8"), AMX, "ctranslate2 int8"),
    ],
)
def test_ctranslate2_alone(checkpoint: Checkpoint, settings: ModelSettings, flags: frozenset[str], reason: str) -> None:
    chosen, why = cpu_encoder(checkpoint, settings, flags)
    assert isinstance(chosen, Ct2Encoder)
    assert why == reason


def test_int8_leaves_torch_out(checkpoint: Checkpoint) -> None:
    _, reason = cpu_encoder(checkpoint, ModelSettings(compute_type="int8"), AMX | VNNI)
    assert "onnxruntime int8 " in reason
    assert "torch" not in reason


def test_float32_leaves_int8_out(tiny_multilingual: Path) -> None:
    settings = ModelSettings(compute_type="float32", threads=1)
    chosen, reason = cpu_encoder(Checkpoint(tiny_multilingual, settings), settings, AMX | VNNI)
    assert isinstance(chosen, Ct2Encoder)
    assert reason == "ctranslate2 float32"


@pytest.mark.parametrize(("flags", "precision"), [(AMX, "bfloat16"), (VNNI, "float32")])
def test_torch_by_name(checkpoint: Checkpoint, flags: frozenset[str], precision: str) -> None:
    chosen, reason = cpu_encoder(checkpoint, ModelSettings(encoder="torch"), flags)
    assert isinstance(chosen, TorchEncoder)
    assert chosen.precision == precision
    assert reason == f"torch {precision}, as configured"
    assert chosen(np.zeros((1, checkpoint.n_mels, 3000), np.float32)).shape == (1, 1500, 64)


def test_an_encoder_that_cannot_be_built_is_named(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """The loaded model goes on; one whose file is gone cannot be read a second time."""
    lost = copy.copy(checkpoint)
    lost.directory = tmp_path
    chosen, reason = cpu_encoder(lost, ModelSettings(), VNNI)
    assert isinstance(chosen, Ct2Encoder)
    assert reason.startswith("ctranslate2 int8; onnxruntime int8 cannot: ")
    with pytest.raises(ModelUnavailable, match=r"model\.bin is missing"):
        cpu_encoder(lost, ModelSettings(encoder="onnxruntime"), VNNI)


def test_auto_without_bfloat16_hardware_does_not_import_torch(tiny_multilingual: Path) -> None:
    """In a fresh process: the memory of an import cannot be given back."""
    script = f"""
import sys
from pathlib import Path
from server.pipeline.stages.whisper import Checkpoint
from server.pipeline.encoding.cpu_choice import cpu_encoder
from server.settings.stages import ModelSettings
settings = ModelSettings(threads=1)
cpu_encoder(Checkpoint(Path({str(tiny_multilingual)!r}), settings), settings, frozenset({{"avx2", "avx512_vnni"}}))
sys.exit("torch" in sys.modules)
"""
    root = Path(__file__).resolve().parents[3]
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False).returncode == 0
