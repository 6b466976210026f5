from __future__ import annotations

import copy
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kernels.mel.audio import Float32
from kernels.mel.features import Features
from server.errors import ModelUnavailable
from server.pipeline.encoding.cpu_choice import Candidate, choose_encoder, cpu_encoder
from server.pipeline.encoding.ct2_encoder import Ct2Encoder
from server.pipeline.encoding.openvino_encoder import OpenVinoEncoder
from server.pipeline.stages.protocols import Encoder
from server.pipeline.stages.whisper import Checkpoint
from server.settings.stages import ModelSettings

AMX = frozenset({"amx_bf16"})
AVX512 = frozenset({"avx512_vnni", "avx512_bf16"})
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
    pair = [Candidate("openvino", "float32", slow), Candidate("ctranslate2", "int8", fast)]
    choice = choose_encoder(pair if slow_first else pair[::-1], checkpoint.n_mels, repeats=1)
    assert choice.chosen.encoder is fast
    assert choice.chosen.implementation == "ctranslate2"
    assert choice.reason.startswith("ctranslate2 int8: ")
    assert re.search(r"openvino float32 \d{4,} ms", choice.reason)
    assert choice.reason.endswith(" per window, median at start-up")


def test_one_candidate_is_not_timed(checkpoint: Checkpoint) -> None:
    only = Delayed(Ct2Encoder(checkpoint), 0.0)
    choice = choose_encoder([Candidate("ctranslate2", "int8", only)], checkpoint.n_mels)
    assert (choice.chosen.encoder, choice.reason) == (only, "ctranslate2 int8")
    assert only.calls == 0


@pytest.mark.parametrize(("flags", "precision"), [(AMX, "bfloat16"), (AVX512, "float32"), (PLAIN, "float32")])
def test_auto_times_the_accurate_encoders(checkpoint: Checkpoint, flags: frozenset[str], precision: str) -> None:
    choice = cpu_encoder(checkpoint, ModelSettings(), flags)
    names = ("ctranslate2 int8", f"openvino {precision}")
    assert choice.reason.startswith(tuple(f"{name}: " for name in names))
    assert tuple(map(str, choice.timed)) == names
    for candidate in choice.timed:
        assert f"{candidate} {candidate.ms:.0f} ms" in choice.reason


def test_auto_leaves_out_what_was_not_found_accurate(tiny_multilingual: Path) -> None:
    settings = ModelSettings(compute_type="int16", threads=1)
    choice = cpu_encoder(Checkpoint(tiny_multilingual, settings), settings, PLAIN)
    assert choice.reason == "openvino float32"


def test_ctranslate2_by_name(checkpoint: Checkpoint) -> None:
    choice = cpu_encoder(checkpoint, ModelSettings(encoder="ctranslate2"), AMX)
    assert isinstance(choice.chosen.encoder, Ct2Encoder)
    assert choice.reason == "ctranslate2 int8, as configured"


@pytest.mark.parametrize(
    ("settings", "flags", "precision"),
    [
        (ModelSettings(encoder="openvino"), AMX, "bfloat16"),
        (ModelSettings(encoder="openvino"), AVX512, "float32"),
        (ModelSettings(encoder="openvino", compute_type="int8"), AMX, "float32"),
    ],
)
def test_openvino_by_name(
    checkpoint: Checkpoint, settings: ModelSettings, flags: frozenset[str], precision: str
) -> None:
    choice = cpu_encoder(checkpoint, settings, flags)
    encoder = choice.chosen.encoder
    assert isinstance(encoder, OpenVinoEncoder)
    assert encoder.precision == precision
    assert choice.reason == f"openvino {precision}, as configured"


def test_an_encoder_that_cannot_be_built_is_named(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """The loaded model still works; its file is gone, so no second encoder can be read from it."""
    lost = copy.copy(checkpoint)
    lost.directory = tmp_path
    choice = cpu_encoder(lost, ModelSettings(), PLAIN)
    assert isinstance(choice.chosen.encoder, Ct2Encoder)
    assert choice.reason.startswith("ctranslate2 int8; openvino float32 cannot: ")
    with pytest.raises(ModelUnavailable, match=r"model\.bin is missing"):
        cpu_encoder(lost, ModelSettings(encoder="openvino"), PLAIN)


def test_without_openvino_ctranslate2_serves_in_any_arithmetic(
    tiny_multilingual: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "server.pipeline.encoding.openvino_encoder", None)  # as if it failed to import
    settings = ModelSettings(compute_type="int16", threads=1)
    choice = cpu_encoder(Checkpoint(tiny_multilingual, settings), settings, PLAIN)
    assert isinstance(choice.chosen.encoder, Ct2Encoder)
    assert choice.reason.startswith("ctranslate2 int16; openvino float32 cannot: openvino cannot be imported: ")


def test_the_choice_does_not_import_torch(tiny_multilingual: Path) -> None:
    """The check runs in a fresh process, because other tests have imported torch."""
    script = f"""
import sys
from pathlib import Path
from server.pipeline.stages.whisper import Checkpoint
from server.pipeline.encoding.cpu_choice import cpu_encoder
from server.settings.stages import ModelSettings
settings = ModelSettings(threads=1)
choice = cpu_encoder(Checkpoint(Path({str(tiny_multilingual)!r}), settings), settings, frozenset({{"amx_bf16"}}))
print(*choice.timed, sep=", ")
sys.exit("torch" in sys.modules)
"""
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, check=True, capture_output=True, text=True)
    assert done.stdout == "ctranslate2 int8, openvino bfloat16\n"
