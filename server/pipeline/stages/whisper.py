"""A loaded Whisper checkpoint: CTranslate2 model, tokenizer, CTC head and languages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import tokenizers
from faster_whisper.tokenizer import _LANGUAGE_CODES, Tokenizer

from kernels.mel.audio import Float32
from server.errors import InvalidInput, ModelUnavailable
from server.machine.cpu import usable_cores
from server.pipeline.stages.alignment_heads import with_measured_heads
from server.pipeline.stages.ctc_heads import head_for
from server.settings.stages import ModelSettings
from server.transcript import Task

LANGUAGE_CODES: tuple[str, ...] = tuple(_LANGUAGE_CODES)


class Checkpoint:
    """A Whisper model in memory, shared by all requests; it stores nothing of a request.

    ``directory`` holds a checkpoint converted for CTranslate2, and a CTC head (a classifier for word times) if the
    model has one; ``models/heads`` has those of some published encoders. Raises ModelUnavailable for a directory that
    cannot be loaded.
    """

    def __init__(self, directory: Path, settings: ModelSettings) -> None:
        self.directory = directory
        self.compute_type = "int8" if settings.compute_type == "auto" else settings.compute_type
        self.threads = settings.threads or usable_cores()
        try:
            with with_measured_heads(directory) as (files, self.timing):
                self.whisper: Any = ctranslate2.models.Whisper(
                    str(files), device="cpu", compute_type=self.compute_type, intra_threads=self.threads
                )
            self.text = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
            self.ctc_head = head_for(directory)
        except Exception as error:
            raise ModelUnavailable(f"The model in {directory.name} cannot be loaded: {error}", param="model") from error
        self.n_mels: int = self.whisper.n_mels
        self.multilingual: bool = self.whisper.is_multilingual
        self.languages = self._languages() if self.multilingual else ("en",)

    def _languages(self) -> tuple[str, ...]:
        return tuple(code for code in LANGUAGE_CODES if self.text.token_to_id(f"<|{code}|>") is not None)

    def tokenizer(self, language: str, task: Task) -> Tokenizer:
        """Return faster-whisper's tokenizer for a language and task; an English-only model ignores both."""
        return Tokenizer(self.text, self.multilingual, task=task, language=language)

    def require_language(self, language: str, *, param: str = "language") -> None:
        """Raise InvalidInput, about the option ``param``, unless the model knows ``language``."""
        if language not in self.languages:
            known = "speaks English only" if not self.multilingual else f"knows {', '.join(self.languages)}"
            raise InvalidInput(
                f"The model cannot transcribe language {language!r}: it {known}.",
                param=param,
                cure="Choose another model, or leave the language out.",
            )

    def detect_language(self, states: Float32, candidates: Sequence[str]) -> tuple[str, float]:
        """Return the likeliest of the languages ``candidates`` and its probability, from encoder states [F, d].

        ``candidates`` are codes that the model knows; their probabilities are scaled to a sum of 1.
        """
        if len(candidates) == 1:
            return candidates[0], 1.0
        shares = self.language_shares(states, candidates)
        likeliest = max(shares, key=lambda code: shares[code])
        return likeliest, shares[likeliest]

    def language_shares(self, states: Float32, candidates: Sequence[str]) -> dict[str, float]:
        """Return the probability of each of the languages ``candidates``, scaled to a sum of 1.

        ``states`` are encoder states, float32 [n, d], of a window or a part of it.
        """
        detected = self.whisper.detect_language(storage(states[None]))[0]
        everywhere = {token.removeprefix("<|").removesuffix("|>"): float(share) for token, share in detected}
        total = sum(everywhere[code] for code in candidates) or 1.0
        return {code: everywhere[code] / total for code in candidates}


def storage(array: Float32) -> Any:
    """Return a CTranslate2 view of ``array`` without a copy; the array must not change while CTranslate2 reads it."""
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(array, np.float32))
