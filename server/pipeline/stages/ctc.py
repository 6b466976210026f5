"""Word times from a character head on the encoder's states, in numpy alone.

The head is a small network that is kept beside the encoder's weights, so the encoder pass that feeds the decoder also
gives the times: the demo model's is one linear layer that was trained with it, those of base and tiny.en were trained
on the frozen encoder (``python -m training.heads``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from server.pipeline.stages.ctc_path import BLANK, Float32, Span, forced_align, frames_needed

HEAD_FILE = "ctc_head.npz"
FRAME_SECONDS = 0.02  # one encoder state: two mel frames of 10 ms
OTHER_PENALTY = 1.5  # nats: below a letter that is heard well, above a letter that is not there


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """A hidden layer over time: weight float32 [out, in, k], k odd, bias float32 [out]; a ReLU follows.

    Where out equals in, the input is added to the output. Raises ValueError for arrays of other shapes.
    """

    weight: Float32
    bias: Float32

    def __post_init__(self) -> None:
        if self.weight.ndim != 3 or self.weight.shape[2] % 2 == 0 or self.bias.shape != self.weight.shape[:1]:
            raise ValueError(
                f"a layer needs weight [out, in, odd] and bias [out], "
                f"not {list(self.weight.shape)} and {list(self.bias.shape)}"
            )

    def __call__(self, x: Float32) -> Float32:
        """Return the layer's output [T, out] for ``x`` [T, in], which is continued by zeros."""
        out, width, taps = self.weight.shape
        padded = np.pad(x, ((taps // 2, taps // 2), (0, 0)))
        y = np.broadcast_to(self.bias, (len(x), out)).copy()
        for tap in range(taps):
            y += padded[tap : tap + len(x)] @ self.weight[:, :, tap].T
        np.maximum(y, 0.0, out=y)
        return y + x if out == width else y


@dataclass(frozen=True, slots=True, eq=False)
class CtcHead:
    """A classifier of characters over encoder states, which finds word times.

    ``weight`` is float32 [1 + len(alphabet), d], ``bias`` float32 [1 + len(alphabet)]; class 0 is the blank and class i
    is ``alphabet[i - 1]``. ``layers`` run before them. The offsets, in seconds, are added to every word's start and
    end; they are calibrated on recordings whose true word times are known. ``unbroken`` tells that the blank means
    silence, so that it is found between words only. ``languages`` are those that it was measured in. Raises ValueError
    for arrays of other shapes.
    """

    weight: Float32
    bias: Float32
    alphabet: str
    start_offset: float = 0.0
    end_offset: float = 0.0
    layers: tuple[Convolution, ...] = ()
    unbroken: bool = False
    languages: tuple[str, ...] = ("en",)

    def __post_init__(self) -> None:
        classes = len(self.alphabet) + 1
        if self.weight.ndim != 2 or self.weight.shape[0] != classes or self.bias.shape != (classes,):
            raise ValueError(
                f"a head for {len(self.alphabet)} characters needs weight [{classes}, d] and bias [{classes}], "
                f"not {list(self.weight.shape)} and {list(self.bias.shape)}"
            )

    @property
    def width(self) -> int:
        """The width of the encoder states that the head reads."""
        return int((self.layers[0] if self.layers else self).weight.shape[1])

    @classmethod
    def load(cls, directory: Path) -> CtcHead | None:
        """Read the CTC head of a model from its directory; None if it has none.

        Raises ValueError if the file is damaged.
        """
        path = directory / HEAD_FILE
        return cls.read(path) if path.is_file() else None

    @classmethod
    def read(cls, path: Path) -> CtcHead:
        """Read a head from an .npz file, of any floating type. Raises ValueError if the file is damaged."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                return cls(
                    weight=stored["weight"].astype(np.float32),
                    bias=stored["bias"].astype(np.float32),
                    alphabet=str(stored["alphabet"]),
                    start_offset=float(stored["start_offset"]),
                    end_offset=float(stored["end_offset"]),
                    layers=_layers(stored),
                    unbroken=bool(stored.get("unbroken", False)),
                    languages=tuple(str(stored.get("languages", "en")).split()),
                )
        except (KeyError, OSError) as error:
            raise ValueError(f"{path} is not a CTC head: {error}") from error

    def save(self, directory: Path) -> None:
        """Write the CTC head to a model's directory, in the file that ``load`` reads."""
        self.write(directory / HEAD_FILE)

    def write(self, path: Path, dtype: type[np.floating[Any]] = np.float32, **more: Any) -> None:
        """Write the head to an .npz file, its weights in ``dtype``, with ``more`` arrays beside them."""
        layers: dict[str, Any] = {
            f"layer_{number}_{name}": array.astype(dtype)
            for number, layer in enumerate(self.layers)
            for name, array in (("weight", layer.weight), ("bias", layer.bias))
        }
        np.savez(
            path,
            weight=self.weight.astype(dtype),
            bias=self.bias.astype(dtype),
            alphabet=np.array(self.alphabet),
            start_offset=np.float64(self.start_offset),
            end_offset=np.float64(self.end_offset),
            unbroken=np.array(self.unbroken),
            languages=np.array(" ".join(self.languages)),
            **(layers | more),
        )

    def log_probs(self, states: Float32) -> Float32:
        """Compute natural log probabilities of characters, [T, 1 + len(alphabet)], from encoder states [T, d]."""
        for layer in self.layers:
            states = layer(states)
        logits = states @ self.weight.T + self.bias
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return logits.astype(np.float32, copy=False)

    def labels(self, word: str) -> list[int]:
        """Return the class numbers of a word's letters, in lower case and without accents.

        Spaces and marks are left out. For an unbroken head, other letters and figures that follow one another ("42")
        are one label, the number after the last class, which stands for any sound.
        """
        plain = unicodedata.normalize("NFKD", word.lower().replace("’", "'"))
        other = len(self.alphabet) + 1
        found: list[int] = []
        for character in plain if not self.unbroken else re.sub(r"(?<=\d)[.,:](?=\d)", "", plain):
            if character in self.alphabet and character != " ":
                found.append(self.alphabet.index(character) + 1)
            elif self.unbroken and character.isalnum() and found[-1:] != [other]:
                found.append(other)
        return found

    def words(self, states: Float32, words: Sequence[str]) -> list[tuple[float, float, float] | None]:
        """Return (start, end, score) of each word, in seconds from the first state; score is in (0, 1].

        ``states``, [T, d], must be those of audio only, without the window's padding. The result is None for a word
        without a label ("-"), and for every word if the states are too few for the text.
        """
        spelled = [self.labels(word) for word in words]
        space = self.alphabet.index(" ") + 1 if " " in self.alphabet else None
        labels: list[int] = []
        slots: list[tuple[int, int] | None] = []
        for letters in spelled:
            if letters and labels and space is not None:
                labels.append(space)
            slots.append((len(labels), len(labels) + len(letters)) if letters else None)
            labels.extend(letters)
        if len(states) < (len(labels) if self.unbroken else frames_needed(labels)):
            return [None] * len(spelled)
        starts = [slot[0] for slot in slots if slot is not None]
        if self.unbroken:
            spans = forced_align(_with_other(self.log_probs(states)), labels, starts)
        else:
            spans = forced_align(self.log_probs(states), labels)
        return [None if slot is None else self._word(spans[slot[0] : slot[1]], len(states)) for slot in slots]

    def _word(self, spans: Sequence[Span], frames: int) -> tuple[float, float, float]:
        length = np.array([end - start for start, end, _ in spans])
        score = float(np.exp(length @ np.log([score for *_, score in spans]) / length.sum()))
        last = frames * FRAME_SECONDS
        start = min(max(spans[0][0] * FRAME_SECONDS + self.start_offset, 0.0), last - FRAME_SECONDS)
        end = min(max(spans[-1][1] * FRAME_SECONDS + self.end_offset, start + FRAME_SECONDS), last)
        return start, end, score


def _layers(stored: Mapping[str, Any]) -> tuple[Convolution, ...]:
    layers: list[Convolution] = []
    while (name := f"layer_{len(layers)}") + "_weight" in stored:
        weight, bias = stored[f"{name}_weight"], stored[f"{name}_bias"]
        layers.append(Convolution(weight.astype(np.float32), bias.astype(np.float32)))
    return tuple(layers)


def _with_other(log_probs: Float32) -> Float32:
    """Add a column for any sound: the probability that a frame is not silence, less OTHER_PENALTY."""
    sound = np.log(np.maximum(-np.expm1(log_probs[:, BLANK]), 1e-30)) - OTHER_PENALTY
    return np.column_stack([log_probs, sound.astype(np.float32)])
