"""Forced alignment against an exhaustive search, and the head's words."""

from __future__ import annotations

from itertools import groupby, pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.pipeline.stages.ctc import Convolution, CtcHead
from server.pipeline.stages.ctc_path import Float32, forced_align, frames_needed

ALPHABET = " abc'"


def random_log_probs(frames: int, classes: int, seed: int) -> Float32:
    scores = np.random.default_rng(seed).normal(0, 2, (frames, classes))
    scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return scores.astype(np.float32)


def collapse(path: tuple[int, ...]) -> list[int]:
    return [symbol for symbol, _ in groupby(path) if symbol]


@st.composite
def problems(draw: st.DrawFn) -> tuple[Float32, list[int]]:
    labels = draw(st.lists(st.integers(1, 2), min_size=1, max_size=3))
    frames = draw(st.integers(frames_needed(labels), 6))
    return random_log_probs(frames, 3, draw(st.integers(0, 10**6))), labels


@settings(max_examples=60, deadline=None)
@given(problems())
def test_the_path_is_as_good_as_the_best_of_all_paths(problem: tuple[Float32, list[int]]) -> None:
    log_probs, labels = problem
    candidates = (p for p in product(range(3), repeat=len(log_probs)) if collapse(p) == labels)
    best = max(sum(log_probs[t, s] for t, s in enumerate(p)) for p in candidates)
    spans = forced_align(log_probs, labels)
    on_path = np.zeros(len(log_probs), dtype=int)
    for (start, end, _), label in zip(spans, labels, strict=True):
        on_path[start:end] = label
    assert collapse(tuple(on_path)) == labels
    assert log_probs[np.arange(len(log_probs)), on_path].sum() == pytest.approx(best, abs=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 28), min_size=1, max_size=80), st.integers(0, 10**6), st.integers(0, 200))
def test_spans_are_ordered_disjoint_and_scored(labels: list[int], seed: int, spare: int) -> None:
    log_probs = random_log_probs(frames_needed(labels) + spare, 29, seed)
    spans = forced_align(log_probs, labels)
    assert len(spans) == len(labels)
    assert all(start < end for start, end, _ in spans)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    for (start, end, score), label in zip(spans, labels, strict=True):
        assert score == pytest.approx(float(np.exp(log_probs[start:end, label].mean())), rel=1e-4)


def test_a_clear_signal_is_found_where_it_is() -> None:
    truth = [0, 0, 1, 1, 1, 0, 2, 0, 2, 2, 0]
    log_probs = np.log(np.full((len(truth), 3), 0.01, dtype=np.float32))
    log_probs[np.arange(len(truth)), truth] = np.log(0.98)
    spans = forced_align(log_probs, [1, 2, 2])
    assert [span[:2] for span in spans] == [(2, 5), (6, 7), (8, 10)]
    assert all(span[2] == pytest.approx(0.98, abs=1e-3) for span in spans)


def test_minus_infinity_is_a_price_and_not_a_crash() -> None:
    log_probs = np.full((4, 3), -np.inf, dtype=np.float32)
    assert len(forced_align(log_probs, [1, 2])) == 2


def test_no_labels_no_spans() -> None:
    assert forced_align(random_log_probs(5, 3, 0), []) == []


@pytest.mark.parametrize("labels", [[1, 1, 1], [1, 2, 1, 2, 1]])
def test_too_few_frames_are_refused(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="frames"):
        forced_align(random_log_probs(4, 3, 0), labels)


@pytest.mark.parametrize("labels", [[3], [-1], [0]])
def test_labels_out_of_range_are_refused(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="labels must lie"):
        forced_align(random_log_probs(4, 3, 0), labels)


@pytest.fixture
def head() -> CtcHead:
    """A CTC head, each class of which reads its own coordinate of the encoder state."""
    classes = len(ALPHABET) + 1
    return CtcHead(np.eye(classes, dtype=np.float32), np.zeros(classes, np.float32), ALPHABET, 0.01, -0.01)


def states_of(text: str, frames_each: int = 5) -> Float32:
    classes = [0] + [c for letter in text for c in (ALPHABET.index(letter) + 1, 0)]
    one_hot = np.eye(len(ALPHABET) + 1, dtype=np.float32)[classes] * 20
    return np.repeat(one_hot, frames_each, axis=0)


def test_words_have_the_head_s_offsets(head: CtcHead) -> None:
    first, second = head.words(states_of("ab c"), ["Ab,", "c!"])
    assert first is not None
    assert second is not None
    assert first[:2] == pytest.approx((0.1 + 0.01, 0.4 - 0.01))
    assert second[:2] == pytest.approx((0.7 + 0.01, 0.8 - 0.01))
    assert first[2] == pytest.approx(1.0, abs=1e-3)


def test_a_word_without_letters_has_no_times(head: CtcHead) -> None:
    found = head.words(states_of("ab c"), ["ab", "42", "c", "—"])
    assert [word is None for word in found] == [False, True, False, True]


def test_accents_and_typographic_apostrophes_are_read(head: CtcHead) -> None:
    assert head.labels("Bâ’") == head.labels("ba'")


def test_too_little_audio_gives_no_times(head: CtcHead) -> None:
    assert head.words(states_of("a")[:2], ["abc"]) == [None]
    assert head.words(states_of("a"), []) == []


