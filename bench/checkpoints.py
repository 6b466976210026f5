"""Checkpoints to measure with: random weights of Whisper's sizes, made once in a cache outside the repository."""

from __future__ import annotations

import json
import string
import sys
from pathlib import Path

from bench.random_checkpoints import Size, build_tiny_whisper
from server.checkpoints.catalog import DEMO_DIR, Catalog
from server.errors import WhisperXError
from server.settings.stages import ModelSettings

SIZES = {  # openai/whisper's model dimensions; with 50,257 text tokens the vocabulary has 51,865
    "tiny": Size(width=384, layers=4, heads=6, text_tokens=50_257),
    "base": Size(width=512, layers=6, heads=8, text_tokens=50_257),
}
RANDOM_TOKENS = 80  # per window: about what 25 s of English speech takes, as random weights never end a text


def installed(name: str) -> Path:
    """Return the directory of an installed model, or of a model in a directory; end the program where there is none."""
    try:
        return Catalog(ModelSettings()).resolve(name)
    except WhisperXError as error:
        sys.exit(f"skipped: {error}")


def whisper(name: str, cache: Path) -> Path | None:
    """Return the folder of the int8 CTranslate2 model ``name``, one of SIZES or "demo".

    None is returned if the demo model is missing. A model of SIZES has random weights, and is made if it is not in
    ``cache``.
    """
    if name == "demo":
        return DEMO_DIR if (DEMO_DIR / "model.bin").is_file() else None
    directory = cache / f"whisper-{name}-random"
    if not (directory / "model.bin").is_file():
        build_tiny_whisper(directory, multilingual=True, format="ct2", size=SIZES[name])
    return directory


def wav2vec2(cache: Path) -> Path:
    """Return the directory of a random Wav2Vec2ForCTC of base size, made if it is not in ``cache``.

    The model has 94 M parameters, as WAV2VEC2_ASR_BASE_960H.
    """
    directory = cache / "wav2vec2-base-random"
    if (directory / "model.safetensors").is_file():
        return directory
    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    directory.mkdir(parents=True, exist_ok=True)
    labels = ["<pad>", "<s>", "</s>", "<unk>", "|", "'", *string.ascii_uppercase]
    vocabulary = directory / "vocab.json"
    vocabulary.write_text(json.dumps({label: index for index, label in enumerate(labels)}), encoding="utf-8")
    processor = Wav2Vec2Processor(Wav2Vec2FeatureExtractor(), Wav2Vec2CTCTokenizer(str(vocabulary)))
    processor.save_pretrained(directory)
    torch.manual_seed(0)
    Wav2Vec2ForCTC(Wav2Vec2Config(vocab_size=len(labels), pad_token_id=0)).save_pretrained(directory)
    return directory
