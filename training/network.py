"""The network: Whisper's own architecture, with two linear heads on the encoder that only training and alignment use.

The parameters live in transformers' WhisperForConditionalGeneration, so that export is a plain save; the forward
pass is our own because transformers' encoder refuses windows shorter than 30 s.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import WhisperConfig, WhisperForConditionalGeneration

from training.tokenizer import Vocabulary
from training.utterance import PHONES

WIDTH, HEAD_WIDTH, ENCODER_LAYERS, DECODER_LAYERS = 256, 64, 4, 2
ALPHABET = " abcdefghijklmnopqrstuvwxyz'"
GUIDED_HEADS = 2  # per decoder layer: trained to attend where the next token is spoken
DROPOUT = 0.1  # in the decoder alone


def whisper_config(vocabulary: Vocabulary) -> WhisperConfig:
    """Return Whisper's architecture with 6.7 million parameters."""
    end = vocabulary.id("<|endoftext|>")
    return WhisperConfig(
        vocab_size=len(vocabulary),
        num_mel_bins=80,
        d_model=WIDTH,
        encoder_layers=ENCODER_LAYERS,
        decoder_layers=DECODER_LAYERS,
        encoder_attention_heads=WIDTH // HEAD_WIDTH,
        decoder_attention_heads=WIDTH // HEAD_WIDTH,
        encoder_ffn_dim=4 * WIDTH,
        decoder_ffn_dim=4 * WIDTH,
        max_source_positions=1500,
        max_target_positions=448,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=vocabulary.id("<|startoftranscript|>"),
        suppress_tokens=[],
        begin_suppress_tokens=[vocabulary.id("Ġ"), end],
        attn_implementation="sdpa",
    )


class DemoWhisper(nn.Module):
    """A Whisper with a character CTC head and a phone head on the encoder's states."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.whisper: Any = WhisperForConditionalGeneration(whisper_config(vocabulary))
        self.characters = nn.Linear(WIDTH, 1 + len(ALPHABET))
        self.phones = nn.Linear(WIDTH, len(PHONES))

    def encode(self, mel: Tensor) -> Tensor:
        """Encode mel [B, 80, T], T at most 3000, to states [B, T // 2, d]."""
        encoder = self.whisper.model.encoder
        x = F.gelu(encoder.conv2(F.gelu(encoder.conv1(mel)))).transpose(1, 2)
        x = x + encoder.embed_positions.weight[: x.shape[1]]
        for layer in encoder.layers:
            normed = layer.self_attn_layer_norm(x)
            x = x + _attend(layer.self_attn, normed, normed)
            x = x + layer.fc2(F.gelu(layer.fc1(layer.final_layer_norm(x))))
        states: Tensor = encoder.layer_norm(x)
        return states

    def decode(self, tokens: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """Decode tokens [B, N] to logits [B, N, V] and cross-attention weights [B, layers * heads, N, T]."""
        decoder = self.whisper.model.decoder
        x = decoder.embed_tokens(tokens) + decoder.embed_positions.weight[: tokens.shape[1]]
        x, looks = self._drop(x), []
        for layer in decoder.layers:
            normed = layer.self_attn_layer_norm(x)
            x = x + self._drop(_attend(layer.self_attn, normed, normed, causal=True))
            heard, look = _attend_openly(layer.encoder_attn, layer.encoder_attn_layer_norm(x), states)
            x = x + self._drop(heard)
            looks.append(look)
            x = x + self._drop(layer.fc2(F.gelu(layer.fc1(layer.final_layer_norm(x)))))
        return F.linear(decoder.layer_norm(x), decoder.embed_tokens.weight), torch.cat(looks, dim=1)

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, DROPOUT, self.training)


def _heads(x: Tensor) -> Tensor:
    return x.view(x.shape[0], x.shape[1], -1, HEAD_WIDTH).transpose(1, 2)


def _attend(attention: Any, queries: Tensor, keys: Tensor, causal: bool = False) -> Tensor:
    mixed = F.scaled_dot_product_attention(
        _heads(attention.q_proj(queries)),
        _heads(attention.k_proj(keys)),
        _heads(attention.v_proj(keys)),
        is_causal=causal,
    )
    projected: Tensor = attention.out_proj(mixed.transpose(1, 2).flatten(2))
    return projected


def _attend_openly(attention: Any, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
    """Compute attention without the fused kernel; return also the weights, so that they can be trained."""
    scores = _heads(attention.q_proj(queries)) @ _heads(attention.k_proj(keys)).transpose(2, 3)
    weights = (scores / math.sqrt(HEAD_WIDTH)).softmax(-1)
    mixed = weights @ _heads(attention.v_proj(keys))
    return attention.out_proj(mixed.transpose(1, 2).flatten(2)), weights


@torch.no_grad()
def initialise(model: DemoWhisper) -> None:
    """Set the starting weights: random matrices, and encoder heads that attend to neighbouring frames.

    The matrices are scaled by fan-in, and smaller if they add to the residual stream.
    """
    for name, parameter in model.named_parameters():
        if "embed" in name or "proj_out" in name:
            continue
        if parameter.dim() == 3:
            parameter.normal_(0, 1 / math.sqrt(parameter.shape[1] * parameter.shape[2]))
        elif parameter.dim() == 2:
            scale = 0.9 / math.sqrt(parameter.shape[1])
            into_residual = name.endswith(("out_proj.weight", "fc2.weight"))
            parameter.normal_(0, scale / math.sqrt(2 * ENCODER_LAYERS) if into_residual else scale)
    for head in (model.characters, model.phones):
        head.weight.normal_(0, 0.03)
    decoder, positions = model.whisper.model.decoder, model.whisper.model.encoder.embed_positions.weight
    decoder.embed_tokens.weight.normal_(0, 0.05)
    decoder.embed_positions.weight.copy_(positions[: decoder.embed_positions.weight.shape[0]] * 0.06)
    for layer, reach in zip(model.whisper.model.encoder.layers, (2, 3, 5, 8), strict=True):
        for head_index, shift in enumerate((0, reach, -reach)):
            _look_at(layer.self_attn, head_index, shift)


def _look_at(attention: Any, head: int, shift: int) -> None:
    """Make one head attend ``shift`` frames away: q_i . k_j = sum over w of cos(w (i - j + shift)).

    The head reads the sines and cosines of the fixed position vectors, so it is ordinary attention with a good start:
    attention that must discover locality by itself costs most of a short training.
    """
    half = WIDTH // 2
    frequencies = torch.exp(-math.log(10_000) / (half - 1) * torch.arange(half).float())
    rows = slice(head * HEAD_WIDTH, (head + 1) * HEAD_WIDTH)
    query, key = attention.q_proj.weight[rows], attention.k_proj.weight[rows]
    query.mul_(0.25)
    key.mul_(0.25)
    for pair, channel in enumerate(torch.linspace(0, 50 * WIDTH / 256, HEAD_WIDTH // 2).round().long().tolist()):
        angle = float(frequencies[channel]) * shift
        even, odd = 2 * pair, 2 * pair + 1
        query[even, channel] += 0.9 * math.cos(angle)
        query[even, half + channel] += 0.9 * math.sin(angle)
        query[odd, half + channel] += 0.9 * math.cos(angle)
        query[odd, channel] -= 0.9 * math.sin(angle)
        key[even, channel] += 0.9
        key[odd, half + channel] += 0.9
