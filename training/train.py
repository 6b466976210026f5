"""The training loop: ``python -m training.train --work DIR --audio DIR --hours H``.

It can be stopped with SIGTERM and started again: the schedule follows the time really trained, so a paused or stopped
run continues at the same point.
"""

from __future__ import annotations

import argparse
import json
import queue
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_

from training.corpus import WORK
from training.muon import Muon
from training.network import DECODER_LAYERS, GUIDED_HEADS, DemoWhisper, initialise
from training.pool import Pool
from training.recordings import kathleen
from training.sentences import Prompts
from training.tokenizer import Vocabulary, vocabulary
from training.windows import IGNORED, Batch, make_batch

ADAM_RATE, MUON_RATE = 1.5e-3, 2.5e-3
WARM_UP_STEPS = 100
AVERAGE_DECAY = 0.995
LONGEST_STEP = 5.0  # seconds; a longer step was paused, and the time beyond this is not counted
LOSSES = ("words", "characters", "phones", "guide")
PARTS = 4  # the parts of a batch, which the threads take as they become free
LOG_EVERY, SAVE_EVERY = 25, 250
# From this share of the budget on: window lengths in seconds with their shares, and audio seconds per step.
CURRICULUM: tuple[tuple[float, dict[int, float], int], ...] = (
    (0.00, {6: 1.0}, 78),
    (0.12, {6: 0.5, 10: 0.45, 30: 0.05}, 90),
    (0.55, {6: 0.2, 10: 0.55, 16: 0.15, 30: 0.1}, 100),
    (0.82, {10: 0.55, 30: 0.45}, 110),
)


@dataclass
class TrainingProgress:
    """The counters of the training that a checkpoint keeps: steps, seconds trained, and seconds of audio seen."""

    steps: int = 0
    trained_seconds: float = 0.0
    audio_seconds: float = 0.0


@dataclass
class Losses:
    """The sums of the losses since the last line of the log."""

    total: Tensor = field(default_factory=lambda: torch.zeros(len(LOSSES)))
    steps: int = 0
    seconds: float = 0.0

    def add(self, parts: list[Tensor]) -> None:
        self.total += torch.stack(parts).sum(0)
        self.steps += 1

    def line(self, progress: TrainingProgress, share: float, examples: int) -> dict[str, float]:
        means = {name: round(float(total) / self.steps, 4) for name, total in zip(LOSSES, self.total, strict=True)}
        counters = {name: round(value, 1) for name, value in asdict(progress).items()}
        pace = round(self.seconds / self.steps, 3)
        return counters | means | {"share": round(share, 4), "seconds_per_step": pace, "examples": examples}


def curriculum(share: float) -> tuple[dict[int, float], int]:
    """Return the shares of window lengths in seconds, and audio seconds per step, at a share of the training."""
    return next((lengths, audio) for begin, lengths, audio in reversed(CURRICULUM) if share >= begin)


def guidance(looks: Tensor, places: Tensor) -> Tensor:
    """Return the guidance loss: the less the guided heads attend near the place of the next token, the larger it is.

    Without it, a decoder takes most of a short training to learn that it should attend along the audio at all.
    """
    batch, _, tokens, frames = looks.shape
    guided = looks.view(batch, DECODER_LAYERS, -1, tokens, frames)[:, :, :GUIDED_HEADS]
    away = (torch.arange(frames) - places[..., None]).abs()
    near = (1.5 - away / 16).clamp(0, 1)[:, None, None]  # all within 0.16 s counts, nothing beyond 0.48 s
    missed = -((guided * near).sum(-1) + 1e-3).log()
    missed = missed.masked_fill((places == IGNORED)[:, None, None], 0)
    return torch.sum(missed) / (GUIDED_HEADS * DECODER_LAYERS * (places != IGNORED).sum() + 1)


