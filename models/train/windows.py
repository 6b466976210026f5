"""Training windows: utterances laid one after another as in the audio a server gets, and the batches made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.train.augment import mask, normalised, place, vary_speaker
from models.train.corpus import Example
from models.train.features import BANDS, FLOOR, FRAMES_PER_SECOND
from models.train.network import ALPHABET
from models.train.sentences import normalise
from models.train.tokenizer import Vocabulary
from models.train.utterance import PHONES

IGNORED = -100
TIMESTAMP_SHARE = 0.3
NO_SPEECH_SHARE = 0.015
SINGLE_SHARE = 0.2  # windows with one utterance and padding: what a short request looks like
MOST_TOKENS = 440
Generator = np.random.Generator


@dataclass(slots=True)
class Window:
    """Features [frames, 80] before scaling, phones per 20 ms, and (first frame, end frame, text) of each segment."""

    mel: NDArray[np.float32]
    phones: NDArray[np.int64]
    segments: list[tuple[int, int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Batch:
    """mel [B, 80, T]; tokens and targets [B, N]; all texts' characters and their counts; phones [B, T/2]."""

    mel: Tensor
    tokens: Tensor
    targets: Tensor
    characters: Tensor
    character_counts: Tensor
    phones: Tensor


def character_ids(text: str) -> list[int]:
    """Classes of the CTC head for a text; 0 is the blank."""
    return [ALPHABET.index(character) + 1 for character in normalise(text)]


def lay_out(draw: Callable[[], Example], seconds: float, rng: Generator) -> Window:
    """One window filled with drawn utterances, or with none at all."""
    frames = int(seconds * FRAMES_PER_SECOND)
    window = Window(np.full((frames, BANDS), FLOOR, np.float32), np.zeros(frames // 2, np.int64))
    if rng.random() < NO_SPEECH_SHARE:
        return window
    alone, at, tries = rng.random() < SINGLE_SHARE, 2 * int(rng.integers(0, 20)), 0
    while tries < 8:
        drawn = draw()
        mel, phones = vary_speaker(drawn.mel.astype(np.float32), drawn.phones, rng)
        if not window.segments:
            at = max(0, min(at, (frames - len(mel) - 4) // 2 * 2))
        if at + len(mel) + 4 > frames:
            if window.segments:
                break
            tries += 1
            continue
        end = at + len(mel)
        window.mel[at:end] = mel
        window.phones[at // 2 : end // 2] = np.where(phones < 0, IGNORED, phones)[: (end - at) // 2]
        window.segments.append((at, end, drawn.text))
        at = end + 2 * int(rng.integers(2, 35))
        if alone or rng.random() < 0.04:
            break
    return window


def finish(window: Window, rng: Generator) -> NDArray[np.float32]:
    """Room, noise, scaling, padding and masks: features as the encoder gets them."""
    frames = len(window.mel)
    end = window.segments[-1][1] if window.segments else int(rng.integers(50, frames))
    end = min(frames, end + int(rng.choice((5, 20, 50, 100))))
    return mask(normalised(place(window.mel, rng), end, rng), rng)


def token_pair(window: Window, vocabulary: Vocabulary, rng: Generator) -> tuple[list[int], list[int]]:
    """Decoder input and its targets: with timestamps, without, or the no-speech token."""
    start, end, bare = (vocabulary.id(f"<|{name}|>") for name in ("startoftranscript", "endoftext", "notimestamps"))
    if not window.segments:
        return [start, bare], [vocabulary.id("<|nospeech|>"), end]
    ids = [start]
    if rng.random() < TIMESTAMP_SHARE:
        zero = vocabulary.id("<|0.00|>")
        for first, after, text in window.segments:
            ids += [zero + first // 2, *vocabulary.encode(text), zero + after // 2]
    else:
        ids.append(bare)
        for _, _, text in window.segments:
            ids += vocabulary.encode(text)
    return ids, [*ids[1:], end]


def make_batch(draw: Callable[[], Example], seconds: float, size: int, vocabulary: Vocabulary, rng: Generator) -> Batch:
    """``size`` windows of ``seconds``; windows whose text is too long to align or to decode are drawn again."""
    windows: list[Window] = []
    pairs: list[tuple[list[int], list[int]]] = []
    spelled: list[list[int]] = []
    while len(windows) < size:
        window = lay_out(draw, seconds, rng)
        pair = token_pair(window, vocabulary, rng)
        spelling = character_ids(" ".join(text for *_, text in window.segments))
        if len(pair[0]) <= MOST_TOKENS and len(spelling) < 0.9 * len(window.phones):
            windows.append(window)
            pairs.append(pair)
            spelled.append(spelling)
    length = max(len(tokens) for tokens, _ in pairs)
    end = vocabulary.id("<|endoftext|>")
    return Batch(
        mel=torch.from_numpy(np.stack([np.ascontiguousarray(finish(window, rng).T) for window in windows])),
        tokens=torch.tensor([tokens + [end] * (length - len(tokens)) for tokens, _ in pairs]),
        targets=torch.tensor([targets + [IGNORED] * (length - len(targets)) for _, targets in pairs]),
        characters=torch.tensor([character for spelling in spelled for character in spelling]),
        character_counts=torch.tensor([len(spelling) for spelling in spelled]),
        phones=torch.from_numpy(np.stack([window.phones for window in windows])),
    )


assert PHONES[0] == "pau", "silence between utterances is class 0"  # noqa: S101
