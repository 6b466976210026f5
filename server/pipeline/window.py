"""The window: a piece of a recording of at most 30 s, which every stage processes as a whole."""

from __future__ import annotations

from dataclasses import dataclass

from kernels.mel.audio import ENCODER_FRAMES, HOP_LENGTH, SAMPLE_RATE, Float32

# The frames that an encoder on the CPU computes for a window: few lengths, so that windows can share a decoder batch.
# Below 10 s, or with less silence than 2 s after the audio, Whisper loops (docs/performance.md has figures)
LENGTHS = (512, 640, 768, 1024, ENCODER_FRAMES)
SILENCE_FRAMES = 100


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a recording, at most 30 s. ``index`` counts the windows of the recording; ``start`` is in seconds.

    ``samples`` is float32 mono at 16 kHz, unpadded; ``speech`` are the (start, end) spans, in seconds of the recording,
    in which voice activity detection found speech. ``channel`` is the number from 0 of the channel that the samples are
    of, None for the mix of all.
    """

    index: int
    start: float
    samples: Float32
    speech: tuple[tuple[float, float], ...] = ()
    channel: int | None = None

    @property
    def end(self) -> float:
        """The end of the window in seconds of the recording."""
        return self.start + len(self.samples) / SAMPLE_RATE

    @property
    def frames(self) -> int:
        """The number of encoder frames, of 20 ms each, that hold audio rather than padding."""
        return max(1, min(ENCODER_FRAMES, -(-len(self.samples) // (2 * HOP_LENGTH))))

    @property
    def frames_to_encode(self) -> int:
        """The number of encoder frames that suffice for the window's text: its audio and 2 s of silence, at least 10 s.

        Whisper was trained on 1500 frames, padded with silence, but most of the padding changes nothing.
        """
        needed = min(self.frames + SILENCE_FRAMES, ENCODER_FRAMES)
        return next(length for length in LENGTHS if length >= needed)
