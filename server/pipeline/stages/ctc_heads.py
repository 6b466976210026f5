"""The heads for word times that come with the program, each for one encoder.

A head reads the states of the encoder that it was trained on, and is worthless on any other, a fine-tuned one included.
Each file in ``models/heads`` therefore names its encoder by ``encoder_digest``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from server.checkpoints.encoder_weights import encoder_digest
from server.checkpoints.files import read_layout
from server.pipeline.stages.ctc import CtcHead

HEADS = Path(__file__).resolve().parents[3] / "models" / "heads"  # beside server/ in the tree and in the wheel


def head_for(directory: Path, heads: Path = HEADS) -> CtcHead | None:
    """Return the head of a checkpoint directory: its own, else the one of ``heads`` that belongs to its encoder.

    None if there is none. The digest is computed only where a head has the width of the encoder. Raises ValueError for
    a damaged head, ModelUnavailable for a damaged checkpoint.
    """
    own = CtcHead.load(directory)
    if own is not None:
        return own
    model_bin = directory / "model.bin"
    width = read_layout(model_bin).variables["encoder/conv1/weight"].shape[0]
    shipped = {path: CtcHead.read(path) for path in heads.glob("*.npz")}
    fitting = {stated_digest(path): head for path, head in shipped.items() if head.width == width}
    return fitting.get(encoder_digest(model_bin)) if fitting else None


def stated_digest(path: Path) -> str:
    """Return the digest of the encoder that the head in ``path`` belongs to."""
    with np.load(path, allow_pickle=False) as stored:
        return str(stored["encoder"])
