"""Cuts the text of a window into segments: sentences where the words have times, else the window as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from kernels.mel.audio import HOP_LENGTH, SAMPLE_RATE
from server.pipeline.stages.decoder import Decoded
from server.pipeline.stages.text import TokenWord, sentence_ends
from server.pipeline.window import Window
from server.transcript import Segment, TokenScore, Word


def window_segments(
    decoded: Decoded,
    words: Sequence[Word] | None,
    window: Window,
    first_id: int,
    scores: Sequence[TokenScore] = (),
) -> list[Segment]:
    """Segments of one window, numbered from ``first_id``.

    ``words`` are the timed words, one for each of ``decoded.words``, or None where no times were asked for;
    ``scores`` the token probabilities, one for each of ``decoded.tokens``, or nothing.
    """
    if not decoded.words:
        return []
    ends = sentence_ends(words) if words is not None else [len(decoded.words)]
    segments: list[Segment] = []
    begin = 0
    for end in ends:
        segments.append(_segment(decoded, words, window, scores, begin, end, first_id + len(segments)))
        begin = end
    return segments


def _segment(
    decoded: Decoded,
    words: Sequence[Word] | None,
    window: Window,
    scores: Sequence[TokenScore],
    begin: int,
    end: int,
    number: int,
) -> Segment:
    written = decoded.words[begin:end]
    timed = tuple(words[begin:end]) if words is not None else ()
    first_token = _token_count(decoded.words[:begin])
    return Segment(
        id=number,
        start=timed[0].start if timed else round(window.start, 3),
        end=timed[-1].end if timed else round(window.end, 3),
        text="".join(word.text for word in written),
        tokens=tuple(token for word in written for token in word.tokens),
        avg_logprob=decoded.avg_logprob,
        compression_ratio=decoded.compression_ratio,
        no_speech_prob=decoded.no_speech_prob,
        temperature=decoded.temperature,
        seek=int(window.start * SAMPLE_RATE) // HOP_LENGTH,
        words=timed,
        logprobs=tuple(scores[first_token : first_token + _token_count(written)]),
    )


def _token_count(words: Sequence[TokenWord]) -> int:
    return sum(len(word.tokens) for word in words)