class Trainer:
    """The model, its running average, both optimisers and the counters: everything a checkpoint holds.

    Each thread computes whole parts of a batch, every operation on one core, which wastes less of a busy machine than
    splitting each operation over all cores.
    """

    def __init__(self, words: Vocabulary, budget_seconds: float, threads: int = 2) -> None:
        torch.manual_seed(0)
        torch.set_num_threads(1)
        self.pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
        self.model, self.average = DemoWhisper(words), DemoWhisper(words)
        initialise(self.model)
        self.average.load_state_dict(self.model.state_dict())
        named = [(n, p) for n, p in self.model.named_parameters() if p.requires_grad and "proj_out" not in n]
        inner = [p for n, p in named if p.dim() == 2 and "layers." in n]
        outer = [p for n, p in named if not (p.dim() == 2 and "layers." in n)]
        self.parameters = inner + outer
        self.muon = Muon(inner)
        self.adam = torch.optim.AdamW(
            [
                {"params": [p for p in outer if p.dim() > 1], "weight_decay": 0.03},
                {"params": [p for p in outer if p.dim() <= 1], "weight_decay": 0.0},
            ],
            lr=ADAM_RATE,
            betas=(0.9, 0.98),
            fused=True,
        )
        self.progress = TrainingProgress()
        self.budget_seconds = budget_seconds

    @property
    def share(self) -> float:
        return min(1.0, self.progress.trained_seconds / self.budget_seconds)

    def step(self, batch: Batch, losses: Losses) -> None:
        """Update the model by the gradients of a batch, and add its losses to ``losses``.

        The learning rate falls linearly to zero at the end of the training time.
        """
        parts = batch.split(PARTS)
        shares = [len(part) / len(batch) for part in parts]
        results = list(self.pool.map(self._gradients, parts, shares))
        for parameter, *gradients in zip(self.parameters, *(found for found, _ in results), strict=True):
            parameter.grad = torch.stack(gradients).sum(0)
        norm = clip_grad_norm_(self.parameters, 1.0)
        factor = min(1.0, (self.progress.steps + 1) / WARM_UP_STEPS) * (1 - self.share)
        if torch.isfinite(norm):
            for group in self.adam.param_groups:
                group["lr"] = ADAM_RATE * factor + 1e-7
            self.adam.step()
            self.muon.step(MUON_RATE * factor, self.pool)
        self._follow()
        losses.add([share * values for share, (_, values) in zip(shares, results, strict=True)])

    def _gradients(self, part: Batch, share: float) -> tuple[tuple[Tensor, ...], Tensor]:
        """Return the gradients of one part's share of the loss, and its losses: words, characters, phones, guide."""
        values = self._losses(part)
        weights = torch.tensor([1.0, 0.5, 0.7 - 0.4 * self.share, 0.3])
        gradients = torch.autograd.grad(share * (weights * values).sum(), self.parameters)
        return gradients, values.detach()

    def _losses(self, batch: Batch) -> Tensor:
        states = self.model.encode(batch.mel)
        logits, looks = self.model.decode(batch.tokens, states)
        words = F.cross_entropy(
            logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED, label_smoothing=0.1
        )
        spelled = self.model.characters(states).log_softmax(-1).transpose(0, 1)
        frames = torch.full((len(batch),), spelled.shape[0])
        ctc = F.ctc_loss(
            spelled, batch.characters, frames, batch.character_counts, zero_infinity=True, reduction="sum"
        ) / (batch.character_counts.sum() + 1)
        known = batch.phones != IGNORED
        phones = F.cross_entropy(
            self.model.phones(states).flatten(0, 1), batch.phones.flatten(), ignore_index=IGNORED, reduction="sum"
        ) / (known.sum() + 1)
        return torch.stack([words, ctc, phones, guidance(looks, batch.places)])

    @torch.no_grad()
    def _follow(self) -> None:
        decay = min(AVERAGE_DECAY, (self.progress.steps + 1) / (self.progress.steps + 10))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - decay)

    def save(self, path: Path) -> None:
        """Write a checkpoint atomically."""
        state: dict[str, Any] = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "adam": self.adam.state_dict(),
            "muon": self.muon.state_dict(),
            "progress": asdict(self.progress),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load(self, path: Path) -> None:
        """Restore the model, the optimisers and the counters from a checkpoint."""
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.adam.load_state_dict(state["adam"])
        self.muon.load_state_dict(state["muon"])
        self.progress = TrainingProgress(**state["progress"])


def batches(trainer: Trainer, pool: Pool, words: Vocabulary) -> Iterator[Batch]:
    """Yield training batches without end; a thread makes up to three ahead, and reads new shards every 100 batches."""
    ready: queue.Queue[Batch] = queue.Queue(3)

    def feed() -> None:
        rng = np.random.default_rng(trainer.progress.steps + 1)
        for number in range(10**9):
            if number % 100 == 99:
                pool.refresh()
            lengths, audio = curriculum(trainer.share)
            seconds = int(rng.choice(list(lengths), p=list(lengths.values())))
            ready.put(make_batch(lambda: pool.draw(rng), seconds, max(2, audio // seconds), words, rng))

    threading.Thread(target=feed, daemon=True).start()
    while True:
        yield ready.get()


def run(trainer: Trainer, pool: Pool, words: Vocabulary, work: Path, until: float) -> None:
    """Train until the share ``until`` of the time is spent or a signal arrives; write the log and checkpoints."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    progress, losses = trainer.progress, Losses()
    begun = time.monotonic()
    with (work / "log.jsonl").open("a") as log:
        for batch in batches(trainer, pool, words):
            trainer.step(batch, losses)
            now = time.monotonic()
            losses.seconds += now - begun
            progress.trained_seconds += min(now - begun, LONGEST_STEP)
            begun = now
            progress.steps += 1
            progress.audio_seconds += batch.mel.shape[0] * batch.mel.shape[2] / 100
            ended = stopped.is_set() or trainer.share >= until
            if progress.steps % LOG_EVERY == 0 or ended:
                print(line := json.dumps(losses.line(progress, trainer.share, len(pool))), flush=True)
                log.write(line + "\n")
                log.flush()
                losses = Losses()
            if progress.steps % SAVE_EVERY == 0 or ended:
                trainer.save(work / "checkpoint.pt")
            if ended:
                return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--audio", type=Path, required=True, help="folder with MANIFEST.tsv and the recordings")
    parser.add_argument("--hours", type=float, default=1.55, help="time to train, pauses not counted")
    parser.add_argument("--until", type=float, default=1.0, help="stop at this share of the time, to go on later")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    prompts = Prompts.of([clip.text for clip in kathleen(arguments.audio, "train")])
    words = vocabulary(arguments.work / "tokenizer.json", prompts)
    trainer = Trainer(words, arguments.hours * 3600, arguments.threads)
    checkpoint = arguments.work / "checkpoint.pt"
    if checkpoint.exists():
        trainer.load(checkpoint)
    run(trainer, Pool(arguments.work / "corpus"), words, arguments.work, arguments.until)


if __name__ == "__main__":
    main()
