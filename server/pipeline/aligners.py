"""The aligners (sources of word times) that requests of one model share, and the choice among them for a request."""

from __future__ import annotations

from threading import Lock

from server.errors import InvalidInput, ModelUnavailable
from server.pipeline.stages.align import AttentionAligner, CtcAligner
from server.pipeline.stages.protocols import Aligner
from server.pipeline.stages.search import Search
from server.pipeline.stages.whisper import Checkpoint
from server.settings.stages import StageSettings
from server.transcript import AlignMethod, Task


class Aligners:
    """The aligners, which find word times, of one loaded model. Safe for threads.

    A wav2vec2 model is loaded when a request first needs it. ``name`` is the Whisper model's name, for messages.
    """

    def __init__(self, name: str, checkpoint: Checkpoint, settings: StageSettings) -> None:
        self._name = name
        self._checkpoint = checkpoint
        self._settings = settings
        self._wav2vec2: dict[str, Aligner] = {}
        self._lock = Lock()

    def choose(
        self, asked: AlignMethod | None, search: Search, task: Task, *, insist: bool = True
    ) -> tuple[Aligner | None, str | None]:
        """Return the aligner for a request, and a warning if it is another one than ``asked`` names.

        ``asked`` None means the configured method. The aligner is None if no word times are wanted. Raises InvalidInput
        for a CTC head that the model lacks, ModelUnavailable for a wav2vec2 model that was asked for and cannot be
        loaded; without ``insist`` attention takes their place, and that of an English CTC head in other languages.
        """
        method = asked or self._settings.align.method
        language = search.tokenizer.language_code
        if method == "off":
            return None, None
        if task == "translate" and self._checkpoint.multilingual and method != "attention":
            warning = None if method == "auto" else f"align={method} cannot place translated words: attention was used."
            return self.attention(search), warning
        if method == "attention":
            return self.attention(search), None
        if method == "ctc":
            return (self.ctc() if insist or language == "en" else self.attention(search)), None
        if method == "whisperx" and insist:
            return self._whisperx(language), None
        if method == "whisperx":
            return self._whisperx_or_attention(search, language)
        return self._automatic(search, language)

    def _automatic(self, search: Search, language: str) -> tuple[Aligner, str | None]:
        head = self._checkpoint.ctc_head
        if head is not None and language in head.languages:
            return CtcAligner(head), None
        if language not in self._settings.align.models:
            return self.attention(search), None
        return self._whisperx_or_attention(search, language)

    def _whisperx_or_attention(self, search: Search, language: str) -> tuple[Aligner, str | None]:
        try:
            return self._whisperx(language), None
        except ModelUnavailable as error:
            return self.attention(search), f"{error.message} Decoder attention was used instead."

    def attention(self, search: Search) -> AttentionAligner:
        """Return an aligner that uses the decoder's cross-attention, which every model has."""
        return AttentionAligner(self._checkpoint, search.tokenizer)

    def ctc(self) -> Aligner:
        """Return an aligner that uses the CTC head beside the model. Raises InvalidInput if the model has none."""
        if self._checkpoint.ctc_head is None:
            raise InvalidInput(
                f"The model {self._name} has no CTC head.", param="align", cure="Choose whisperx, attention or auto."
            )
        return CtcAligner(self._checkpoint.ctc_head)

    def _whisperx(self, language: str) -> Aligner:
        from server.pipeline.stages.whisperx_stages import Wav2Vec2Aligner

        with self._lock:
            if language not in self._wav2vec2:
                model = self._settings.model
                self._wav2vec2[language] = Wav2Vec2Aligner(
                    language,
                    self._settings.align.models.get(language),
                    cache_dir=model.cache_dir,
                    offline=model.offline,
                )
            return self._wav2vec2[language]
