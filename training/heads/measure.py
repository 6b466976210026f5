"""The errors of a head's word times, on speech that training has not heard.

Three truths: fresh synthetic speech, whose times the synthesizers know; LibriVox clips with published word times, which
are an aligner's output themselves; and clips of one reader, cut where their energy begins and ends and joined with
pauses, so that the first and the last edge of each clip are known by construction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from kernels.mel.audio import SAMPLE_RATE, WINDOW_SAMPLES, Float32
from server.pipeline.stages.ctc import CtcHead
from training.align_quality import librivox
from training.heads.speech import Speech, spelled
from training.heads.states import FrozenEncoder
from training.recordings import manifest_texts, read_audio
from training.utterance import Span

PAUSES = (0.3, 0.6, 1.0, 2.0, 5.0)  # seconds between joined clips
MARGIN = 0.03  # seconds kept around the energy of a clip
BLOCK = 80  # samples, 5 ms: the step in which energy is measured

Errors = NDArray[np.float64]
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Quality:
    """Statistics of the errors of word times, in seconds; ``bias`` is the median of the signed errors."""

    edges: int
    median: float
    percentile_95: float
    bias: float

    @classmethod
    def of(cls, errors: Errors) -> Quality:
        size = np.abs(errors)
        figures = (np.median(size), np.percentile(size, 95), np.median(errors))
        return cls(len(errors), *(round(float(figure), 4) for figure in figures))


def errors(head: CtcHead, encoder: FrozenEncoder, windows: Iterable[Speech], cache: Path) -> tuple[Errors, Errors]:
    """Return found minus true times, in seconds, of the starts and of the ends that are known; NaN means unknown."""
    cache.mkdir(parents=True, exist_ok=True)
    starts, ends = [], []
    for number, window in enumerate(windows):
        states = encoder.cached(cache / f"{number:04d}.npy", window.samples)
        found = head.words(states.astype(np.float32), [word.label for word in window.words])
        for word, times in zip(window.words, found, strict=True):
            if times is not None:
                starts.append(times[0] - word.start)
                ends.append(times[1] - word.end)
    return _known(starts), _known(ends)


def _known(values: Sequence[float]) -> Errors:
    found = np.array(values)
    known: Errors = found[~np.isnan(found)]
    return known


def calibrated(head: CtcHead, encoder: FrozenEncoder, windows: Iterable[Speech], cache: Path) -> CtcHead:
    """Return the head with the offsets that make the median errors of starts and ends on ``windows`` zero."""
    starts, ends = errors(replace(head, start_offset=0.0, end_offset=0.0), encoder, windows, cache)
    return replace(head, start_offset=-float(np.median(starts)), end_offset=-float(np.median(ends)))


def published(audio: Path) -> list[Speech]:
    """Return the LibriVox clips with their published word times."""
    return [Speech(samples, words) for samples, words in librivox(audio)]


def joined(audio: Path, folder: str) -> Iterator[Speech]:
    """Yield windows of the clips of one folder, cut at their energy and joined with pauses, in a fixed random order.

    Only the start of a clip's first word and the end of its last are known. Clips with figures in their text are left
    out. The noise of the recordings, at -70 dB, lies under all.
    """
    rng = Random(7)
    samples, words, at = np.zeros(WINDOW_SAMPLES, np.float32), list[Span](), 0.5
    for path, text in sorted(manifest_texts(audio, folder), key=lambda clip: rng.random()):
        labels = [label for word in text.replace("-", " ").split() if (label := spelled(word))]
        clip, first, last = cut(read_audio(path))
        if any(map(str.isdigit, text)):
            continue
        if at + len(clip) / SAMPLE_RATE > 29.5 and words:
            yield _with_floor(samples, words)
            samples, words, at = np.zeros(WINDOW_SAMPLES, np.float32), [], rng.uniform(0.1, 1)
        begin = int(at * SAMPLE_RATE)
        place = samples[begin : begin + len(clip)]
        place += clip[: len(place)]
        shift = begin / SAMPLE_RATE
        spans = [Span(label, NAN, NAN) for label in labels]
        spans[0] = replace(spans[0], start=shift + first)
        spans[-1] = replace(spans[-1], end=shift + last)
        words += spans
        at = (begin + len(clip)) / SAMPLE_RATE + rng.choice(PAUSES)
    yield _with_floor(samples, words)


def _with_floor(samples: Float32, words: Sequence[Span]) -> Speech:
    floor = np.random.default_rng(len(words)).normal(0, 3e-4, len(samples))
    return Speech((samples + floor).astype(np.float32), tuple(words))


def cut(samples: Float32) -> tuple[Float32, float, float]:
    """Cut a clip MARGIN around its speech, fade its ends; return it and the seconds at which speech begins and ends.

    Speech is where the energy lies 8 dB over the quietest 5 % of the clip and not 35 dB under its loudest 3 %, for at
    least 25 of 30 ms.
    """
    blocks = samples[: len(samples) // BLOCK * BLOCK].reshape(-1, BLOCK)
    power = np.convolve((blocks.astype(np.float64) ** 2).mean(axis=1), np.ones(3) / 3, "same")
    level = 10 * np.log10(power + 1e-10)
    loud = level > max(np.percentile(level, 5) + 8, np.percentile(level, 97) - 35)
    lasting = np.flatnonzero(np.convolve(loud, np.ones(6), "valid") >= 5)
    sounding = lasting[0] + np.flatnonzero(loud[lasting[0] : lasting[-1] + 6])
    first, last = int(sounding[0]) * BLOCK, (int(sounding[-1]) + 1) * BLOCK
    begin = max(0, first - int(MARGIN * SAMPLE_RATE))
    clip = samples[begin : last + int(MARGIN * SAMPLE_RATE)].copy()
    fade = SAMPLE_RATE // 100
    clip[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
    clip[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return clip, (first - begin) / SAMPLE_RATE, (last - begin) / SAMPLE_RATE
