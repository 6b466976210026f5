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
from server.pipeline.encoding.cpu_choice import Candidate, EncoderName, choose_encoder, cpu_encoder
from server.pipeline.encoding.ct2_encoder import Ct2Encoder
from server.pipeline.encoding.openvino_encoder import OpenVinoEncoder
from server.pipeline.stages.protocols import Encoder
from server.pipeline.stages.whisper import Checkpoint
from server.settings.stages import ModelSettings


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


def test_auto_leaves_out_what_is_not_accurate(checkpoint: Checkpoint) -> None:
    choice = cpu_encoder(checkpoint, ModelSettings())
    assert isinstance(choice.chosen.encoder, OpenVinoEncoder)
    assert choice.reason == "openvino float32"


def test_auto_times_the_accurate_encoders(tiny_multilingual: Path) -> None:
    settings = ModelSettings(compute_type="float32", threads=1)
    choice = cpu_encoder(Checkpoint(tiny_multilingual, settings), settings)
    names = ("ctranslate2 float32", "openvino float32")
    assert choice.reason.startswith(tuple(f"{name}: " for name in names))
    assert tuple(map(str, choice.timed)) == names
    for candidate in choice.timed:
        assert f"{candidate} {candidate.ms:.0f} ms" in choice.reason


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("ctranslate2", Ct2Encoder, "ctranslate2 int8, as configured"),
        ("openvino", OpenVinoEncoder, "openvino float32, as configured"),
    ],
)
def test_by_name(checkpoint: Checkpoint, name: EncoderName, kind: type[Encoder], reason: str) -> None:
    choice = cpu_encoder(checkpoint, ModelSettings(encoder=name))
    assert isinstance(choice.chosen.encoder, kind)
    assert choice.reason == reason


def test_an_encoder_that_cannot_be_built_is_named(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """The loaded model still works; its file is gone, so no second encoder can be read from it."""
    lost = copy.copy(checkpoint)
    lost.directory = tmp_path
    choice = cpu_encoder(lost, ModelSettings())
    assert isinstance(choice.chosen.encoder, Ct2Encoder)
    assert choice.reason.startswith("ctranslate2 int8; openvino float32 cannot: ")
    with pytest.raises(ModelUnavailable, match=r"model\.bin is missing"):
        cpu_encoder(lost, ModelSettings(encoder="openvino"))


def test_without_openvino_ctranslate2_serves(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "server.pipeline.encoding.openvino_encoder", None)  # as if it failed to import
    choice = cpu_encoder(checkpoint, ModelSettings())
    assert isinstance(choice.chosen.encoder, Ct2Encoder)
    assert choice.reason.startswith("ctranslate2 int8; openvino float32 cannot: openvino cannot be imported: ")


def test_the_choice_does_not_import_torch(tiny_multilingual: Path) -> None:
    """The check runs in a fresh process, because other tests have imported torch."""
    script = f"""
import sys
from pathlib import Path
from server.pipeline.stages.whisper import Checkpoint
from server.pipeline.encoding.cpu_choice import cpu_encoder
from server.settings.stages import ModelSettings
settings = ModelSettings(threads=1)
choice = cpu_encoder(Checkpoint(Path({str(tiny_multilingual)!r}), settings), settings)
print(choice.reason)
sys.exit("torch" in sys.modules)
"""
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, check=True, capture_output=True, text=True)
    assert done.stdout == "openvino float32\n"


def test_openvino_is_left_out_where_its_weights_would_fill_the_memory(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.pipeline.encoding.cpu_choice.available_bytes", lambda: 1 << 10)
    choice = cpu_encoder(checkpoint, ModelSettings())
    assert choice.reason == "ctranslate2 int8; openvino float32 cannot: it would take 0.0 GB of memory"
