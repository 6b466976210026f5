"""Speech that a window's text leaves out: how it is found, where the window is cut, and the warning to the user."""

from __future__ import annotations

from collections.abc import Sequence

from kernels.mel.audio import Float32
from server.pipeline.recheck import Half
from server.pipeline.stages.align import AttentionAligner
from server.pipeline.stages.coverage import Stretch, is_sparse, lost_speech, seconds
from server.pipeline.stages.protocols import WindowText
from server.pipeline.text_stages import Alignment
from server.pipeline.windows.parts import best_cut

DEEPEST = 3  # cuts of one window, so that eight parts of it are decoded at most
NAMED = 10  # stretches that a warning names


def lost_in(text: WindowText, states: Float32, attention: AttentionAligner) -> tuple[Stretch, ...]:
    """Return the stretches of at least 2 s of speech in a window that have no text, in seconds of the recording.

    A text without word times is aligned with ``attention`` for this if it is short for the seconds of speech.
    """
    words = text.words
    if words is None:
        if not is_sparse(text.window.speech, text.decoded.text):
            return ()
        [timed] = Alignment(attention)([text], [states])
        words = timed.words or ()
    return lost_speech(text.window.speech, words)


def cut_at(text: WindowText, half: Half | None) -> float | None:
    """Return the moment at which to cut a window some of whose speech has no text; None if it cannot be cut again."""
    if not text.lost or not text.decoded.words or (half is not None and half.depth >= DEEPEST):
        return None
    longest = max(text.lost, key=lambda stretch: seconds(text.window.speech, *stretch))
    return best_cut(text.window, longest)


def lost_warning(stretches: Sequence[Stretch]) -> str:
    """Return the warning that names the stretches of speech without text; of many, the first ten."""
    named = ", ".join(f"{start:.1f} to {end:.1f} s" for start, end in stretches[:NAMED])
    more = f" and at {len(stretches) - NAMED} more places" if len(stretches) > NAMED else ""
    return f"Speech may be missing from the text at {named}{more}."
