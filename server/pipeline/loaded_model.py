"""The loaded parts of one model that requests share, and how each is chosen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from server.errors import InvalidInput, ModelUnavailable
from server.pipeline.encoding.cpu_choice import cpu_encoder
from server.pipeline.encoding.cpu_mel import CpuMel
from server.pipeline.encoding.npu_stages import NpuStages
from server.pipeline.stages.align import AttentionAligner, CtcAligner
from server.pipeline.stages.decoder import Ct2Decoder, Search
from server.pipeline.stages.protocols import Aligner, Encoder, Mel, SpeechDetector
from server.pipeline.stages.vad import SileroDetector
from server.pipeline.stages.whisper import Checkpoint
from server.settings.stages import StageSettings, VadSettings
from server.transcript import AlignMethod, Task

if TYPE_CHECKING:
    from server.pipeline.stages.whisperx_parts import Diarizer


__all__ = ["Parts", "StageSettings"]


class Parts:
    """Everything that stays in memory for one model. Nothing of a request is kept in it; sessions run side by side.

    ``npu_retired`` says why the NPU is not to be opened again; ``npu_stages`` builds mel and encoder. Raises
    ModelUnavailable when the model cannot be loaded, ConfigurationError where npu.mode asks for what cannot be had.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        settings: StageSettings,
        *,
        demo: bool = False,
        npu_retired: str | None = None,
        npu_stages: Callable[..., NpuStages] = NpuStages,
    ) -> None:
        self.name = name
        self.demo = demo
        self.settings = settings
        self.checkpoint = Checkpoint(directory, settings.model)
        choice = cpu_encoder(self.checkpoint, settings.model)
        self.encoder_name, self.encoder_reason = choice.chosen.implementation, choice.reason
        mel, encoder = CpuMel(self.checkpoint.n_mels), choice.chosen.encoder
        self.npu = npu_stages(self.checkpoint, settings.npu, mel, encoder, retired=npu_retired)
        self.mel: Mel = self.npu.mel
        self.encoder: Encoder = self.npu.encoder
        self.decoder = Ct2Decoder(self.checkpoint, settings.decode)
        self._wav2vec2: dict[str, Aligner] = {}
        self._diarizer: Diarizer | None = None
        self._lock = Lock()

    def close(self) -> None:
        """Give back what other processes wait for: the NPU."""
        self.npu.close()

    def detector(self, vad: VadSettings) -> SpeechDetector:
        """A fresh detector for one recording."""
        if vad.method == "silero":
            return SileroDetector(vad)
        from server.pipeline.stages.whisperx_parts import PyannoteDetector

        return PyannoteDetector(vad)

    def diarizer(self) -> Diarizer:
        """Raises InvalidInput where no diarization pipeline is configured."""
        if not self.settings.diarize.model:
            raise InvalidInput(
                "This server has no diarization pipeline.",
                param="diarize",
                cure="Set diarize.model to a pyannote pipeline, a local directory or a Hugging Face id.",
            )
        from server.pipeline.stages.whisperx_parts import Diarizer

        with self._lock:
            self._diarizer = self._diarizer or Diarizer(self.settings.diarize)
            return self._diarizer

    def attention(self, search: Search) -> AttentionAligner:
        return AttentionAligner(self.checkpoint, search.tokenizer)

    def aligner(self, asked: AlignMethod | None, search: Search, task: Task) -> tuple[Aligner | None, str | None]:
        """The aligner for one request, None where no word times are wanted, and a warning where it is not as asked.

        Raises InvalidInput for a CTC head that the model lacks, ModelUnavailable for a wav2vec2 model that cannot be
        had although it was asked for.
        """
        method = asked or self.settings.align.method
        language = search.tokenizer.language_code
        if method == "off":
            return None, None
        if task == "translate" and self.checkpoint.multilingual and method != "attention":
            warning = None if method == "auto" else f"align={method} cannot place translated words: attention was used."
            return self.attention(search), warning
        if method == "attention":
            return self.attention(search), None
        if method == "ctc":
            return self.ctc(), None
        if method == "whisperx":
            return self._whisperx(language), None
        return self._automatic(search, language)

    def _automatic(self, search: Search, language: str) -> tuple[Aligner, str | None]:
        if self.checkpoint.ctc_head is not None and language == "en":
            return CtcAligner(self.checkpoint.ctc_head), None
        if language not in self.settings.align.models:
            return self.attention(search), None
        try:
            return self._whisperx(language), None
        except ModelUnavailable as error:
            return self.attention(search), f"{error.message} Decoder attention was used instead."

    def ctc(self) -> Aligner:
        """Raises InvalidInput where the model has no CTC head."""
        if self.checkpoint.ctc_head is None:
            raise InvalidInput(
                f"The model {self.name} has no CTC head.", param="align", cure="Choose whisperx, attention or auto."
            )
        return CtcAligner(self.checkpoint.ctc_head)

    def _whisperx(self, language: str) -> Aligner:
        from server.pipeline.stages.whisperx_parts import Wav2Vec2Aligner

        with self._lock:
            if language not in self._wav2vec2:
                model = self.settings.model
                self._wav2vec2[language] = Wav2Vec2Aligner(
                    language,
                    self.settings.align.models.get(language),
                    cache_dir=model.cache_dir,
                    offline=model.offline,
                )
            return self._wav2vec2[language]
