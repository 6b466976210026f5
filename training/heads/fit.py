"""The training of a head: frame-wise classification of characters, whose places inside words are found on the way.

The synthesizers tell when a word is spoken, and not when each of its letters is. Letters are first spread evenly over
their word; then the half-trained head places them, and training goes on with these targets. A frame-wise loss keeps the
edges of words sharp, where the CTC loss would need only one frame of each letter.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from server.pipeline.stages.ctc import FRAME_SECONDS, Convolution, CtcHead
from server.pipeline.stages.ctc_path import forced_align
from training.heads.states import States
from training.utterance import Span

ALPHABET = "abcdefghijklmnopqrstuvwxyz'"
WIDTH, TAPS, LAYERS = 160, 5, 2
ROUNDS = (4, 4, 8)  # epochs between which the letters are placed anew
RATE, BATCH, DROPOUT, SMOOTHING = 2e-3, 8, 0.1, 0.02
IGNORED = -100

Targets = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Example:
    """The states of a window, and its words: (classes of the letters, first frame, frame after the last)."""

    states: States
    words: tuple[tuple[list[int], int, int], ...]

    @classmethod
    def of(cls, states: States, words: Sequence[Span]) -> Example:
        placed = []
        for word in words:
            first = min(round(word.start / FRAME_SECONDS), len(states) - 1)
            after = min(max(round(word.end / FRAME_SECONDS), first + 1), len(states))
            placed.append((_classes(word.label), first, after))
        return cls(states, tuple(placed))


def _classes(word: str) -> list[int]:
    plain = unicodedata.normalize("NFKD", word.replace("ß", "ss"))
    return [ALPHABET.index(letter) + 1 for letter in plain if letter in ALPHABET]


class HeadNetwork(nn.Module):
    """The head in torch: a layer over single states, residual convolutions over time, and a classifier."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        sizes = [(d_model, 1)] + LAYERS * [(WIDTH, TAPS)]
        self.layers = nn.ModuleList(nn.Conv1d(width, WIDTH, taps, padding=taps // 2) for width, taps in sizes)
        self.classifier = nn.Linear(WIDTH, 1 + len(ALPHABET))

    def forward(self, states: Tensor) -> Tensor:
        """Return the scores of the classes, [B, T, 1 + len(ALPHABET)], for states [B, T, d]."""
        x = states.transpose(1, 2)
        for layer in self.layers:
            y = F.relu(layer(x))
            x = y + x if y.shape == x.shape else y
        scores: Tensor = self.classifier(x.transpose(1, 2))
        return scores

    def head(self) -> CtcHead:
        """Return the network as it is served, rounded to float16 as it is shipped."""

        def rounded(parameter: Any) -> NDArray[np.float32]:
            values: NDArray[np.float32] = parameter.detach().numpy().astype(np.float16).astype(np.float32)
            return values

        return CtcHead(
            weight=rounded(self.classifier.weight),
            bias=rounded(self.classifier.bias),
            alphabet=ALPHABET,
            layers=tuple(Convolution(rounded(layer.weight), rounded(layer.bias)) for layer in self.layers),
            unbroken=True,
        )


def evenly(example: Example) -> Targets:
    """Return the class of every frame, with the letters of a word spread evenly over it."""
    targets = np.zeros(len(example.states), np.int64)
    for letters, first, after in example.words:
        targets[first:after] = [letters[i * len(letters) // (after - first)] for i in range(after - first)]
    return targets


def as_heard(example: Example, head: CtcHead) -> Targets:
    """Return the class of every frame, with the letters of a word where ``head`` hears them."""
    targets = evenly(example)
    log_probs = head.log_probs(example.states.astype(np.float32))
    for letters, first, after in example.words:
        if after - first > len(letters):
            whole = log_probs[first:after].copy()
            whole[:, 0] = -np.inf  # no silence inside a word, nor at its edges
            for begin, end, letter in _tiled(forced_align(whole, letters, [0]), letters, after - first):
                targets[first + begin : first + end] = letter
    return targets


def _tiled(spans: Sequence[tuple[int, int, float]], letters: list[int], frames: int) -> list[tuple[int, int, int]]:
    edges = [0, *(start for start, _, _ in spans[1:]), frames]
    return list(zip(edges[:-1], edges[1:], letters, strict=True))


def train(examples: Sequence[Example], seed: int = 0) -> CtcHead:
    """Train a head on windows, in the rounds of ROUNDS, and print the loss of every epoch."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = HeadNetwork(examples[0].states.shape[1])
    targets = [evenly(example) for example in examples]
    for number, epochs in enumerate(ROUNDS):
        if number:
            head = network.eval().head()
            targets = [as_heard(example, head) for example in examples]
        _round(network.train(), examples, targets, epochs, rng)
    return network.eval().head()


def _round(
    network: HeadNetwork, examples: Sequence[Example], targets: Sequence[Targets], epochs: int, rng: np.random.Generator
) -> None:
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01)
    steps = epochs * math.ceil(len(examples) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.1)
    for epoch in range(epochs):
        losses = []
        for chosen in np.array_split(rng.permutation(len(examples)), math.ceil(len(examples) / BATCH)):
            states, classes = _batch([examples[i] for i in chosen], [targets[i] for i in chosen])
            scores = network(F.dropout(states, DROPOUT)).transpose(1, 2)
            loss = F.cross_entropy(scores, classes, ignore_index=IGNORED, label_smoothing=SMOOTHING)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1} of {epochs}: loss {np.mean(losses):.4f}", flush=True)


def _batch(examples: Sequence[Example], targets: Sequence[Targets]) -> tuple[Tensor, Tensor]:
    longest = max(map(len, targets))
    states = torch.zeros(len(examples), longest, examples[0].states.shape[1])
    classes = torch.full((len(examples), longest), IGNORED)
    for row, (example, target) in enumerate(zip(examples, targets, strict=True)):
        states[row, : len(target)] = torch.from_numpy(example.states.astype(np.float32))
        classes[row, : len(target)] = torch.from_numpy(target)
    return states, classes
