"""The dimensions of Whisper's encoders (openai/whisper model.py, ModelDimensions of the released checkpoints)."""

from __future__ import annotations

from dataclasses import dataclass

from kernels.encoder.regions import TILE
from kernels.mel.audio import ENCODER_FRAMES

HEAD = 64  # every Whisper's head dimension
GROUP_ROWS = 4 * TILE


@dataclass(frozen=True, slots=True)
class Shape:
    """The dimensions of one encoder: ``width`` is d_model, ``frames`` the number of positions of a window."""

    name: str
    width: int
    heads: int
    layers: int
    n_mels: int = 80
    frames: int = ENCODER_FRAMES

    @property
    def groups(self) -> int:
        """The number of groups of 256 rows (four row blocks) that hold all frames: 6 (1,536 rows) for 1,500."""
        return -(-self.frames // GROUP_ROWS)

    @property
    def key_tiles(self) -> int:
        """The number of tiles of 64 keys that hold all frames."""
        return -(-self.frames // TILE)

    @property
    def padded_width(self) -> int:
        """``width`` rounded up to a multiple of 256 (a column tile for each of four columns): 512 for 384.

        The other sizes need no padding.
        """
        return -(-self.width // GROUP_ROWS) * GROUP_ROWS

    @property
    def padded_heads(self) -> int:
        """``heads`` rounded up to a multiple of four, because four heads run side by side: 8 for 6."""
        return -(-self.heads // 4) * 4

    @property
    def hidden(self) -> int:
        """The width of the hidden activations in a layer's feed-forward half."""
        return 4 * self.width

    @property
    def conv_steps(self) -> int:
        """The number of 64-wide blocks in the inner dimension of the first convolution as a matrix product.

        The dimension holds three frames of mel, and the bias as two columns (high and low half).
        """
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
