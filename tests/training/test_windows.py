"""Training windows and their labels, which must agree."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from training.augment import vary_speaker
from training.corpus import Example, read_shard, write_shard
from training.sentences import sentences
from training.tokenizer import Vocabulary, train_tokenizer
from training.utterance import PHONES, UNKNOWN, Span, phone_track
from training.windows import IGNORED, character_ids, lay_out, make_batch


def some_example(text: str = "Turn on the light.", frames: int = 150) -> Example:
    return Example(
        text, "test", np.full((frames, 80), -3, np.float16), np.full(frames // 2, PHONES.index("ay"), np.int8)
    )


@pytest.fixture(scope="module")
def words() -> Vocabulary:
    return Vocabulary(train_tokenizer(islice(sentences(0, "train"), 2000)))


def test_a_window_holds_its_segments_and_silence_between_them() -> None:
    for seed in range(20):
        window = lay_out(some_example, 10, np.random.default_rng(seed))
        covered = np.zeros(500, bool)
        for start, end, text in window.segments:
            assert text == "Turn on the light."
            assert 0 <= start < end <= 1000
            covered[start // 2 : end // 2] = True
        assert (window.phones[~covered] == 0).all()
        assert (window.phones[covered] == PHONES.index("ay")).all()
        assert all(a[1] <= b[0] for a, b in pairwise(window.segments))


def test_a_batch_s_parts_agree(words: Vocabulary) -> None:
    batch = make_batch(some_example, 6, 5, words, np.random.default_rng(3))
    assert batch.mel.shape == (5, 80, 600)
    assert batch.phones.shape == (5, 300)
    assert batch.tokens.shape == batch.targets.shape
    assert int(batch.character_counts.sum()) == len(batch.characters)
    start, end = words.id("<|startoftranscript|>"), words.id("<|endoftext|>")
    for tokens, targets in zip(batch.tokens.tolist(), batch.targets.tolist(), strict=True):
        asked = [target for target in targets if target != IGNORED]
        assert tokens[0] == start
        assert asked[-1] == end
        assert asked[1:-1] == tokens[2 : len(asked)]
    assert batch.places.shape == batch.targets.shape
    assert (batch.places < 300).all()
    assert (batch.places[:, -1] == IGNORED).all()


def test_unknown_phones_are_not_trained_on() -> None:
    clip = some_example()
    silent = Example(clip.text, clip.voice, clip.mel, np.full_like(clip.phones, UNKNOWN))
    window = lay_out(lambda: silent, 6, np.random.default_rng(1))
    (start, end, _), *_ = window.segments
    assert (window.phones[start // 2 : end // 2] == IGNORED).all()


@pytest.mark.parametrize("seed", range(15))
def test_a_varied_utterance_keeps_phones_in_step(seed: int) -> None:
    clip = some_example()
    mel, phones = vary_speaker(clip.mel.astype(np.float32), clip.phones, np.random.default_rng(seed))
    assert mel.dtype == np.float32
    assert len(mel) == 2 * len(phones)
    assert np.isfinite(mel).all()


def test_spelling_for_the_head() -> None:
    assert character_ids("A b'") == [2, 1, 3, 28]


def test_the_phone_track_follows_the_spans() -> None:
    track = phone_track((Span("pau", 0, 0.1), Span("t", 0.1, 0.14), Span("?", 0.14, 0.2)), 12, start=0.02)
    assert track.tolist() == [0] * 4 + [PHONES.index("t")] * 2 + [UNKNOWN] * 6


def test_a_shard_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "synthetic-000.npz"
    hours = write_shard(path, [some_example(), some_example("Good night.", 90)])
    first, second = read_shard(path)
    assert hours == pytest.approx(240 / 100 / 3600)
    assert (first.text, second.text) == ("Turn on the light.", "Good night.")
    assert second.mel.shape == (90, 80)
    assert len(second.phones) == 45
