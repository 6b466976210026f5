"""transformers has an optional package named `kernels`; with ours in its place it must work as if there were none."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import kernels
import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration
from transformers.integrations import hub_kernels

assert "registry.py" in {path.name for path in __import__("pathlib").Path(kernels.__path__[0]).iterdir()}, "not ours"
assert not hub_kernels._kernels_available
config = WhisperConfig(
    vocab_size=64, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
    encoder_ffn_dim=32, decoder_ffn_dim=32, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=3,
)
model = WhisperForConditionalGeneration(config)
logits = model(input_features=torch.zeros(1, 80, 3000), decoder_input_ids=torch.tensor([[3]])).logits
print(tuple(logits.shape))
"""


def test_whisper_of_transformers_runs_beside_our_kernels() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.stdout == "(1, 1, 64)\n", done.stderr
