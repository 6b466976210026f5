from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.npu.attention_errors import base, speech
from kernels.attention import reference
from kernels.attention.accuracy import ATTENTION, SPEECH, AttentionHead, adversarial, compare_attention, table
from kernels.attention.reference import attend, call_kernels, rounded
from kernels.host.buffers import buffer, pointer
from kernels.host.compile import build

BLOCK = 4096


@pytest.mark.parametrize("head", list(adversarial()), ids=lambda head: head.data)
def test_unlikely_data(head: AttentionHead) -> None:
    error = compare_attention(head)
    assert error.within(ATTENTION), table([error])


def test_every_head_of_real_speech() -> None:
    errors = speech()
    assert len(errors) == 16
    assert all(error.within(SPEECH) for error in errors), table(errors)


@pytest.mark.slow
def test_heads_of_recorded_speech(shared_audio: Path) -> None:
    for path in sorted((shared_audio / "librispeech").glob("*.flac"))[:6]:
        errors = speech(path, tiles=(0, 3, 12, 22))
        assert all(error.within(SPEECH) for error in errors), table(errors)


def test_heads_of_a_whisper_of_base_size() -> None:
    errors = base()
    assert len(errors) == 8
    assert all(error.within(ATTENTION) for error in errors), table(errors)


@given(valid=st.integers(1, 192), size=st.sampled_from([0.01, 0.3, 3.0, 100.0]), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_any_number_of_keys_of_any_size(valid: int, size: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    key, value = rounded(rng.standard_normal((2, 192, 64)))
    head = AttentionHead("random", rounded(rng.standard_normal((64, 64)) * size), key, value, valid)
    assert compare_attention(head).within(ATTENTION)


@given(valid=st.integers(1, 127), seed=st.integers(0, 2**32 - 1), junk=st.floats(-1e30, 1e30))
@settings(max_examples=20)
def test_keys_that_do_not_count_change_no_bit(valid: int, seed: int, junk: float) -> None:
    rng = np.random.default_rng(seed)
    query, (key, value) = rng.standard_normal((64, 64)), rng.standard_normal((2, 128, 64))
    result = call_kernels(query, key, value, valid)
    key[valid:], value[valid:] = np.sign(junk) * min(abs(junk), 1e4), junk
    np.testing.assert_array_equal(result, call_kernels(query, key, value, valid))


def test_a_tile_without_any_key_that_counts_changes_no_bit() -> None:
    rng = np.random.default_rng(1)
    query, (key, value) = rng.standard_normal((64, 64)), rng.standard_normal((2, 128, 64))
    np.testing.assert_array_equal(call_kernels(query, key, value, 64), call_kernels(query, key[:64], value[:64]))


def test_rows_of_queries_do_not_see_each_other() -> None:
    rng = np.random.default_rng(2)
    query, (key, value) = rng.standard_normal((64, 64)) * 3, rng.standard_normal((2, 192, 64))
    huge = query.copy()
    huge[7] *= 1000
    others = np.arange(64) != 7
    np.testing.assert_array_equal(call_kernels(query, key, value)[others], call_kernels(huge, key, value)[others])


def test_the_query_of_another_column_is_left_alone() -> None:
    mine, passing = buffer(BLOCK, np.uint16), buffer(BLOCK, np.uint16)
    passing[:] = 0
    build([reference.SOURCE]).attn_query(pointer(passing), pointer(mine), 1, 2)
    assert (mine == 0xFFFF).all()


def test_the_reference_is_plain_softmax() -> None:
    rng = np.random.default_rng(3)
    query, key, value = rng.standard_normal((3, 64, 64))
    weights = np.exp(query @ key.T)
    exact = weights / weights.sum(axis=1, keepdims=True) @ value
    np.testing.assert_allclose(attend(query * np.log2(np.e) / 4, key, value), exact, rtol=1e-9, atol=1e-12)


FAULTS = {
    "sums keep their old reference": ("if (!summed) continue;", "continue;"),
    "weights without the correction": ("368950658", "0"),
    "keys beyond the last count": ("const auto present = first(", "const auto present = first(64 + "),
    "references never move": ("if (!move_references(acc, state, table, peaks, low, kt)) return;", "return;"),
    "weights rounded down": ("aie::rounding_mode::conv_even", "aie::rounding_mode::floor"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_kernel_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = reference.SOURCE.read_text()
    right, wrong = FAULTS[fault]
    assert right in source
    mutant = tmp_path / "attention.cc"
    mutant.write_text(source.replace(right, wrong))
    monkeypatch.setattr(reference, "SOURCE", mutant)
    with np.errstate(all="ignore"):
        assert not all(compare_attention(head).within(ATTENTION) for head in adversarial())
