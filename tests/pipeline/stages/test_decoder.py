"""The decoder against CTranslate2 itself, and the fallback to higher temperatures."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from kernels.mel.audio import Float32
from server.errors import InvalidInput, ModelUnavailable
from server.pipeline.batches import decode_completely
from server.pipeline.clock import StageClock
from server.pipeline.encoding.cpu_mel import CpuMel
from server.pipeline.encoding.ct2_encoder import Ct2Encoder
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.stages.decoder import Attempts, Ct2Decoder, Decoded, drawn
from server.pipeline.stages.search import CONTEXT, Search, prompt_tokens
from server.pipeline.stages.text import TokenWord, split_words
from server.pipeline.stages.whisper import Checkpoint, storage
from server.pipeline.window import Window
from server.pipeline.work import Work
from server.settings.stages import DecodeSettings, ModelSettings
from tests.audio_files import tone

CALM = {
    "log_prob_threshold": None,
    "compression_ratio_threshold": None,
    "no_speech_threshold": None,
    "max_repeats": 500,
}


@pytest.fixture(scope="module")
def checkpoint(tiny_multilingual: Path) -> Checkpoint:
    return Checkpoint(tiny_multilingual, ModelSettings(compute_type="float32"))


@pytest.fixture(scope="module")
def states(checkpoint: Checkpoint) -> Float32:
    mel = CpuMel(checkpoint.n_mels)([tone(5.0), tone(3.0, hertz=1000), tone(9.0, hertz=90)])
    return Ct2Encoder(checkpoint)(mel)


def search(checkpoint: Checkpoint, language: str = "en", beams: int = 1, ladder: tuple[float, ...] = (0.0,)) -> Search:
    tokenizer = checkpoint.tokenizer(language, "transcribe")
    return Search(tokenizer, prompt_tokens(tokenizer, None, None), beams, ladder)


def decoded(decoder: Ct2Decoder, states: Float32, search: Search) -> list[Decoded]:
    """Decode windows of one request, at one temperature after the other until each result is good enough."""
    works = [
        Work(Window(n, 0.0, np.zeros(1, np.float32)), request=0, clock=StageClock(), warn=print)
        for n in range(len(states))
    ]
    for work, row in zip(works, states, strict=True):
        work.encoded(row)
        work.prepare(Attempts(search, decoder.settings))
    decode_completely(cast("LoadedModel", SimpleNamespace(decoder=decoder)), works)
    return [work.attempts.result() for work in works]


class Recording:
    """A CTranslate2 model that records its calls: the number of windows and the penalty on repetitions."""

    def __init__(self, whisper: Any) -> None:
        self.whisper = whisper
        self.calls: list[tuple[int, float]] = []

    def generate(self, features: Any, prompts: list[list[int]], **options: Any) -> Any:
        self.calls.append((len(prompts), options["repetition_penalty"]))
        return self.whisper.generate(features, prompts, **options)


@pytest.mark.parametrize("beams", [1, 5])
def test_tokens_and_scores_are_ctranslate2s(checkpoint: Checkpoint, states: Float32, beams: int) -> None:
    decode = Ct2Decoder(checkpoint, DecodeSettings(max_new_tokens=30, **CALM))
    for row, found in zip(states, decoded(decode, states, search(checkpoint, beams=beams)), strict=True):
        prompt = [list(search(checkpoint).prompt)]
        (alone,) = checkpoint.whisper.generate(
            storage(row[None]), prompt, beam_size=beams, max_length=60, return_scores=True, length_penalty=1
        )
        ids = alone.sequences_ids[0]
        text = [token for token in ids if token < checkpoint.tokenizer("en", "transcribe").eot]
        assert list(found.tokens) == text
        assert found.avg_logprob == pytest.approx(alone.scores[0] * len(ids) / (len(ids) + 1), abs=1e-4)


def test_windows_of_a_batch_do_not_touch_each_other(checkpoint: Checkpoint, states: Float32) -> None:
    decode = Ct2Decoder(checkpoint, DecodeSettings(max_new_tokens=30, **CALM))
    together = decoded(decode, states, search(checkpoint))
    alone = [decoded(decode, states[index : index + 1], search(checkpoint))[0] for index in range(len(states))]
    assert [item.tokens for item in together] == [item.tokens for item in alone]


def test_only_failed_windows_climb_the_ladder(checkpoint: Checkpoint, states: Float32) -> None:
    recording = Recording(checkpoint.whisper)
    settings = DecodeSettings(max_new_tokens=10, no_speech_threshold=None, log_prob_threshold=0.0)
    decode = Ct2Decoder(checkpoint, settings)
    decode.checkpoint = type("Spied", (), {"whisper": recording})()
    decoded(decode, states, search(checkpoint, ladder=(0.0, 0.4, 0.8)))
    assert recording.calls[:2] == [(3, 1.0), (3, 1.1)], "log probability 0 cannot be reached: all climb"
    assert [penalty for _, penalty in recording.calls] == [1.0, 1.1, 1.2]
    recording.calls.clear()
    decode.settings = DecodeSettings(max_new_tokens=10, **CALM)
    decoded(decode, states, search(checkpoint, ladder=(0.0, 0.4, 0.8)))
    assert recording.calls == [(3, 1.0)]


@pytest.mark.parametrize("ladder", [(0.7,), (0.0, 0.4, 1.0)])
def test_nothing_is_left_to_chance(checkpoint: Checkpoint, states: Float32, ladder: tuple[float, ...]) -> None:
    settings = DecodeSettings(max_new_tokens=10, no_speech_threshold=None, log_prob_threshold=0.0)
    asked = search(checkpoint, beams=3, ladder=ladder)
    once, twice = (decoded(Ct2Decoder(checkpoint, settings), states, asked) for _ in range(2))
    alone = [decoded(Ct2Decoder(checkpoint, settings), row[None], asked)[0] for row in states]
    assert [item.tokens for item in once] == [item.tokens for item in twice] == [item.tokens for item in alone]


def test_texts_are_drawn_by_their_probability() -> None:
    texts = [[[n, 2, 3], [n, 4], [n, 5]] for n in range(2000)]
    for temperature, shares in ((1.0, (0.665, 0.245, 0.09)), (0.3, (0.964, 0.035, 0.001))):
        counts = np.bincount([drawn(three, [-1.0, -2.0, -3.0], temperature) for three in texts], minlength=3)
        assert counts / len(texts) == pytest.approx(shares, abs=0.03)
    assert drawn([[1]], [-5.0], 0.01) == 0


def test_silence_does_not_climb_and_has_no_words(checkpoint: Checkpoint, states: Float32) -> None:
    settings = DecodeSettings(max_new_tokens=10, no_speech_threshold=0.0, log_prob_threshold=0.0)
    for found in decoded(Ct2Decoder(checkpoint, settings), states, search(checkpoint, ladder=(0.0, 1.0))):
        assert found.words == ()
        assert found.temperature == 0.0
        assert found.no_speech_prob > 0.0


def test_when_every_rung_fails_the_likeliest_is_taken(checkpoint: Checkpoint, states: Float32) -> None:
    settings = DecodeSettings(max_new_tokens=10, no_speech_threshold=None, log_prob_threshold=0.0, max_repeats=500,
                              compression_ratio_threshold=None)  # fmt: skip
    ladder = decoded(Ct2Decoder(checkpoint, settings), states, search(checkpoint, ladder=(0.0, 1.0)))
    greedy = decoded(Ct2Decoder(checkpoint, settings), states, search(checkpoint, ladder=(0.0,)))
    for found, first in zip(ladder, greedy, strict=True):
        assert found.avg_logprob >= first.avg_logprob


def test_a_loop_that_survives_the_ladder_is_cut(checkpoint: Checkpoint, states: Float32) -> None:
    tokenizer = checkpoint.tokenizer("en", "transcribe")
    loop = SimpleNamespace(
        sequences_ids=[tokenizer.encode(" We" + " thank you" * 30 + " bye")], scores=[-0.1], no_speech_prob=0.0
    )
    spied = SimpleNamespace(whisper=SimpleNamespace(generate=lambda *_, **__: [loop]))
    decode = Ct2Decoder(spied, DecodeSettings(max_repeats=2))  # type: ignore[arg-type]
    (found,) = decoded(decode, states[:1], search(checkpoint, ladder=(0.0, 0.5)))
    assert found.text == " We thank you thank you bye"


def attempt(tokenizer: Any, text: str, logprob: float = -0.3, no_speech: float = 0.0) -> Decoded:
    return Decoded(tuple(split_words(tokenizer, tokenizer.encode(" " + text))), logprob, no_speech, 1.0, 0.0)


@pytest.mark.parametrize(
    ("prompted", "plain", "result", "reason"),
    [
        (("The assistant is Jarvix.",), ("Yes.",), " Yes.", "prompt_echo"),
        (("The assistant is Jarvix.",), ("The assistant is Jarvis.",), " The assistant is Jarvix.", "prompt_echo"),
        (("Jarvix, Grafana",), ("Thank you.", -1.2, 0.9), "", "prompt_echo"),
        (("Bees.", -1.3), ("Yes.",), " Yes.", "log_prob"),
        (("Thank you.", -1.1, 0.9), ("Yes.",), " Yes.", "no_speech"),
    ],
)
def test_an_echo_of_the_prompt_is_decoded_again_without_it(
    checkpoint: Checkpoint, prompted: tuple[Any, ...], plain: tuple[Any, ...], result: str, reason: str
) -> None:
    tokenizer = checkpoint.tokenizer("en", "transcribe")
    start = prompt_tokens(tokenizer, "The assistant is Jarvix. Glossary: Grafana", None)
    attempts = Attempts(Search(tokenizer, start, 5, (0.0, 0.5)), DecodeSettings(), speech=((0.0, 1.0),))
    assert attempts.add(attempt(tokenizer, *prompted)) == reason
    assert attempts.temperature == 0.0, "the temperatures begin again"
    assert attempts.search.prompt == prompt_tokens(tokenizer, None, None)
    assert attempts.add(attempt(tokenizer, *plain)) is None
    assert attempts.result().text == result


def test_a_text_that_a_warmer_temperature_leaves_as_it_is_does_not_climb_on(checkpoint: Checkpoint) -> None:
    attempts = Attempts(search(checkpoint, ladder=(0.0, 0.2, 0.4)), DecodeSettings())
    unlikely = attempt(checkpoint.tokenizer("en", "transcribe"), "Yes.", -1.5)
    assert [attempts.add(unlikely), attempts.add(unlikely)] == ["log_prob", None]
    assert attempts.result().text == " Yes."


def test_a_good_text_stays_with_its_prompt(checkpoint: Checkpoint) -> None:
    tokenizer = checkpoint.tokenizer("en", "transcribe")
    attempts = Attempts(Search(tokenizer, prompt_tokens(tokenizer, "Jarvix.", "Grafana"), 5, (0.0,)), DecodeSettings())
    assert attempts.add(attempt(tokenizer, "Ask Jarvix about it.")) is None
    assert attempts.result().text == " Ask Jarvix about it."


def test_silence_stays_silent_where_no_speech_is_known(checkpoint: Checkpoint) -> None:
    tokenizer = checkpoint.tokenizer("en", "transcribe")
    attempts = Attempts(Search(tokenizer, prompt_tokens(tokenizer, "Jarvix.", None), 5, (0.0,)), DecodeSettings())
    assert attempts.add(attempt(tokenizer, "Thank you.", -1.1, 0.9)) is None
    assert attempts.result().text == ""


def test_special_tokens_in_a_prompt_are_left_out(checkpoint: Checkpoint) -> None:
    tokenizer = checkpoint.tokenizer("en", "transcribe")
    start = prompt_tokens(tokenizer, "<|startoftranscript|> We <|endoftext|>", None)
    assert [token for token in start if token == tokenizer.sot] == [tokenizer.sot]


def test_prompt_and_hotwords_come_before_the_text(checkpoint: Checkpoint) -> None:
    tokenizer = checkpoint.tokenizer("fr", "translate")
    plain = prompt_tokens(tokenizer, None, "  ")
    assert plain == (tokenizer.sot, tokenizer.language, tokenizer.task, tokenizer.no_timestamps)
    both = prompt_tokens(tokenizer, "before", "Phoenix")
    assert both[0] == tokenizer.sot_prev
    assert both[-4:] == plain
    assert tokenizer.decode(list(both[1:-4])) == " Phoenix before"


@pytest.mark.parametrize(
    ("prompt", "hotwords"), [("word " * 900, None), (None, "word " * 900), ("a " * 500, "b " * 500)]
)
def test_a_long_prompt_leaves_room_for_text(checkpoint: Checkpoint, prompt: str | None, hotwords: str | None) -> None:
    assert len(prompt_tokens(checkpoint.tokenizer("en", "transcribe"), prompt, hotwords)) <= CONTEXT // 2 + 4


def test_languages(checkpoint: Checkpoint, tiny_english: Path, states: Float32) -> None:
    assert len(checkpoint.languages) > 90
    checkpoint.require_language("de")
    language, probability = checkpoint.detect_language(states[0], checkpoint.languages)
    assert language in checkpoint.languages
    assert 0 < probability < 1
    english = Checkpoint(tiny_english, ModelSettings())
    assert english.detect_language(states[0], english.languages) == ("en", 1.0)
    with pytest.raises(InvalidInput, match="English only") as caught:
        english.require_language("de")
    assert caught.value.param == "language"


def test_candidates_share_the_whole_probability(checkpoint: Checkpoint, states: Float32) -> None:
    def detect(*candidates: str) -> tuple[str, float]:
        return checkpoint.detect_language(states[0], candidates)

    unlikely = [code for code in checkpoint.languages if code != detect(*checkpoint.languages)[0]]
    first = detect(*unlikely)
    rest = [code for code in unlikely if code != first[0]]
    second = detect(*rest)
    assert (first[0] in unlikely, second[0] in rest) == (True, True)
    of_two = detect(second[0], first[0])
    assert of_two[0] == first[0]
    assert 0.5 < of_two[1] < 1
    assert of_two == detect(first[0], second[0])
    assert detect("de") == ("de", 1.0)


def test_a_damaged_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"version https://git-lfs")
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        Checkpoint(tmp_path, ModelSettings())


def test_states_are_the_callers_own(checkpoint: Checkpoint) -> None:
    encoder = Ct2Encoder(checkpoint)
    first = encoder(CpuMel(80)([tone(2.0)]))
    kept = first.copy()
    encoder(CpuMel(80)([tone(2.0, hertz=900)]))
    assert np.array_equal(first, kept)
    assert first.dtype == np.float32


@pytest.mark.parametrize(("seconds", "kept"), [(10.0, 12), (2.0, 8), (None, 8)])
def test_a_phrase_is_kept_as_often_as_there_is_time_to_say_it(
    checkpoint: Checkpoint, seconds: float | None, kept: int
) -> None:
    """Without the speech of the window, a phrase in a row counts as a loop after ``max_repeats``."""
    speech = () if seconds is None else ((3.0, 3.0 + seconds),)
    attempts = Attempts(search(checkpoint), DecodeSettings(), speech)
    attempts.add(Decoded((TokenWord(" testing,", (1,)),) * 12, -0.1, 0.0, 6.0, 0.0))
    assert len(attempts.result().words) == kept


def test_of_failed_attempts_the_likeliest_that_could_be_said_is_taken(checkpoint: Checkpoint) -> None:
    attempts = Attempts(search(checkpoint, ladder=(0.0, 1.0)), DecodeSettings(), ((0.0, 10.0),))
    attempts.add(Decoded((TokenWord(" no,", (1,)),) * 90, -0.1, 0.0, 20.0, 0.0))
    attempts.add(Decoded((TokenWord(" no,", (1,)),) * 12, -0.5, 0.0, 6.0, 1.0))
    assert len(attempts.result().words) == 12
