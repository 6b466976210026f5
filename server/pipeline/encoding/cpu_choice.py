"""The choice of the CPU encoder, by measurement on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from statistics import median
from time import perf_counter
from typing import Literal, cast

import numpy as np

from kernels.mel.audio import MEL_FRAMES, Float32
from server.checkpoints.weights import encoder_weights
from server.errors import ModelUnavailable
from server.machine.cpu import cpu_flags, has_bf16_matrix, has_int8_dot
from server.machine.optional_packages import require_extra
from server.pipeline.encoding.ct2_encoder import Ct2Encoder
from server.pipeline.encoding.torch_encoder import Precision
from server.pipeline.stages.protocols import Encoder
from server.pipeline.stages.whisper import Checkpoint
from server.settings.stages import ModelSettings

EncoderName = Literal["ctranslate2", "onnxruntime", "torch"]

REPEATS = 3
ENOUGH_MS = 2000.0


def choose_encoder(candidates: Mapping[str, Encoder], n_mels: int, repeats: int = REPEATS) -> tuple[Encoder, str]:
    """The fastest of the named candidates on one window of full size, and every timing as the reason.

    A single candidate is not timed: there is nothing to choose.
    """
    if len(candidates) == 1:
        [(name, encoder)] = candidates.items()
        return encoder, name
    times = {name: window_ms(encoder, n_mels, repeats) for name, encoder in candidates.items()}
    fastest = min(times, key=times.__getitem__)
    measured = ", ".join(f"{name} {ms:.0f} ms" for name, ms in times.items())
    return candidates[fastest], f"{fastest}: {measured} per window, median at start-up"


def window_ms(encoder: Encoder, n_mels: int, repeats: int = REPEATS) -> float:
    """Median wall time of one window, in ms, after one run to warm up. The time does not depend on what is heard.

    An encoder so slow that warming up hardly counts is run once, or less often than ``repeats``: no run starts after
    ENOUGH_MS of timing.
    """
    mel = np.random.default_rng(0).uniform(-1, 1, (1, n_mels, MEL_FRAMES)).astype(np.float32)
    warm_up = _ms(encoder, mel)
    if warm_up >= ENOUGH_MS:
        return warm_up
    times: list[float] = []
    while not times or (len(times) < repeats and sum(times) < ENOUGH_MS):
        times.append(_ms(encoder, mel))
    return median(times)


def _ms(encoder: Encoder, mel: Float32) -> float:
    start = perf_counter()
    encoder(mel)
    return (perf_counter() - start) * 1e3


def cpu_encoder(
    checkpoint: Checkpoint, settings: ModelSettings, flags: frozenset[str] | None = None
) -> tuple[Encoder, str]:
    """The CPU encoder that ``settings`` ask for, and why it is the one.

    auto times those that could be fastest on this processor, whose ``flags`` are read unless given, within the
    arithmetic that model.compute_type allows. torch is imported only where it is one of them, or asked for by name.
    """
    flags = cpu_flags() if flags is None else flags
    encoders: dict[str, Encoder] = {}
    refused = ""
    for name, build in _candidates(checkpoint, settings, flags).items():
        try:
            encoders[name] = build()
        except ModelUnavailable as error:
            if settings.encoder != "auto":
                raise
            refused += f"; {name} cannot: {error.message.rstrip('.')}"
    encoder, reason = choose_encoder(encoders, checkpoint.n_mels)
    return encoder, f"{reason}{refused}" if settings.encoder == "auto" else f"{reason}, as configured"


def implementation(reason: str) -> EncoderName:
    """The name under which ``model.encoder`` asks for the encoder that was chosen for ``reason``."""
    return cast("EncoderName", reason.split(" ", 1)[0])


def _candidates(
    checkpoint: Checkpoint, settings: ModelSettings, flags: frozenset[str]
) -> dict[str, Callable[[], Encoder]]:
    bf16 = has_bf16_matrix(flags)
    precision: Precision = "bfloat16" if bf16 else "float32"
    every: dict[str, tuple[str, Callable[[], Encoder], bool]] = {
        "ctranslate2": (checkpoint.compute_type, partial(Ct2Encoder, checkpoint), True),
        "onnxruntime": ("int8", partial(_onnx, checkpoint), has_int8_dot(flags) and checkpoint.compute_type == "int8"),
        "torch": (precision, partial(_torch, checkpoint, precision), bf16 and settings.compute_type == "auto"),
    }
    return {
        f"{name} {arithmetic}": build
        for name, (arithmetic, build, promising) in every.items()
        if (promising if settings.encoder == "auto" else name == settings.encoder)
    }


def _onnx(checkpoint: Checkpoint) -> Encoder:
    from server.pipeline.encoding.onnx_encoder import OnnxEncoder

    return OnnxEncoder(encoder_weights(checkpoint.directory / "model.bin"), checkpoint.threads)


def _torch(checkpoint: Checkpoint, precision: Precision) -> Encoder:
    from server.pipeline.encoding.torch_encoder import TorchEncoder

    require_extra("The encoder torch", param="model.encoder")
    return TorchEncoder(encoder_weights(checkpoint.directory / "model.bin"), precision, checkpoint.threads)
