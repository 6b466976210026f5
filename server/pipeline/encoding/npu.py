"""The one file of the pipeline that meets npu/: mel and encoder on the NPU with the CPU behind them, and why not.

Both stages go together: what one of them finds wrong on the NPU retires it for both, and for every model.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence, Sized
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar, cast

import numpy as np

from kernels.encoder import weights as packing
from kernels.encoder.shapes import HEAD
from kernels.mel.audio import ENCODER_FRAMES, MEL_FRAMES, WINDOW_SAMPLES, Float32
from npu.errors import FolderRefused, NpuError, NpuUnavailable
from npu.kernel_folders import Folders
from npu.probe import probe
from npu.runtime.keep_alive import Guarded, KeepAlive
from npu.runtime.npu import Npu, open_npu
from npu.runtime.resident import Resident
from npu.runtime.shared import acquire, release
from npu.stages.encoder import NpuEncoder, check_layer
from npu.stages.mel import NpuMel
from npu.stages.pending_features import Coming
from server.checkpoints.weights import encoder_weights
from server.errors import ConfigurationError
from server.pipeline.encoding.npu_choice import Choice, choose, measure
from server.pipeline.encoding.npu_weights import for_packing
from server.pipeline.stages.protocols import Encoder, Mel, Retired
from server.settings.stages import NpuSettings
from server.transcript import StageTime

if TYPE_CHECKING:
    from server.pipeline.stages.whisper import (
        Checkpoint,  # brings CTranslate2, which the process that speaks HTTP lacks
    )

log = logging.getLogger(__name__)

StageName = Literal["mel", "encoder"]
T = TypeVar("T", bound=Sized)
T_contra = TypeVar("T_contra", contravariant=True)

SIMULATED_FRAMES = 250  # of the layer that is tried at start-up on the simulated device, which takes its time
NOT_ASKED = "npu.mode is off"


class Stage(Protocol[T_contra]):
    """mel or encoder."""

    @property
    def device(self) -> str: ...
    def __call__(self, batch: T_contra, /) -> Float32: ...


class Backed(Generic[T]):
    """A stage on the NPU with the CPU's behind it. ``device`` says which the next batch will run on."""

    def __init__(self, cpu: Stage[T]) -> None:
        self.cpu = cpu
        self._npu: Guarded[T, Float32] | None = None

    def serve(self, npu: Guarded[T, Float32]) -> None:
        """From now on the NPU serves."""
        self._npu = npu

    def switch(self, stage: Callable[[T], Float32]) -> None:
        """Let the NPU serve by another call of the same stage."""
        if self._npu is not None:
            self._npu.stage = stage

    @property
    def served(self) -> bool:
        """Whether the NPU was chosen."""
        return self._npu is not None

    @property
    def device(self) -> str:
        return self._npu.npu.device if self._npu is not None and self._npu.npu.retired is None else self.cpu.device

    def __call__(self, batch: T, /) -> Float32:
        """Raises Retired where the NPU fails: nothing of the batch is to be used, and ``device`` is the CPU's now."""
        if self._npu is None:
            return self.cpu(batch)
        if self._npu.npu.retired is not None:
            if isinstance(batch, Coming):
                raise Retired(self._npu.npu.retired)
            return self.cpu(batch)
        try:
            return self._npu(batch)
        except NpuError as error:
            reason = error.reason
        raise Retired(reason)


