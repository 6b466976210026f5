"""WhisperX's own stages, without mocks and without a network: models with random weights in the true formats."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from kernels.mel.audio import SAMPLE_RATE
from server.errors import ModelUnavailable
from server.pipeline.alone import transcribe
from server.pipeline.encoding.cpu_mel import CpuMel
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.stages.decode import AudioStream
from server.pipeline.stages.protocols import Spoken
from server.pipeline.stages.text import TokenWord
from server.pipeline.window import Window
from server.pipeline.windows.reader import WindowReader
from server.settings.stages import (
    AlignSettings,
    DecodeSettings,
    DiarizeSettings,
    ModelSettings,
    StageSettings,
    VadSettings,
)
from server.transcript import DiarizeOptions, Finished, Options, Segment, Transcript, Word
from tests.audio_files import joined, tone, write
from tests.speech_models import build_diarization, build_wav2vec2

pytestmark = pytest.mark.filterwarnings("default")  # torch, transformers and pyannote warn about themselves


@pytest.fixture(scope="module")
def wav2vec2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wav2vec2(tmp_path_factory.mktemp("align") / "wav2vec2")


@pytest.fixture(scope="module")
def diarization(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_diarization(tmp_path_factory.mktemp("diarize") / "community-1")


def spoken(text: str, seconds: float = 4.0) -> Spoken:
    words = [TokenWord(f" {word}", ()) for word in text.split()]
    return Spoken(Window(0, 0.0, tone(seconds)), np.zeros((1500, 4), np.float32), words)


def test_wav2vec2_gives_every_word_a_place(wav2vec2: Path, no_network: None, tmp_path: Path) -> None:
    from server.pipeline.stages.whisperx_stages import Wav2Vec2Aligner

    align = Wav2Vec2Aligner("en", str(wav2vec2), cache_dir=tmp_path, offline=True)
    first, second = align([spoken("Hello there. It's well-known, 42 $."), spoken("")])
    assert second == []
    assert len(first) == 6
    clock = 0.0
    for times in first:
        if times is None:
            continue
        assert clock <= times[0] < times[1] <= 4.0
        clock = times[0]
    assert sum(times is not None for times in first) >= 4


def test_offline_the_default_model_is_refused_at_once(no_network: None, tmp_path: Path) -> None:
    from server.pipeline.stages.whisperx_stages import Wav2Vec2Aligner

    for language in ("en", "nl", "xx"):
        with pytest.raises(ModelUnavailable) as caught:
            Wav2Vec2Aligner(language, None, cache_dir=tmp_path, offline=True)
        assert f"align.models.{language}" in str(caught.value)


def test_pyannote_finds_the_same_speech_as_silero(shared_audio: Path, no_network: None) -> None:
    from server.pipeline.stages.vad import SileroDetector
    from server.pipeline.stages.whisperx_stages import PyannoteDetector

    samples = joined(AudioStream(shared_audio / "en" / "openai_whisper__jfk.flac"))
    covered = []
    for detector in (PyannoteDetector(VadSettings(method="pyannote")), SileroDetector(VadSettings(pad_ms=0))):
        speech = np.zeros(len(samples), bool)
        for start, end in [*detector.feed(samples), *detector.flush()]:
            assert 0 <= start < end <= len(samples)
            speech[start:end] = True
        covered.append(speech)
    assert (covered[0] == covered[1]).mean() > 0.85


def test_pyannote_works_in_stretches(shared_audio: Path) -> None:
    from server.pipeline.stages.whisperx_stages import PyannoteDetector

    samples = joined(AudioStream(shared_audio / "vad" / "readbeyond_aeneas__nsn.wav"))
    detector = PyannoteDetector(VadSettings(method="pyannote"))
    detector.stretch = 8 * SAMPLE_RATE
    twice = np.concatenate([samples, np.zeros(8 * SAMPLE_RATE - len(samples), np.float32), samples])
    found = [*detector.feed(twice[: 8 * SAMPLE_RATE]), *detector.feed(twice[8 * SAMPLE_RATE :]), *detector.flush()]
    assert len(found) == 2
    assert found[1][0] - found[0][0] == pytest.approx(8 * SAMPLE_RATE, abs=1600)


def transcript(tiny: Path, speech: Path, options: Options, **groups: object) -> Transcript:
    decode = DecodeSettings(max_new_tokens=12, temperatures=(0.0,), no_speech_threshold=None, log_prob_threshold=None)
    settings = StageSettings(model=ModelSettings(offline=True), decode=decode, **groups)  # type: ignore[arg-type]
    *_, last = transcribe(LoadedModel("tiny", tiny, settings), speech, options)
    assert isinstance(last, Finished)
    return last.transcript


def test_speakers(
    tiny_multilingual: Path, diarization: Path, shared_audio: Path, no_network: None, tmp_path: Path
) -> None:
    samples = joined(AudioStream(shared_audio / "derived" / "three_speakers.flac"))
    result = transcript(
        tiny_multilingual,
        write(tmp_path / "a.wav", samples[: 6 * SAMPLE_RATE]),
        Options(language="en", diarize=DiarizeOptions(min_speakers=2, max_speakers=3)),
        diarize=DiarizeSettings(model=str(diarization)),
    )
    assert result.segments
    assert "diarize" in {stage.stage for stage in result.stages}
    assert set(result.speakers) <= {"SPEAKER_00", "SPEAKER_01", "SPEAKER_02"}
    for segment in result.segments:
        assert segment.speaker in result.speakers
        assert all(word.speaker for word in segment.words)


def test_everybody_gets_the_speaker_of_the_time(diarization: Path, shared_audio: Path, no_network: None) -> None:
    from server.pipeline.stages.whisperx_stages import Diarizer

    samples = joined(AudioStream(shared_audio / "derived" / "three_speakers.flac"))[: 6 * SAMPLE_RATE]
    words = [Word(str(n), n / 2, n / 2 + 0.4) for n in range(12)]
    segments = [
        Segment(n, n * 1.0, n + 0.9, " x", (), -0.1, 1.0, 0.0, 0.0, 0, tuple(words[2 * n : 2 * n + 2]))
        for n in range(6)
    ]
    labelled = Diarizer(DiarizeSettings(model=str(diarization))).label(
        segments, samples, DiarizeOptions(min_speakers=2, max_speakers=2)
    )
    assert {segment.speaker for segment in labelled} == {"SPEAKER_00", "SPEAKER_01"}
    assert [(s.id, s.start, s.end, s.text) for s in labelled] == [(s.id, s.start, s.end, s.text) for s in segments]
    assert all(word.speaker is not None for segment in labelled for word in segment.words)


def test_a_diarization_model_that_is_not_there(tmp_path: Path, no_network: None) -> None:
    from server.pipeline.stages.whisperx_stages import Diarizer

    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelUnavailable, match=r"hf_token_file"):
        Diarizer(DiarizeSettings(model=str(tmp_path / "empty"))).label([], tone(1.0), DiarizeOptions())


def test_wav2vec2_through_a_session(tiny_english: Path, wav2vec2: Path, shared_audio: Path, no_network: None) -> None:
    speech = shared_audio / "en" / "openai_whisper__jfk.flac"
    align = AlignSettings(method="whisperx", models={"en": str(wav2vec2)})
    result = transcript(tiny_english, speech, Options(), align=align)
    assert result.words
    assert all(word.start < word.end <= result.duration for word in result.words)


def test_nobody_is_told_about_it(wav2vec2: Path) -> None:
    """A fresh process opens no socket, although pyannote.audio 4 sends telemetry unless it is switched off."""
    script = (
        "import socket, sys\n"
        "def refuse(*a, **k): sys.exit(f'reached for the network: {a}')\n"
        "socket.getaddrinfo = refuse; socket.socket.connect = refuse\n"
        "from server.settings.stages import VadSettings\n"
        "from server.pipeline.stages.whisperx_stages import PyannoteDetector\n"
        "import numpy as np\n"
        "d = PyannoteDetector(VadSettings(method='pyannote')); d.feed(np.zeros(32000, np.float32)); d.flush()\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYANNOTE_METRICS_ENABLED"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_serving_without_these_parts_imports_no_torch(tiny_english: Path, shared_audio: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from server.pipeline.alone import transcribe\n"
        "from server.pipeline.loaded_model import LoadedModel, StageSettings\n"
        "from server.settings.stages import ModelSettings\nfrom server.transcript import Options\n"
        f"model = LoadedModel('t', Path({str(tiny_english)!r}), StageSettings(ModelSettings(encoder='ctranslate2')))\n"
        f"list(transcribe(model, Path({str(shared_audio / 'en' / 'openai_whisper__jfk.flac')!r}), Options()))\n"
        "heavy = {'torch', 'transformers', 'whisperx', 'pyannote'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def whisperx_texts(model: Path, windows: list[Window], beams: int) -> list[str]:
    """Return the texts of the windows by WhisperX's own model class.

    The class is given this project's spectrogram, which differs from its own by 1e-5: on speech that the demo model
    does not know, that difference decides between words.
    """
    import torch
    from faster_whisper.tokenizer import Tokenizer
    from faster_whisper.transcribe import TranscriptionOptions
    from whisperx.asr import WhisperModel

    whisper = WhisperModel(str(model), device="cpu", compute_type="int8", local_files_only=True)
    names = dict.fromkeys(TranscriptionOptions.__dataclass_fields__)
    asked = {
        "beam_size": beams,
        "patience": 1,
        "length_penalty": 1,
        "suppress_blank": True,
        "suppress_tokens": [-1],
        "without_timestamps": True,
        "no_repeat_ngram_size": 0,
        "repetition_penalty": 1,
    }
    options = TranscriptionOptions(**(names | asked))
    tokenizer = Tokenizer(whisper.hf_tokenizer, whisper.model.is_multilingual, task="transcribe", language="en")
    texts = []
    for window in windows:
        mel = torch.from_numpy(CpuMel(80)([window.samples]))
        texts += whisper.generate_segment_batched(mel, tokenizer, options)["text"]
    return texts


@pytest.mark.parametrize("beams", [1, 5])
def test_the_text_is_whisperxs_own(
    request: pytest.FixtureRequest, shared_audio: Path, no_network: None, beams: int
) -> None:
    from server.pipeline.stages.vad import SileroDetector

    model: Path = request.getfixturevalue("demo_model")
    source = shared_audio / "derived" / "three_speakers.flac"
    reader = WindowReader(AudioStream(source), SileroDetector(VadSettings()))
    windows = list(chain.from_iterable(iter(reader.read, None)))
    same = ModelSettings(encoder="ctranslate2")  # and window by window, as WhisperX's side below
    decode = DecodeSettings(
        beam_size=beams, temperatures=(0.0,), no_speech_threshold=None, max_repeats=500, batch_size=1, recheck=False
    )
    loaded = LoadedModel("demo", model, StageSettings(model=same, decode=decode))
    *_, last = transcribe(loaded, source, Options(align="off", language="en"))
    assert isinstance(last, Finished)
    assert [segment.text for segment in last.transcript.segments] == whisperx_texts(model, windows, beams)
