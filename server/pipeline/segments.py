"""Division of a window's text into segments: sentences if the words have times, otherwise one for the whole window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from kernels.mel.audio import HOP_LENGTH, SAMPLE_RATE
from server.pipeline.stages.protocols import WindowText
from server.pipeline.stages.sentences import sentence_ends
from server.pipeline.stages.text import TokenWord
from server.transcript import Segment


def window_segments(text: WindowText, first_id: int, language: str) -> list[Segment]:
    """Divide a window's text, written in ``language``, into segments numbered from ``first_id``; silence gives none.

    A segment is a sentence if the words have times, otherwise the whole text of the window. The speaker is that of the
    window's channel.
    """
    written = text.decoded.words
    if not written:
        return []
    ends = sentence_ends(text.words, language) if text.words is not None else [len(written)]
    return [_segment(text, begin, end, first_id + number) for number, (begin, end) in enumerate(pairwise([0, *ends]))]


def in_order_of_time(segments: Sequence[Segment]) -> list[Segment]:
    """Merge the segments of several channels: they are sorted by their starts, and numbered anew."""
    ordered = sorted(segments, key=lambda segment: (segment.start, segment.speaker or ""))
    return [replace(segment, id=number) for number, segment in enumerate(ordered)]


def _segment(text: WindowText, begin: int, end: int, number: int) -> Segment:
    window, decoded = text.window, text.decoded
    written = decoded.words[begin:end]
    speaker = None if window.channel is None else f"SPEAKER_{window.channel:02}"
    timed = tuple(replace(word, speaker=speaker) for word in text.words[begin:end]) if text.words is not None else ()
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
        speaker=speaker,
        logprobs=text.scores[first_token : first_token + _token_count(written)],
        language=text.language,
    )


def _token_count(words: Sequence[TokenWord]) -> int:
    return sum(len(word.tokens) for word in words)
