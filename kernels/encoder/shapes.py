"""The encoders of Whisper's sizes (openai/whisper model.py, ModelDimensions of the released checkpoints)."""

from __future__ import annotations

from dataclasses import dataclass

from kernels.encoder.regions import TILE
from kernels.mel.audio import ENCODER_FRAMES

HEAD = 64  # every Whisper's head dimension
GROUP_ROWS = 4 * TILE


@dataclass(frozen=True, slots=True)
class Shape:
    """One encoder: ``width`` is d_model; ``frames`` the positions of a window."""

    name: str
    width: int
    heads: int
    layers: int
    n_mels: int = 80
    frames: int = ENCODER_FRAMES

    @property
    def groups(self) -> int:
        """Groups of four row blocks that hold all frames: 1,500 -> 6 (1,536 rows)."""
        return -(-self.frames // GROUP_ROWS)

    @property
    def key_tiles(self) -> int:
        return -(-self.frames // TILE)

    @property
    def padded_width(self) -> int:
        """d_model up to a whole number of column tiles for four columns: 384 -> 512, the others as they are."""
        return -(-self.width // GROUP_ROWS) * GROUP_ROWS

    @property
    def padded_heads(self) -> int:
        """Heads up to a multiple of four, which run side by side: 6 -> 8."""
        return -(-self.heads // 4) * 4

    @property
    def hidden(self) -> int:
        return 4 * self.width

    @property
    def conv_steps(self) -> int:
        """Blocks of K of the first convolution: three frames of mel, and the bias as two more columns (hi and lo)."""
        return -(-(3 * self.n_mels + 2) // TILE)


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("demo", 256, 4, 4),
        Shape("tiny", 384, 6, 4),
        Shape("base", 512, 8, 6),
        Shape("small", 768, 12, 12),
        Shape("medium", 1024, 16, 24),
        Shape("large-v3", 1280, 20, 32, n_mels=128),
        Shape("turbo", 1280, 20, 32, n_mels=128),
    )
}