def test_times_stay_inside_the_states(head: CtcHead) -> None:
    tight = CtcHead(head.weight, head.bias, ALPHABET, -5.0, 5.0)
    (word,) = tight.words(states_of("a"), ["a"])
    assert word is not None
    assert word[:2] == pytest.approx((0.0, 15 * 0.02))


def test_log_probs_sum_to_one(head: CtcHead) -> None:
    states = np.random.default_rng(1).normal(0, 50, (7, 6)).astype(np.float32)
    log_probs = head.log_probs(states)
    assert log_probs.dtype == np.float32
    assert np.exp(log_probs).sum(axis=1) == pytest.approx(np.ones(7), abs=1e-5)


def test_a_saved_head_comes_back(head: CtcHead, tmp_path: Path) -> None:
    head.save(tmp_path)
    again = CtcHead.load(tmp_path)
    assert again is not None
    assert np.array_equal(again.weight, head.weight)
    assert (again.alphabet, again.start_offset, again.end_offset) == (ALPHABET, 0.01, -0.01)


def test_a_model_without_a_head_is_none_and_a_damaged_one_is_an_error(tmp_path: Path) -> None:
    assert CtcHead.load(tmp_path) is None
    np.savez(tmp_path / "ctc_head.npz", weight=np.zeros((3, 2)))
    with pytest.raises(ValueError, match="not a CTC head"):
        CtcHead.load(tmp_path)


def test_a_head_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="needs weight"):
        CtcHead(np.zeros((3, 4), np.float32), np.zeros(3, np.float32), ALPHABET)


@pytest.fixture
def unbroken() -> CtcHead:
    """A head whose blank means silence."""
    return CtcHead(np.eye(4, dtype=np.float32), np.zeros(4, np.float32), "abc", unbroken=True)


def frames(text: str, each: int = 3) -> Float32:
    """Return states that say each letter for ``each`` frames, and silence for every "_"."""
    classes = ["_abc".index(letter) for letter in text]
    return np.repeat(np.eye(4, dtype=np.float32)[classes] * 20, each, axis=0)


def test_an_unbroken_word_never_reaches_over_a_pause(unbroken: CtcHead) -> None:
    """A letter that is not said where it is expected is put at the end of the pause that the word stands at."""
    found = unbroken.words(frames("ab____c"), ["ab", "ac"])
    assert [word[:2] for word in found if word] == [pytest.approx((0.0, 0.12)), pytest.approx((0.34, 0.42))]


def test_equal_letters_need_no_silence_between_them(unbroken: CtcHead) -> None:
    found = unbroken.words(frames("aabb", each=1), ["aa", "bb"])
    assert [word[:2] for word in found if word] == [pytest.approx((0.0, 0.04)), pytest.approx((0.04, 0.08))]


@pytest.mark.parametrize("word", ["42", "$3,000", "Ж", "1914."])
def test_figures_and_other_letters_are_placed_by_their_sound(unbroken: CtcHead, word: str) -> None:
    found = unbroken.words(frames("a__bcb__c"), ["a", word, "c"])
    assert [times[:2] for times in found if times] == [
        pytest.approx((0.0, 0.06)),
        pytest.approx((0.18, 0.36)),
        pytest.approx((0.48, 0.54)),
    ]


def test_neighbours_of_a_figure_keep_their_letters(unbroken: CtcHead) -> None:
    found = unbroken.words(frames("abc__"), ["a", "7", "c"])
    assert [times[:2] for times in found if times] == [
        pytest.approx((0.0, 0.06)),
        pytest.approx((0.06, 0.12)),
        pytest.approx((0.12, 0.18)),
    ]


def test_marks_alone_have_no_times(unbroken: CtcHead) -> None:
    assert [word is None for word in unbroken.words(frames("a_"), ["a", "—", "..."])] == [False, True, True]


def test_layers_are_residual_convolutions_in_time() -> None:
    generator = np.random.default_rng(2)
    x = generator.normal(size=(9, 4)).astype(np.float32)
    weight, bias = generator.normal(size=(4, 4, 3)).astype(np.float32), generator.normal(size=4).astype(np.float32)
    padded = np.vstack([np.zeros((1, 4)), x, np.zeros((1, 4))])
    expected = [
        x[t] + np.maximum(0, bias + sum(weight[:, :, k] @ padded[t + k] for k in range(3))) for t in range(len(x))
    ]
    assert Convolution(weight, bias)(x) == pytest.approx(np.array(expected), abs=1e-5)


def test_a_head_with_layers_comes_back(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    sizes = ((6, 3, 1), (6, 6, 5))
    layers = tuple(
        Convolution(generator.normal(size=size).astype(np.float32), np.zeros(6, np.float32)) for size in sizes
    )
    head = CtcHead(np.ones((3, 6), np.float32), np.zeros(3, np.float32), "ab", layers=layers, unbroken=True)
    head.write(tmp_path / "x.npz", np.float16)
    again = CtcHead.read(tmp_path / "x.npz")
    states = generator.normal(size=(20, 3)).astype(np.float32)
    assert (again.width, again.unbroken, again.languages) == (3, True, ("en",))
    assert again.log_probs(states) == pytest.approx(head.log_probs(states), abs=0.1)


def test_a_layer_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="a layer needs"):
        Convolution(np.zeros((3, 3, 2), np.float32), np.zeros(3, np.float32))
