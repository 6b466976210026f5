"""The settings of the stages and of the models that they load."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import AfterValidator, Field

from server.languages import language_code
from server.settings.group import Fraction, Group, Positive
from server.transcript import AlignMethod

DEMO_MODEL = "demo"


class ModelSettings(Group):
    """The Whisper checkpoint that serves, and the place of installed checkpoints."""

    name: str = Field(
        "base",
        description="Default model: a Whisper name (tiny ... large-v3, turbo, distil-large-v3), a Hugging Face id, a "
        "local directory, or demo.",
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
        description="Directory of pulled models.",
        examples=["~/.cache/whisperx-npu/models"],
    )
    offline: bool = Field(
        False, description="Never use the network, not even to pull a model from the hub or the package registry."
    )
    missing: Literal["refuse", "pull", "pull_or_demo"] = Field(
        "pull_or_demo",
        description="Action of `serve` and `transcribe` when the default model is not installed. refuse: fail. pull: "
        "download the model, while the server listens already, and use it. pull_or_demo: the same, but where no source "
        "answers, use the demo model, with a warning, until the default model can be had.",
    )
    compute_type: Literal["auto", "int8", "int8_float32", "float32", "int16"] = Field(
        "auto",
        description="Arithmetic of CTranslate2: of the decoder, and of the encoder if it is ctranslate2. auto keeps "
        "int8 if the checkpoint has it and converts to int8 otherwise.",
    )
    threads: int = Field(0, ge=0, description="CPU threads of one stage; 0 means all cores that this process may use.")
    encoder: Literal["auto", "ctranslate2", "openvino"] = Field(
        "auto",
        description="Encoder on the CPU. auto takes openvino, which computes in float32, and ctranslate2 where "
        "openvino cannot be had; if model.compute_type is float32, it takes the faster of the two.",
    )


class NpuSettings(Group):
    """The NPU, and the choice between it and the CPU."""

    mode: Literal["auto", "required", "off", "simulated"] = Field(
        "auto",
        description="auto: use the NPU for the stages that pass its self-test and gain by it. required: do not start "
        "without the NPU. off: use the CPU. simulated: run the kernels on a simulated NPU, correct and very slow.",
    )
    device: Path = Field(Path("/dev/accel/accel0"), description="Device node of the NPU driver.")
    prefer: Literal["latency", "cpu_free"] = Field(
        "latency",
        description="With `npu.mode: auto`, latency picks the faster device, and cpu_free the one that uses less of "
        "the CPU.",
    )
    kernels: Path | None = Field(
        None,
        description="Directory of kernel folders (`whisperx-npu kernels build --output-dir`). null means "
        "whisperx-npu/kernels in the user's data directory, then in the system's.",
    )
    precision: Literal["bf16", "int8"] = Field(
        "bf16", description="Arithmetic of the matrix products in the encoder's layers on the NPU."
    )
    canary_windows: Positive = Field(
        100,
        description="Windows after which the NPU repeats its self-test while it serves. The test is also repeated "
        "after a minute without requests.",
    )
    keep_alive_ms: int = Field(
        0,
        ge=0,
        description="Idle milliseconds after which a small launch runs so that the NPU does not power down; 0 disables "
        "it.",
    )


class VadSettings(Group):
    """Voice activity detection, by which a recording is cut into windows."""

    method: Literal["silero", "pyannote"] = Field("silero", description="Speech detector; pyannote is slower.")
    threshold: Fraction = Field(0.5, description="Speech probability above which speech starts.")
    min_speech_ms: int = Field(100, ge=0, description="Shortest speech that is kept, in milliseconds.")
    min_silence_ms: int = Field(
        300, ge=0, description="Shortest silence that ends a stretch of speech, in milliseconds."
    )
    pad_ms: int = Field(200, ge=0, description="Audio that is kept on each side of speech, in milliseconds.")


class DecodeSettings(Group):
    """The decoder's search and its guard against hallucination (thresholds as in openai/whisper's transcribe.py)."""

    languages: tuple[Annotated[str, AfterValidator(language_code)], ...] = Field(
        (),
        description="Languages among which that of a recording is detected, as ISO 639-1 codes or English names; empty "
        "means all of the model's. A request that names languages of its own is not limited by it.",
    )
    language_changes: Literal["auto", "window", "file"] = Field(
        "auto",
        description="Recordings with several languages, where the request names none. auto: the first window's "
        "language holds where no other is clearly heard; a window with two languages is cut between them and decoded "
        "again. window: the same, but each window begins with its own likeliest language. file: the first window's "
        "language holds for all.",
    )
    recheck: bool = Field(
        True,
        description="Cut a window in two and decode it again where 2 s of speech or more have no text. What stays "
        "without text is named in the warnings of the answer, also if this is false.",
    )
    beam_size: Positive = Field(5, description="Beams of the search; 1 is greedy and the fastest.")
    best_of: Positive = Field(
        5,
        description="Likeliest texts of a window from which one is drawn, where a request asks for a temperature above "
        "0. The same audio and temperature always give the same text.",
    )
    patience: float = Field(1.0, gt=0, description="Patience of the beam search.")
    length_penalty: float = Field(1.0, description="Exponent of the length in the scores of beams.")
    temperatures: tuple[Fraction, ...] = Field(
        (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
        min_length=1,
        description="Temperatures that are tried in turn until the text of a window passes the checks of "
        "decode.compression_ratio_threshold, decode.log_prob_threshold and decode.max_repeats. Nothing is drawn by "
        "chance: from the second on, a temperature is the strength of a penalty on repetitions.",
    )
    compression_ratio_threshold: float | None = Field(
        2.4,
        description="Compression ratio by zlib above which a text counts as repetitive and the next temperature is "
        "tried. null disables it.",
    )
    log_prob_threshold: float | None = Field(
        -1.0,
        description="Average log probability below which the next temperature is tried. null disables it.",
    )
    no_speech_threshold: float | None = Field(
        0.6,
        description="No-speech probability above which a window counts as silence, if its average log probability is "
        "below decode.log_prob_threshold, too. null disables it.",
    )
    max_repeats: Positive = Field(
        8,
        description="Most times in a row that a phrase of up to 10 words may occur; further repetitions are cut.",
    )
    batch_size: Positive = Field(8, description="Most windows that are decoded together.")
    max_new_tokens: int | None = Field(
        None,
        gt=0,
        le=224,
        description="Longest text of one window, in tokens. null means the limit of the model.",
    )


class AlignSettings(Group):
    """Word times."""

    method: AlignMethod = Field(
        "auto",
        description="auto: the CTC head of the model (base, tiny.en and the demo have one, for English), else a "
        "wav2vec2 model of align.models, else the attention of the decoder. whisperx: always wav2vec2. "
        "attention, ctc: always that one. off: no word times.",
    )
    models: dict[str, str] = Field(
        default_factory=dict,
        description="wav2vec2 models by language code, each a local directory or a Hugging Face id.",
    )


class DiarizeSettings(Group):
    """Speaker labels."""

    model: str | None = Field(
        None,
        description="pyannote pipeline, a local directory or a Hugging Face id. null means no diarization.",
    )
    hf_token_file: Path | None = Field(None, description="File with a Hugging Face token, for gated pipelines.")


@dataclass(frozen=True, slots=True)
class StageSettings:
    """The groups of settings that the stages use, as a worker process gets them."""

    model: ModelSettings = field(default_factory=ModelSettings)
    vad: VadSettings = field(default_factory=VadSettings)
    decode: DecodeSettings = field(default_factory=DecodeSettings)
    align: AlignSettings = field(default_factory=AlignSettings)
    diarize: DiarizeSettings = field(default_factory=DiarizeSettings)
    npu: NpuSettings = field(default_factory=NpuSettings)
