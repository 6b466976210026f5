"""Export a checkpoint as the model that is served: ``python -m training.export --work DIR --out models/demo``.

The result is a CTranslate2 int8 directory that WhisperX and faster-whisper load like any other, with the CTC head
beside it.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from ctranslate2.converters import TransformersConverter
from transformers import GenerationConfig, PreTrainedTokenizerFast, WhisperFeatureExtractor

from server.pipeline.stages.ctc import CtcHead
from training import metrics
from training.corpus import WORK
from training.network import ALPHABET, DECODER_LAYERS, GUIDED_HEADS, DemoWhisper
from training.tokenizer import Vocabulary

FILES = ("config.json", "model.bin", "preprocessor_config.json", "tokenizer.json", "vocabulary.json")


def generation_config(words: Vocabulary) -> GenerationConfig:
    """Return the decoding rules; word times by attention come from the heads that training guided along the audio."""
    end = words.id("<|endoftext|>")
    return GenerationConfig(
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=words.id("<|startoftranscript|>"),
        suppress_tokens=[],
        begin_suppress_tokens=[words.id("Ġ"), end],
        no_timestamps_token_id=words.id("<|notimestamps|>"),
        is_multilingual=False,
        max_length=448,
        alignment_heads=[[layer, head] for layer in range(DECODER_LAYERS) for head in range(GUIDED_HEADS)],
    )


def save_transformers(model: DemoWhisper, words: Vocabulary, folder: Path) -> None:
    """Save the Whisper part alone, in transformers' format."""
    end = "<|endoftext|>"
    whisper = model.whisper
    whisper.generation_config = generation_config(words)
    whisper.save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=words.tokenizer, bos_token=end, eos_token=end, unk_token=end, pad_token=end
    ).save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)


def ctc_head(model: DemoWhisper) -> CtcHead:
    """Return the model's linear layer for characters as the CTC head that times words, not yet calibrated."""
    return CtcHead(model.characters.weight.detach().numpy(), model.characters.bias.detach().numpy(), ALPHABET)


def export(model: DemoWhisper, words: Vocabulary, out: Path) -> None:
    """Convert the model to CTranslate2 int8 and write it with its CTC head into ``out``, over the files there."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        source, converted = Path(scratch, "transformers"), Path(scratch, "ctranslate2")
        save_transformers(model, words, source)
        TransformersConverter(str(source), copy_files=["tokenizer.json", "preprocessor_config.json"]).convert(
            str(converted), quantization="int8"
        )
        for name in FILES:
            shutil.copyfile(converted / name, out / name)
    ctc_head(model).save(out)


def load_average(work: Path) -> tuple[DemoWhisper, Vocabulary, dict[str, Any]]:
    """Return the last checkpoint's running average of the weights, the vocabulary, and the training effort."""
    words = Vocabulary.load(work / "tokenizer.json")
    model = DemoWhisper(words)
    state = torch.load(work / "checkpoint.pt", weights_only=True)
    model.load_state_dict(state["average"])
    effort = {
        "date": datetime.now(UTC).date().isoformat(),
        "steps": state["progress"]["steps"],
        "trained_hours": round(state["progress"]["trained_seconds"] / 3600, 2),
        "audio_hours": round(state["progress"]["audio_seconds"] / 3600, 1),
        "parameters": sum(parameter.numel() for parameter in model.whisper.parameters()),
    }
    return model.eval(), words, effort


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--out", type=Path, default=Path("models/demo"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model, words, effort = load_average(arguments.work)
    export(model, words, arguments.out)
    metrics.write_part(arguments.out / "metrics.json", "training", effort)
    for path in sorted(arguments.out.iterdir()):
        print(f"{path.name:28} {path.stat().st_size:>10,}")


if __name__ == "__main__":
    main()