class NpuRoom:
    """mel and encoder of one model. Raises ConfigurationError where ``npu.mode`` is required and cannot be had.

    ``retired`` says why the NPU is not to be touched: a process before this one died while it served.
    """

    def __init__(
        self, checkpoint: Checkpoint, settings: NpuSettings, mel: Mel, encoder: Encoder, retired: str | None = None
    ) -> None:
        self.settings = settings
        self._mel: Backed[Sequence[Float32]] = Backed(mel)
        self._encoder: Backed[Float32] = Backed(encoder)
        why = NOT_ASKED if retired is None else f"it was retired: {retired}"
        self._why: dict[StageName, str] = dict.fromkeys(("mel", "encoder"), why)
        self._npu: Npu | None = None
        self._released = False
        self._npu_mel: NpuMel | None = None
        self._closing: list[Callable[[], None]] = []
        if settings.mode == "off" or retired is not None:
            return
        try:
            self._npu = _acquire(settings)
            self._open(checkpoint, self._npu)
        except NpuError as error:
            self._refuse(error.reason, error.cure)
        except BaseException:
            self.close()
            raise

    @property
    def mel(self) -> Mel:
        return self._mel

    @property
    def encoder(self) -> Encoder:
        return self._encoder

    def reason(self, stage: StageName) -> str:
        """Why this device serves the stage now."""
        if self._npu is not None and self._npu.retired is not None:
            return f"no NPU: it was retired: {self._npu.retired}"
        served = self._mel.served if stage == "mel" else self._encoder.served
        return self._why[stage] if served or self.settings.mode == "off" else f"no NPU: {self._why[stage]}"

    def explained(self, times: Sequence[StageTime]) -> tuple[StageTime, ...]:
        """The measured stages of an answer, mel and encoder with the reason for their device."""
        reasons: dict[str, str] = {stage: self.reason(stage) for stage in self._why}
        return tuple(replace(one, reason=reasons.get(one.stage)) for one in times)

    def notes(self) -> tuple[str, ...]:
        """What the self-tests found."""
        if self._npu is None:
            return ()
        return tuple(f"NPU self-test {resident.verdict}" for resident in self._npu.residents)

    def close(self) -> None:
        """Give the NPU back; the last room of the process closes it."""
        for close in reversed(self._closing):
            close()
        self._closing.clear()
        if self._npu is not None and not self._released:
            self._released = True
            release(self._npu)

    def _open(self, checkpoint: Checkpoint, npu: Npu) -> None:
        self._try("mel", npu, lambda: self._open_mel(checkpoint, npu))
        self._try("encoder", npu, lambda: self._open_encoder(checkpoint, npu))
        if self._mel.served and self._encoder.served and self._npu_mel is not None:
            ahead = cast("Callable[[Sequence[Float32]], Float32]", self._npu_mel.ahead)  # as good as an array
            self._mel.switch(ahead)
        if self.settings.keep_alive_ms and npu.retired is None and npu.residents:
            self._closing.append(KeepAlive(npu, npu.residents[0], self.settings.keep_alive_ms / 1000).close)
        if self._mel.served or self._encoder.served or npu.retired is not None:
            return
        if self.settings.mode == "simulated":
            raise NpuUnavailable(self._why["mel"])
        self.close()  # its hardware contexts are for others
        self._npu = None

    def _try(self, stage: StageName, npu: Npu, build: Callable[[], Choice]) -> None:
        """What a stage lacks is its own affair, or everybody's where the device did wrong."""
        try:
            choice = build()
        except NpuError as error:
            if not isinstance(error, NpuUnavailable | FolderRefused):
                npu.retire(error)
            self._why[stage] = error.reason
            if self.settings.mode == "required":
                raise
            log.info("%s runs on the CPU: %s.", stage, error)
        else:
            self._why[stage] = choice.reason

    def _open_mel(self, checkpoint: Checkpoint, npu: Npu) -> Choice:
        stage = NpuMel(npu, checkpoint.n_mels)
        self._npu_mel = stage
        self._closing.append(stage.close)
        noise = [np.random.default_rng(0).uniform(-0.5, 0.5, WINDOW_SAMPLES).astype(np.float32)]
        return self._choose(self._mel, self._guarded(npu, stage, [stage.resident]), noise)

    def _open_encoder(self, checkpoint: Checkpoint, npu: Npu) -> Choice:
        weights, int8 = encoder_of(checkpoint.directory), self.settings.precision == "int8"
        stage = NpuEncoder(npu, weights, int8=int8)
        self._closing.append(stage.close)
        simulated = self.settings.mode == "simulated"
        verdict = check_layer(npu, weights, int8=int8, frames=SIMULATED_FRAMES if simulated else ENCODER_FRAMES)
        features = np.random.default_rng(0).uniform(-1, 1, (1, checkpoint.n_mels, MEL_FRAMES)).astype(np.float32)
        guarded: Guarded[Float32, Float32] = self._guarded(npu, stage, list(stage.residents.values()))
        choice = self._choose(self._encoder, guarded, features)
        return Choice(choice.npu, f"{choice.reason}; {self.settings.precision}, {verdict}")

    def _guarded(self, npu: Npu, stage: Callable[[T], Float32], residents: Sequence[Resident]) -> Guarded[T, Float32]:
        return Guarded(npu, stage, residents, self.settings.canary_windows)

    def _choose(self, stage: Backed[T], npu: Guarded[T, Float32], batch: T) -> Choice:
        if self.settings.mode == "simulated":
            choice = Choice(npu=True, reason="npu.mode is simulated: no time of it is a time of an NPU")
        else:
            costs = measure(lambda: npu(batch)), measure(lambda: stage.cpu(batch))
            choice = choose(*costs, self.settings.mode, self.settings.prefer)
        if choice.npu:
            stage.serve(npu)
        else:
            self._closing.pop()()  # its memory on the device
        return choice

    def _refuse(self, reason: str, cure: str | None) -> None:
        """The NPU cannot serve at all."""
        self.close()
        self._npu = None
        if self.settings.mode in ("required", "simulated"):
            raise _refusal(self.settings.mode, reason, cure)
        self._why = dict.fromkeys(self._why, reason)


def require_npu(settings: NpuSettings) -> None:
    """Look, without opening anything, whether what npu.mode requires is there. Raises ConfigurationError."""
    if settings.mode != "required":
        return
    try:
        problems = probe(settings.device).problems
        if problems:
            raise NpuUnavailable(problems[0].what, problems[0].cure)
        kernel_folders(settings).encoder(int8=settings.precision == "int8")
    except NpuError as error:
        raise _refusal(settings.mode, error.reason, error.cure) from None


def _refusal(mode: str, reason: str, cure: str | None) -> ConfigurationError:
    advice = "set npu.mode to auto to serve on the CPU."
    return ConfigurationError(
        f"npu.mode is {mode}, but the NPU cannot serve: {reason}.",
        param="npu.mode",
        cure=f"{cure[0].upper()}{cure[1:]}, or {advice}" if cure else advice.capitalize(),
    )


def kernel_folders(settings: NpuSettings) -> Folders:
    """Where the kernel folders lie that these settings ask for."""
    return Folders(settings.kernels, "host" if settings.mode == "simulated" else "npu1")


def _acquire(settings: NpuSettings) -> Npu:
    """The NPU of this process, which all models share."""
    key = settings.mode == "simulated", settings.device, settings.kernels
    return acquire(key, lambda: _open_npu(settings))


def _open_npu(settings: NpuSettings) -> Npu:
    return open_npu(kernel_folders(settings), simulated=settings.mode == "simulated", node=settings.device)


def encoder_of(directory: Path) -> packing.Encoder:
    """The encoder of a CTranslate2 checkpoint, float32, as the kernels' packing wants it.

    Raises NpuUnavailable for heads that the kernels do not serve, ModelUnavailable for a file that is no encoder.
    """
    stored = encoder_weights(directory / "model.bin")
    if stored.heads * HEAD != stored.d_model:
        raise NpuUnavailable(f"the kernels serve heads of {HEAD} dimensions, not of {stored.d_model // stored.heads}")
    return for_packing(stored)
