"""Segments cover the text of a window once, with the window's own scores."""

from __future__ import annotations

import numpy as np

from server.pipeline.segments import window_segments
from server.pipeline.stages.decoder import Decoded
from server.pipeline.stages.protocols import WindowText
from server.pipeline.stages.text import TokenWord
from server.pipeline.window import Window
from server.transcript import TokenScore, Word

WINDOW = Window(3, 60.25, np.zeros(160_000, np.float32))
WORDS = (TokenWord(" One", (1,)), TokenWord(" two.", (2, 3)), TokenWord(" Three", (4,)), TokenWord(" four.", (5, 6)))
DECODED = Decoded(WORDS, avg_logprob=-0.25, no_speech_prob=0.01, compression_ratio=1.1, temperature=0.2)
TIMED = tuple(Word(w.text.strip(), 60.5 + i, 61.0 + i) for i, w in enumerate(WORDS))


def test_sentences_with_times() -> None:
    first, second = window_segments(WindowText(WINDOW, DECODED, TIMED), first_id=7, language="en")
    assert (first.id, first.text, first.tokens, first.start, first.end) == (7, " One two.", (1, 2, 3), 60.5, 62.0)
    assert (second.id, second.text, second.tokens, second.start, second.end) == (
        8,
        " Three four.",
        (4, 5, 6),
        62.5,
        64.0,
    )
    assert first.words + second.words == TIMED
    for segment in (first, second):
        assert (segment.avg_logprob, segment.no_speech_prob) == (-0.25, 0.01)
        assert (segment.compression_ratio, segment.temperature, segment.seek) == (1.1, 0.2, 6025)


def test_without_times_the_window_is_one_segment() -> None:
    (segment,) = window_segments(WindowText(WINDOW, DECODED), first_id=0, language="en")
    assert (segment.text, segment.start, segment.end) == (" One two. Three four.", 60.25, 70.25)
    assert segment.words == ()


def test_token_scores_go_with_their_tokens() -> None:
    scores = tuple(TokenScore(str(n), str(n).encode(), -float(n)) for n in DECODED.tokens)
    first, second = window_segments(WindowText(WINDOW, DECODED, TIMED, scores), 0, "en")
    assert [score.text for score in first.logprobs] == ["1", "2", "3"]
    assert [score.text for score in second.logprobs] == ["4", "5", "6"]


def test_silence_has_no_segment() -> None:
    assert window_segments(WindowText(WINDOW, Decoded((), -1.5, 0.9, 0.0, 0.0), ()), 0, "en") == []
