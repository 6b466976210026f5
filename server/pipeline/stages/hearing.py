"""The languages in the pieces of a window, from encoder states that exist already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log

import numpy as np

from kernels.mel.audio import Float32
from server.pipeline.stages.whisper import Checkpoint
from server.pipeline.window import Window

# Measured with base on 83 clips of one language: no piece was heard in another one. Without the states of silence, or
# with every second state of the pieces left out alone, 7 to 13 clips were.
STEP = 2  # of so many states of a piece, one is used
QUIET = 50  # states of silence that are added to those of a piece

SWITCH = 3.0  # natural logarithm: a change of language must make the pieces 20 times as likely
OTHER = 1.5  # natural logarithm: the same for a window that begins in another language than is expected
LEAST = 1e-4  # least probability of a language, so that no single piece decides against all others

Shares = Mapping[str, float]  # the probability of each candidate


def quiet_states(states: Float32) -> Float32:
    """Return the part of a silent window's encoder states, float32 [1500, d], that ``piece_shares`` needs."""
    return states[500 :: (len(states) - 500) // QUIET][:QUIET].copy()


def piece_shares(
    checkpoint: Checkpoint,
    window: Window,
    states: Float32,
    pieces: Sequence[tuple[float, float]],
    quiet: Float32,
    candidates: Sequence[str],
) -> list[Shares]:
    """Return the probabilities of the ``candidates`` in each piece of a window.

    ``states`` are the window's encoder states, float32 [1500, d], and ``pieces`` are in seconds of the recording. The
    decoder sees the states of the piece, and those of silence, as at the end of a short window.
    """
    found: list[Shares] = []
    for piece in pieces:
        first, last = (int((moment - window.start) / 0.02) for moment in piece)
        seen = np.concatenate([states[first : max(last, first + 1) : STEP], quiet])
        found.append(checkpoint.language_shares(seen, candidates))
    return found


def likeliest_languages(pieces: Sequence[Shares], expected: str) -> list[str]:
    """Return the language of each piece that is likeliest for all of them together; changes of language are unlikely.

    This is the Viterbi path of a hidden Markov model. ``expected`` is the language before any piece was heard.
    """
    languages = [expected, *(language for language in pieces[0] if language != expected)]
    scores = {language: 0.0 if language == expected else -OTHER for language in languages}
    steps: list[dict[str, str]] = []
    for shares in pieces:
        best = max(languages, key=lambda language: scores[language])
        stays = {language: scores[language] >= scores[best] - SWITCH for language in languages}
        steps.append({language: language if stays[language] else best for language in languages})
        scores = {
            language: max(scores[language], scores[best] - SWITCH) + log(max(shares.get(language, 0.0), LEAST))
            for language in languages
        }
    language = max(languages, key=lambda language: scores[language])
    path = [language]
    for step in reversed(steps[1:]):
        language = step[language]
        path.append(language)
    return path[::-1]
