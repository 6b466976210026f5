"""Training windows, in which utterances follow one another as in the audio of requests, and batches of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.augment import add_room_and_noise, mask, normalised, vary_speaker
from training.corpus import Example
from training.features import BANDS, FLOOR, FRAMES_PER_SECOND
from training.network import ALPHABET
from training.sentences import normalise
from training.tokenizer import Vocabulary
from training.utterance import PHONES

IGNORED = -100
TIMESTAMP_SHARE = 0.3
NO_SPEECH_SHARE = 0.015
SINGLE_SHARE = 0.2  # windows with one utterance and padding: what a short request looks like
MOST_TOKENS = 440
Generator = np.random.Generator


@dataclass(slots=True)
class TrainingWindow:
    """A window: unscaled features [frames, 80], phones per 20 ms, (first frame, end frame, text) of each segment."""

    mel: NDArray[np.float32]
    phones: NDArray[np.int64]
    segments: list[tuple[int, int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of training windows.

    The shapes are: mel [B, 80, T]; tokens, targets, places [B, N]; phones [B, T/2]; the characters of all texts end to
    end, and their counts [B]. ``places`` are the encoder frames in which the targets are spoken, IGNORED for those that
    are not spoken.
    """

    mel: Tensor
    tokens: Tensor
    targets: Tensor
    places: Tensor
    characters: Tensor
    character_counts: Tensor
    phones: Tensor

    def __len__(self) -> int:
        return len(self.mel)

    def split(self, parts: int) -> list[Batch]:
        """Split into at most ``parts`` batches of about equal size."""
        size = math.ceil(len(self) / parts)
        ends = [0, *self.character_counts.cumsum(0).tolist()]
        return [self._part(first, min(first + size, len(self)), ends) for first in range(0, len(self), size)]

    def _part(self, first: int, after: int, character_ends: list[int]) -> Batch:
        return Batch(
            mel=self.mel[first:after],
            tokens=self.tokens[first:after],
            targets=self.targets[first:after],
            places=self.places[first:after],
            characters=self.characters[character_ends[first] : character_ends[after]],
            character_counts=self.character_counts[first:after],
            phones=self.phones[first:after],
        )


def character_ids(text: str) -> list[int]:
    """Return the classes of the CTC head for a text; 0 is the blank."""
    return [ALPHABET.index(character) + 1 for character in normalise(text)]


def lay_out(draw: Callable[[], Example], seconds: float, rng: Generator) -> TrainingWindow:
    """Return a training window of ``seconds`` with random utterances one after the other, or rarely with none."""
    frames = int(seconds * FRAMES_PER_SECOND)
    window = TrainingWindow(np.full((frames, BANDS), FLOOR, np.float32), np.zeros(frames // 2, np.int64))
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


def finish(window: TrainingWindow, rng: Generator) -> NDArray[np.float32]:
    """Return the features of a window as the encoder gets them: with room and noise, scaled, padded and masked."""
    frames = len(window.mel)
    end = window.segments[-1][1] if window.segments else int(rng.integers(50, frames))
    end = min(frames, end + int(rng.choice((5, 20, 50, 100))))
    return mask(normalised(add_room_and_noise(window.mel, rng), end, rng), rng)


@dataclass(slots=True)
class Labels:
    """The decoder's input, its targets, and the encoder frame of each target."""

    tokens: list[int]
    targets: list[int]
    places: list[int]


def labels_of(window: TrainingWindow, vocabulary: Vocabulary, rng: Generator) -> Labels:
    """Return the decoder's labels for a window: with timestamps, without them, or with the no-speech token.

    The place of a token assumes that the characters of a segment are spoken at an even pace between its pauses.
    """
    start, end, bare = (vocabulary.id(f"<|{name}|>") for name in ("startoftranscript", "endoftext", "notimestamps"))
    if not window.segments:
        return Labels([start, bare], [vocabulary.id("<|nospeech|>"), end], [IGNORED, IGNORED])
    timed = rng.random() < TIMESTAMP_SHARE
    zero = vocabulary.id("<|0.00|>")
    said, places = ([], []) if timed else ([bare], [IGNORED])
    for first, after, text in window.segments:
        ids, centres = vocabulary.encode_placed(text)
        sounding = first // 2 + np.flatnonzero(window.phones[first // 2 : after // 2])
        inner = [int(sounding[int(centre * len(sounding))]) for centre in centres]
        said += [zero + first // 2, *ids, zero + after // 2] if timed else ids
        places += [first // 2, *inner, after // 2] if timed else inner
    return Labels([start, *said], [*said, end], [*places, IGNORED])


def make_batch(draw: Callable[[], Example], seconds: float, size: int, vocabulary: Vocabulary, rng: Generator) -> Batch:
    """Return a batch of ``size`` random windows of ``seconds``, finished and labelled.

    A window whose text is too long to align or to decode is drawn again.
    """
    windows: list[TrainingWindow] = []
    labels: list[Labels] = []
    spelled: list[list[int]] = []
    while len(windows) < size:
        window = lay_out(draw, seconds, rng)
        found = labels_of(window, vocabulary, rng)
        spelling = character_ids(" ".join(text for *_, text in window.segments))
        if len(found.tokens) <= MOST_TOKENS and len(spelling) < 0.9 * len(window.phones):
            windows.append(window)
            labels.append(found)
            spelled.append(spelling)
    return Batch(
        mel=torch.from_numpy(np.stack([np.ascontiguousarray(finish(window, rng).T) for window in windows])),
        tokens=_padded([label.tokens for label in labels], vocabulary.id("<|endoftext|>")),
        targets=_padded([label.targets for label in labels], IGNORED),
        places=_padded([label.places for label in labels], IGNORED),
        characters=torch.tensor([character for spelling in spelled for character in spelling]),
        character_counts=torch.tensor([len(spelling) for spelling in spelled]),
        phones=torch.from_numpy(np.stack([window.phones for window in windows])),
    )


def _padded(rows: list[list[int]], filler: int) -> Tensor:
    length = max(map(len, rows))
    return torch.tensor([row + [filler] * (length - len(row)) for row in rows])


assert PHONES[0] == "pau", "silence between utterances must be class 0"  # noqa: S101
