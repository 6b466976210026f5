"""The forward pass of the training equals transformers', and so CTranslate2's after the conversion."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest
import torch

from training.muon import Muon, orthogonalised
from training.network import DemoWhisper, initialise
from training.sentences import sentences
from training.tokenizer import SPECIALS, TEXT_TOKENS, Vocabulary, train_tokenizer


@pytest.fixture(scope="module")
def words() -> Vocabulary:
    return Vocabulary(train_tokenizer(islice(sentences(0, "train"), 3000)))


@pytest.fixture(scope="module")
def model(words: Vocabulary) -> DemoWhisper:
    torch.manual_seed(1)
    model = DemoWhisper(words)
    initialise(model)
    return model.eval()


def test_forward_equals_transformers(model: DemoWhisper) -> None:
    mel, tokens = torch.randn(1, 80, 3000), torch.randint(0, 1000, (1, 7))
    with torch.no_grad():
        states = model.encode(mel)
        logits, looks = model.decode(tokens, states)
        reference = model.whisper(input_features=mel, decoder_input_ids=tokens)
    assert torch.allclose(states, reference.encoder_last_hidden_state, atol=1e-4)
    assert torch.allclose(logits, reference.logits, atol=1e-3)
    assert looks.shape == (1, 8, 7, 1500)
    assert torch.allclose(looks.sum(-1), torch.ones(1, 8, 7), atol=1e-4)


def test_first_heads_look_at_their_neighbours(model: DemoWhisper) -> None:
    attention = model.whisper.model.encoder.layers[0].self_attn
    positions = model.whisper.model.encoder.embed_positions.weight[:400]
    with torch.no_grad():
        query, key = (projection(positions).view(400, 4, 64) for projection in (attention.q_proj, attention.k_proj))
        nearest = torch.einsum("ihd,jhd->hij", query, key).argmax(-1)[:3, 50:350]
    shifts = (nearest - torch.arange(50, 350)).float().median(dim=1).values
    assert shifts.tolist() == [0, 2, -2]


def test_special_tokens_are_in_whisper_s_order(words: Vocabulary) -> None:
    ids = [words.id(token) for token in [*SPECIALS, "<|0.00|>"]]
    assert ids == list(range(TEXT_TOKENS, TEXT_TOKENS + len(SPECIALS) + 1))
    assert words.id("<|30.00|>") == len(words) - 1


def test_any_text_survives_the_tokenizer(words: Vocabulary) -> None:
    for text in ("Turn on the light.", "naïve 42 €"):
        assert words.tokenizer.decode(words.encode(text)) == f" {text}"


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 40, 10), (2, 10, 40)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalised(torch.randn(shape)))
    assert values.max() < 1.4
    assert values.median() > 0.6


def test_muon_descends_and_its_state_comes_back() -> None:
    weight, target = torch.nn.Parameter(torch.zeros(8, 8)), torch.eye(8)
    optimiser = Muon([weight])
    with ThreadPoolExecutor(1) as pool:
        for _ in range(60):
            weight.grad = 2 * (weight.detach() - target)
            optimiser.step(0.1, pool)
    assert (weight - target).norm() < 0.5 * target.norm()
    again = Muon([weight])
    again.load_state_dict(optimiser.state_dict())
    assert torch.equal(again.state_dict()["8x8"], optimiser.state_dict()["8x8"])
