"""The window and the number of its frames that an encoder computes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.mel.audio import ENCODER_FRAMES, SAMPLE_RATE, WINDOW_SAMPLES
from server.pipeline.window import LENGTHS, Window


def window(samples: int) -> Window:
    return Window(0, 0.0, np.zeros(samples, np.float32))


@given(st.integers(1, WINDOW_SAMPLES))
def test_the_audio_and_two_seconds_are_encoded_but_never_less_than_ten(samples: int) -> None:
    frames = window(samples).frames_to_encode
    seconds = frames / 50
    assert frames in LENGTHS
    assert seconds >= 10
    assert seconds >= min(samples / SAMPLE_RATE + 2, 30)
    assert window(samples).frames <= frames


@pytest.mark.parametrize(
    ("seconds", "frames"), [(0.3, 512), (8.2, 512), (8.5, 640), (20.0, ENCODER_FRAMES), (30.0, 1500)]
)
def test_a_clip_costs_a_third_of_a_full_window(seconds: float, frames: int) -> None:
    assert window(int(seconds * SAMPLE_RATE)).frames_to_encode == frames
