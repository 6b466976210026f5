"""The settings that the stages take; server.settings puts them together with the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field

from server.transcript import AlignMethod

DEMO_MODEL = "demo"

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class Group(BaseModel):
    """A frozen group of settings; a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelSettings(Group):
    """Which Whisper checkpoint serves, and where checkpoints live."""

    name: str = Field(
        DEMO_MODEL,
        description="Default model: demo, a Whisper name (tiny ... large-v3, turbo, distil-large-v3), "
        "a Hugging Face id, or a local directory.",
    )
    aliases: tuple[str, ...] = Field(
        (
            "whisper-1",
            "gpt-4o-transcribe",
            "gpt-4o-mini-transcribe",
            "gpt-4o-transcribe-diarize",
            "gpt-transcribe",
        ),
        description="Names that mean the default model, so that OpenAI clients work unchanged.",
    )
    cache_dir: Path = Field(
        Path(platformdirs.user_cache_dir("whisperx-npu")) / "models",
        description="Where pulled models are kept.",
    )
    offline: bool = Field(False, description="Never reach for the network, not even to pull a model.")
    missing: Literal["refuse", "pull", "pull_or_demo"] = Field(
        "refuse",
        description="What serve does when the default model is not installed. refuse: stop the start; pull: listen, "
        "and serve it once it is pulled; pull_or_demo: the same, but the demo model where the hub cannot be reached.",
    )
    compute_type: Literal["auto", "int8", "int8_float32", "float32", "int16"] = Field(
        "auto",
        description="CTranslate2 arithmetic; auto keeps int8 where the checkpoint has it, else picks int8.",
    )
    threads: int = Field(0, ge=0, description="CPU threads of one stage; 0 means all cores this process may use.")
    encoder: Literal["auto", "ctranslate2", "onnxruntime", "torch"] = Field(
        "auto", description="CPU encoder; auto times those that could be fastest on this processor at start-up."
    )


class NpuSettings(Group):
    """The NPU."""

    mode: Literal["auto", "required", "off", "simulated"] = Field(
        "auto",
        description="auto: NPU where it is right and pays; required: refuse to start without it; off: CPU; simulated: "
        "the kernels on a simulated NPU, right and very slow.",
    )
    device: Path = Field(Path("/dev/accel/accel0"), description="Device node of the NPU driver.")
    prefer: Literal["latency", "cpu_free"] = Field(
        "latency",
        description="What pays, with npu.mode auto: the faster device, or the one that leaves more of the CPU free.",
    )
    kernels: Path | None = Field(
        None,
        description="Directory of kernel folders (`kernels build --output-dir`); empty: whisperx-npu/kernels in the "
        "user's data directory, then in the system's.",
    )
    precision: Literal["bf16", "int8"] = Field("bf16", description="Products of the encoder's layers on the NPU.")
    canary_windows: Positive = Field(
        100, description="Windows after which the NPU repeats its self-test while it serves; also after a minute idle."
    )
    keep_alive_ms: int = Field(
        0, ge=0, description="Idle milliseconds after which the NPU is kept from dozing off; 0 lets it."
    )


class VadSettings(Group):
    """Voice activity detection and the cutting into windows."""

    method: Literal["silero", "pyannote"] = Field("silero", description="Detector; pyannote is slower.")
    threshold: Fraction = Field(0.5, description="Speech probability above which speech starts.")
    min_speech_ms: int = Field(100, ge=0, description="Shorter speech is dropped.")
    min_silence_ms: int = Field(300, ge=0, description="Silence that ends a stretch of speech.")
    pad_ms: int = Field(200, ge=0, description="Audio kept on each side of speech.")


class DecodeSettings(Group):
    """Decoder search and the guard against hallucination (thresholds as in openai/whisper's transcribe.py)."""

    beam_size: Positive = Field(5, description="Beams at temperature 0; 1 is greedy and fastest.")
    best_of: Positive = Field(5, description="Samples drawn at a temperature above 0.")
    patience: float = Field(1.0, gt=0, description="Beam search patience.")
    length_penalty: float = Field(1.0, description="Exponent of the length in beam scores.")
    temperatures: tuple[Fraction, ...] = Field(
        (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
        min_length=1,
        description="Ladder: the next one is tried when a window fails the thresholds below.",
    )
    compression_ratio_threshold: float | None = Field(
        2.4, description="Text that gzip shrinks more than this repeats itself: try again."
    )
    log_prob_threshold: float | None = Field(-1.0, description="Average log probability below this: try again.")
    no_speech_threshold: float | None = Field(
        0.6, description="Above this, and below log_prob_threshold: the window is silence."
    )
    max_repeats: Positive = Field(
        8, description="A phrase of up to 10 words repeated more often in a row than this is cut."
    )
    batch_size: Positive = Field(8, description="Windows decoded together.")
    max_new_tokens: int | None = Field(
        None,
        gt=0,
        le=224,
        description="Longest text of one window, in tokens; empty for the model's own limit.",
    )


class AlignSettings(Group):
    """Word times."""

    method: AlignMethod = Field(
        "auto",
        description="auto: the model's CTC head, else a wav2vec2 model listed in models, else decoder attention. "
        "whisperx: wav2vec2 always. off: no word times.",
    )
    models: dict[str, str] = Field(
        default_factory=dict,
        description="wav2vec2 models by language code: a local directory or a Hugging Face id.",
    )


class DiarizeSettings(Group):
    """Speaker labels."""

    model: str | None = Field(
        None, description="pyannote pipeline: a local directory or a Hugging Face id; empty: no diarization."
    )
    hf_token_file: Path | None = Field(None, description="File with a Hugging Face token, for gated pipelines.")


@dataclass(frozen=True, slots=True)
class StageSettings:
    """The groups of settings that the stages take."""

    model: ModelSettings = field(default_factory=ModelSettings)
    vad: VadSettings = field(default_factory=VadSettings)
    decode: DecodeSettings = field(default_factory=DecodeSettings)
    align: AlignSettings = field(default_factory=AlignSettings)
    diarize: DiarizeSettings = field(default_factory=DiarizeSettings)
    npu: NpuSettings = field(default_factory=NpuSettings)
