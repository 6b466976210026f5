"""The mel and encoder stages of a model: on the NPU where it works and pays, otherwise on the CPU.

A fault of the NPU in either stage ends its use in both, and in every model of the process.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from kernels.mel.audio import ENCODER_FRAMES, MEL_FRAMES, WINDOW_SAMPLES, Float32
from kernels.mel.features import Features
from npu.errors import FolderRefused, NpuError, NpuUnavailable
from npu.runtime.keep_alive import KeepAlive
from npu.runtime.npu import Npu, release
from npu.stages.encoder import NpuEncoder, check_layer
from npu.stages.mel import NpuMel
from npu.stages.stage import NpuStage, WindowBatch
from server.checkpoints.encoder_weights import encoder_weights
from server.pipeline.encoding.fallback import StageWithFallback
from server.pipeline.encoding.npu_choice import Choice, Cost, choose, measure
from server.pipeline.encoding.npu_device import acquire_device, open_device, refusal
from server.pipeline.stages.protocols import Encoder, Mel
from server.settings.stages import NpuSettings
from server.transcript import StageTime

if TYPE_CHECKING:
    from server.pipeline.stages.whisper import (
        Checkpoint,  # brings CTranslate2, which the process that speaks HTTP lacks
    )

log = logging.getLogger(__name__)

StageName = Literal["mel", "encoder"]
Opener = Callable[[NpuSettings], Npu]
Timer = Callable[[Callable[[], object]], Cost]
EncoderOpener = Callable[[Npu, Path, NpuSettings], tuple[NpuStage[Features], str]]
B = TypeVar("B", bound=WindowBatch)
S = TypeVar("S")

SIMULATED_FRAMES = 250  # of the layer that is checked at start-up on the simulated device, which is slow
NOT_ASKED = "npu.mode is off"


def open_encoder(npu: Npu, directory: Path, settings: NpuSettings) -> tuple[NpuStage[Features], str]:
    """Return a checkpoint's encoder on the NPU, and the result of a check of its first layer, as text.

    Raises NpuError, and ModelUnavailable for a file that holds no encoder.
    """
    weights, int8 = encoder_weights(directory / "model.bin"), settings.precision == "int8"
    stage = NpuEncoder(npu, weights, int8=int8, canary_windows=settings.canary_windows)
    frames = SIMULATED_FRAMES if settings.mode == "simulated" else ENCODER_FRAMES
    try:
        return stage, str(check_layer(npu, weights, int8=int8, frames=frames))
    except BaseException:
        stage.close()
        raise


class NpuStages:
    """The mel and encoder stages of one model, each on the device that was chosen for it at construction.

    ``mel`` and ``encoder`` are those of the CPU. ``retired`` is the reason for which the NPU must not be used: an
    earlier process died while it used the NPU. ``opener`` opens the device, ``timer`` measures a call, and
    ``encoder_opener`` builds the encoder on the NPU. Raises ConfigurationError if ``npu.mode`` is required or simulated
    and the NPU cannot be used.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        settings: NpuSettings,
        mel: Mel,
        encoder: Encoder,
        retired: str | None = None,
        *,
        opener: Opener = open_device,
        timer: Timer = measure,
        encoder_opener: EncoderOpener = open_encoder,
    ) -> None:
        self.settings = settings
        self.keep_alive: KeepAlive | None = None
        self._timer, self._encoder_opener = timer, encoder_opener
        self._mel: StageWithFallback[Sequence[Float32], Features] = StageWithFallback(mel)
        self._encoder: StageWithFallback[Features, Float32] = StageWithFallback(encoder)
        reason = NOT_ASKED if retired is None else f"it was retired: {retired}"
        self._reasons: dict[StageName, str] = {"mel": reason, "encoder": reason}
        self._npu: Npu | None = None
        self._closing: list[Callable[[], None]] = []
        if settings.mode == "off" or retired is not None:
            return
        try:
            self._npu = npu = acquire_device(settings, opener)
            self._closing.append(lambda: release(npu))
            self._open(checkpoint, npu)
        except NpuError as error:
            self._refuse(error)
        except BaseException:
            self.close()
            raise

    @property
    def mel(self) -> Mel:
        """The mel stage, which runs on the NPU or the CPU as chosen."""
        return self._mel

    @property
    def encoder(self) -> Encoder:
        """The encoder stage, which runs on the NPU or the CPU as chosen."""
        return self._encoder

    def reason(self, stage: StageName) -> str:
        """Return the reason why the stage, mel or encoder, runs on its present device."""
        if self._npu is not None and self._npu.retired is not None:
            return f"no NPU: it was retired: {self._npu.retired}"
        served = self._mel.served if stage == "mel" else self._encoder.served
        return self._reasons[stage] if served or self.settings.mode == "off" else f"no NPU: {self._reasons[stage]}"

    def explained(self, times: Sequence[StageTime]) -> tuple[StageTime, ...]:
        """Return the stage times of an answer with the reason for the device added to mel and encoder."""
        reasons: dict[str, str] = {stage: self.reason(stage) for stage in self._reasons}
        return tuple(replace(time, reason=reasons.get(time.stage)) for time in times)

    def notes(self) -> tuple[str, ...]:
        """Return the results of the NPU's self-tests, one line each; nothing if the NPU is not used."""
        if self._npu is None:
            return ()
        return tuple(f"NPU self-test {resident.verdict}" for resident in self._npu.residents)

    def close(self) -> None:
        """Release the NPU, which is closed once no model of the process uses it."""
        while self._closing:
            self._closing.pop()()

    def _open(self, checkpoint: Checkpoint, npu: Npu) -> None:
        mel = self._try("mel", npu, lambda: self._open_mel(checkpoint, npu))
        encoder = self._try("encoder", npu, lambda: self._open_encoder(checkpoint, npu))
        if mel is not None and encoder is not None:
            self._mel.serve(npu, mel.ahead)
        if self.settings.keep_alive_ms and npu.retired is None and npu.residents:
            self.keep_alive = KeepAlive(npu, npu.residents[0], self.settings.keep_alive_ms / 1000)
            self._closing.append(self.keep_alive.close)
        if self._mel.served or self._encoder.served or npu.retired is not None:
            return
        if self.settings.mode == "simulated":
            raise NpuUnavailable(self._reasons["mel"])
        self.close()  # other processes can use its hardware contexts
        self._npu = None

    def _try(self, name: StageName, npu: Npu, build: Callable[[], tuple[S, Choice]]) -> S | None:
        """Build a stage on the NPU; return it if it was chosen, None if the CPU runs the stage.

        A fault of the device during this retires the NPU for both stages. Raises NpuError if ``npu.mode`` is required.
        """
        try:
            stage, choice = build()
        except NpuError as error:
            if not isinstance(error, NpuUnavailable | FolderRefused):
                npu.retire(error)
            self._reasons[name] = error.reason
            if self.settings.mode == "required":
                raise
            log.info("%s runs on the CPU: %s.", name, error)
            return None
        self._reasons[name] = choice.reason
        return stage if choice.npu else None

    def _open_mel(self, checkpoint: Checkpoint, npu: Npu) -> tuple[NpuMel, Choice]:
        stage = NpuMel(npu, checkpoint.n_mels, canary_windows=self.settings.canary_windows)
        noise = [np.random.default_rng(0).uniform(-0.5, 0.5, WINDOW_SAMPLES).astype(np.float32)]
        return stage, self._choose(self._mel, stage, noise)

    def _open_encoder(self, checkpoint: Checkpoint, npu: Npu) -> tuple[NpuStage[Features], Choice]:
        stage, verdict = self._encoder_opener(npu, checkpoint.directory, self.settings)
        features = np.random.default_rng(0).uniform(-1, 1, (1, checkpoint.n_mels, MEL_FRAMES)).astype(np.float32)
        choice = self._choose(self._encoder, stage, features)
        return stage, Choice(choice.npu, f"{choice.reason}; {self.settings.precision}, {verdict}")

    def _choose(
        self, both: StageWithFallback[B, Float32] | StageWithFallback[B, Features], stage: NpuStage[B], batch: B
    ) -> Choice:
        """Measure a stage on both devices with one window and choose; a chosen NPU runs the following batches."""
        self._closing.append(stage.close)
        if self.settings.mode == "simulated":
            choice = Choice(npu=True, reason="npu.mode is simulated: no time of it is a time of an NPU")
        else:
            costs = self._timer(lambda: stage(batch)), self._timer(lambda: both.cpu(batch))
            choice = choose(*costs, self.settings.mode, self.settings.prefer)
        if choice.npu:
            both.serve(stage.npu, stage)
        else:
            self._closing.pop()()  # gives its memory on the device back
        return choice

    def _refuse(self, error: NpuError) -> None:
        """Give the NPU up and leave both stages to the CPU.

        Raises ConfigurationError if the settings require the NPU.
        """
        self.close()
        self._npu = None
        if self.settings.mode in ("required", "simulated"):
            raise refusal(self.settings.mode, error)
        self._reasons = dict.fromkeys(self._reasons, error.reason)
