"""A Whisper model in memory with the stages that its requests share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from kernels.mel.audio import ENCODER_FRAMES, SAMPLE_RATE, Float32
from server.errors import InvalidInput
from server.machine.optional_packages import require_extra
from server.pipeline.aligners import Aligners
from server.pipeline.encoding.cpu_choice import cpu_encoder
from server.pipeline.encoding.cpu_mel import CpuMel
from server.pipeline.encoding.npu_stages import NpuStages
from server.pipeline.stages.decoder import Ct2Decoder
from server.pipeline.stages.hearing import quiet_states
from server.pipeline.stages.protocols import Encoder, Mel, Retired, SpeechDetector
from server.pipeline.stages.vad import SileroDetector
from server.pipeline.stages.whisper import Checkpoint
from server.settings.stages import StageSettings, VadSettings
from server.transcript import Options, StageChoice

if TYPE_CHECKING:
    from server.pipeline.stages.whisperx_stages import Diarizer


class LoadedModel:
    """A Whisper model in memory with the stages that its requests share; it stores nothing of a request.

    ``directory`` holds a CTranslate2 checkpoint of Whisper, ``name`` is the model's name in answers and messages, and
    ``demo`` marks the embedded demonstration model. ``npu_retired`` is the reason for which the NPU must not be opened
    again, and ``npu_stages`` builds mel and encoder. Raises ModelUnavailable if the model cannot be loaded,
    ConfigurationError if ``npu.mode`` requires an NPU that cannot be used.

        model = LoadedModel("base", Path("models/base"), StageSettings())
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
        self.aligners = Aligners(name, self.checkpoint, settings)
        self._diarizer: Diarizer | None = None
        self._quiet: Float32 | None = None
        self._lock = Lock()

    def close(self) -> None:
        """Release the NPU, which other processes may wait for."""
        self.npu.close()

    def check(self, options: Options) -> None:
        """Check that the model can serve a request's options, apart from limits that depend on the language.

        Raises InvalidInput, or ModelUnavailable if the packages for diarization are not installed.
        """
        if options.language is not None:
            self.checkpoint.require_language(options.language)
        for language in options.languages:
            self.checkpoint.require_language(language, param="languages")
        if options.align == "ctc":
            self.aligners.ctc()
        if options.align == "whisperx":
            require_extra("align = whisperx", param="align", kind=InvalidInput)
        if options.diarize is not None:
            if options.audio.channels == "split":
                raise InvalidInput("Each channel is a speaker already.", param="diarize", cure="Leave one of them out.")
            self.diarizer()

    def candidates(self, options: Options) -> tuple[str, ...]:
        """Return the languages that a recording may have: one if it is known, else those among which it is detected.

        The configured ``decode.languages`` apply where the request names none; those that the model does not know are
        left out, and if none is left, all of the model's languages are returned.
        """
        if options.language is not None:
            return (options.language,)
        if options.languages:
            return options.languages
        known = self.checkpoint.languages
        return tuple(language for language in self.settings.decode.languages if language in known) or known

    def detector(self, options: Options) -> SpeechDetector | None:
        """Return a new speech detector for one recording; None if the request switches speech detection off.

        Raises ModelUnavailable if the packages for pyannote are not installed.
        """
        if not options.vad:
            return None
        vad = self._vad_settings(options)
        if vad.method == "silero":
            return SileroDetector(vad)
        from server.pipeline.stages.whisperx_stages import PyannoteDetector

        return PyannoteDetector(vad)

    def _vad_settings(self, options: Options) -> VadSettings:
        asked = {
            "threshold": options.vad_threshold,
            "min_silence_ms": options.vad_min_silence_ms,
            "pad_ms": options.vad_pad_ms,
        }
        return self.settings.vad.model_copy(update={k: v for k, v in asked.items() if v is not None})

    def quiet_states(self) -> Float32:
        """Return encoder states of silence, float32 [50, d_model], beside which pieces of windows are heard."""
        with self._lock:
            if self._quiet is None:
                self._quiet = quiet_states(self._encoded(np.zeros(SAMPLE_RATE, np.float32)))
            return self._quiet

    def _encoded(self, samples: Float32) -> Float32:
        """Return the encoder states of a window alone, float32 [1500, d_model]."""
        with suppress(Retired):  # the CPU serves from then on
            return self.encoder(self.mel([samples])).reshape(ENCODER_FRAMES, -1)
        return self.encoder(self.mel([samples])).reshape(ENCODER_FRAMES, -1)

    def diarizer(self) -> Diarizer:
        """Return the object that labels speakers, which all requests share.

        Raises InvalidInput if no diarization pipeline is configured, ModelUnavailable if its packages are not
        installed.
        """
        if not self.settings.diarize.model:
            raise InvalidInput(
                "This server has no diarization pipeline.",
                param="diarize",
                cure="Set diarize.model to a pyannote pipeline, a local directory or a Hugging Face id.",
            )
        from server.pipeline.stages.whisperx_stages import Diarizer

        with self._lock:
            self._diarizer = self._diarizer or Diarizer(self.settings.diarize)
            return self._diarizer

    def stage_choices(self) -> tuple[StageChoice, ...]:
        """Return for each processing stage the device that runs it now, and the reason."""
        encoder = f"{self.npu.reason('encoder')}; CPU: {self.encoder_reason}"
        return (
            StageChoice("vad", "cpu", self.settings.vad.method),
            StageChoice("mel", self.mel.device, self.npu.reason("mel")),
            StageChoice("encoder", self.encoder.device, encoder),
            StageChoice("decoder", self.decoder.device, f"ctranslate2 {self.checkpoint.compute_type}"),
        )
