"""Models for the WhisperX stages with random weights, in the formats in which users have the real ones."""

from __future__ import annotations

import shutil
from pathlib import Path

CHARACTERS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefghijklmnopqrstuvwxyz'"]


def build_wav2vec2(directory: Path) -> Path:
    """Write a Wav2Vec2ForCTC checkpoint of 50 thousand random parameters with its processor; return its directory."""
    import json

    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    directory.mkdir(parents=True)
    (directory / "vocab.json").write_text(json.dumps({c: index for index, c in enumerate(CHARACTERS)}))
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        vocab_size=len(CHARACTERS),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(16,) * 7,
        num_conv_pos_embedding_groups=4,
        num_conv_pos_embeddings=16,
        pad_token_id=0,
    )
    Wav2Vec2ForCTC(config).save_pretrained(directory)
    tokenizer = Wav2Vec2CTCTokenizer(str(directory / "vocab.json"))
    Wav2Vec2Processor(Wav2Vec2FeatureExtractor(), tokenizer).save_pretrained(directory)
    return directory


def build_diarization(directory: Path) -> Path:
    """Write a pyannote pipeline in the layout of speaker-diarization-community-1, and return its directory.

    The segmentation network is the trained one that WhisperX ships; the speaker embedding is random, so it finds turns,
    but who speaks is a guess.
    """
    import numpy as np
    import torch
    import whisperx
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import WeSpeakerResNet34

    for folder in ("segmentation", "embedding", "plda"):
        (directory / folder).mkdir(parents=True)
    asset = Path(whisperx.__file__).parent / "assets" / "pytorch_model.bin"
    shutil.copy(asset, directory / "segmentation" / "pytorch_model.bin")
    torch.manual_seed(0)
    model = WeSpeakerResNet34(sample_rate=16_000)
    checkpoint = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "pytorch-lightning_version": "2.0.0",
        "pyannote.audio": {
            "versions": {"torch": "2.8.0", "pyannote.audio": "4.0.0"},
            "architecture": {"module": "pyannote.audio.models.embedding.wespeaker", "class": "WeSpeakerResNet34"},
            "specifications": Specifications(Problem.REPRESENTATION, Resolution.CHUNK, duration=5.0),
        },
    }
    torch.save(checkpoint, directory / "embedding" / "pytorch_model.bin")
    rng = np.random.default_rng(0)
    lda = np.linalg.qr(rng.standard_normal((256, 128)))[0]
    np.savez(directory / "plda" / "xvec_transform.npz", mean1=np.zeros(256), mean2=np.zeros(128), lda=lda)
    np.savez(directory / "plda" / "plda.npz", mu=np.zeros(128), tr=np.eye(128), psi=np.linspace(2, 1, 128))
    (directory / "config.yaml").write_text(
        "version: 4.0.0\n"
        "pipeline:\n"
        "  name: pyannote.audio.pipelines.SpeakerDiarization\n"
        "  params:\n"
        "    clustering: AgglomerativeClustering\n"
        "    segmentation: $model/segmentation\n"
        "    segmentation_batch_size: 8\n"
        "    embedding: $model/embedding\n"
        "    embedding_batch_size: 8\n"
        "    embedding_exclude_overlap: true\n"
        "    plda: $model/plda\n"
        "params:\n"
        "  segmentation: {min_duration_off: 0.0, threshold: 0.5}\n"
        "  clustering: {method: centroid, min_cluster_size: 2, threshold: 0.7}\n"
    )
    return directory
