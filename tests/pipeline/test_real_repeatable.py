"""base gives the same text for the same words: twice, beside other requests, at a low level, and with a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from bench.accuracy.clips import clips
from bench.accuracy.scoring import word_errors
from kernels.mel.audio import SAMPLE_RATE
from server.engine.messages import Done, Failed, Submit
from server.engine.worker.pace import Pace
from server.engine.worker.scheduler import Scheduler
from server.pipeline import alone
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.stages.decode import AudioStream
from server.transcript import Finished, Options, Transcript
from tests.audio_files import joined, write
from tests.pipeline.stages.test_vad import at_level

GLOSSARY = "The assistant is called Jarvix. Glossary: Kubernetes, Grafana."
JFK = "en/openai_whisper__jfk.flac"
AFTER = "librispeech/yuekaizhang_Triton-ASR-Client__1089-134686-0001.wav"
SPOKEN = {
    JFK: "And so my fellow Americans, ask not what your country can do for you, ask what you can do for your country.",
    AFTER: "After early nightfall the yellow lamps would light up here and there the squalid quarter of the brothels",
}


def transcribe(model: LoadedModel, path: Path, **options: object) -> Transcript:
    *_, last = alone.transcribe(model, path, Options(align="off", **options))  # type: ignore[arg-type]
    assert isinstance(last, Finished)
    return last.transcript


def together(model: LoadedModel, paths: Sequence[Path], options: Options) -> list[str]:
    """Return the texts of recordings that a worker transcribes at the same time, in batches of up to 8 windows."""
    texts: dict[int, str] = {}
    ended = Event()

    def receive(message: object) -> None:
        if isinstance(message, Done):
            texts[message.request] = message.transcript.text
        if isinstance(message, Failed) or len(texts) == len(paths):
            ended.set()

    scheduler = Scheduler(model, Pace(largest=8, beam_size=5), receive, max_seconds=600)
    for number, path in enumerate(paths):  # before the threads start: the first batches are full
        scheduler.submit(Submit(number, path, options))
    scheduler.start()
    assert ended.wait(300)
    return [texts[number] for number in range(len(paths))]


@pytest.mark.parametrize("temperature", [None, 0.8])
def test_the_same_file_gives_the_same_text_alone_and_beside_others(
    base: LoadedModel, shared_audio: Path, tmp_path: Path, temperature: float | None
) -> None:
    hiss = np.random.default_rng(5).standard_normal(20 * SAMPLE_RATE)
    clip = joined(AudioStream(shared_audio / "nathalie_nl/nl_rhasspy_1034.flac"))
    noisy = (clip + 0.7 * np.sqrt(np.square(clip).mean()) * hiss[: len(clip)]).astype(np.float32)
    hard = write(tmp_path / "hard.wav", noisy)
    names = (JFK, "lang/leopard_test_de.wav", "short/cmusphinx_pocketsphinx__003.wav")
    paths = [hard, *(shared_audio / name for name in names)]
    once = [transcribe(base, path, temperature=temperature) for path in paths]
    if temperature is None:
        assert once[0].segments[0].avg_logprob < -1.0, "no temperature passes the checks"
    heard = [transcript.text for transcript in once]
    assert all(heard)
    assert transcribe(base, hard, temperature=temperature).text == heard[0]
    assert together(base, paths, Options(align="off", temperature=temperature)) == heard


@pytest.mark.parametrize("name", [JFK, AFTER])
def test_quiet_speech_has_the_words_of_loud_speech(
    base: LoadedModel, shared_audio: Path, tmp_path: Path, name: str
) -> None:
    samples = joined(AudioStream(shared_audio / name))
    for level in (-50, -60):
        path = write(tmp_path / f"{-level}.wav", at_level(samples, level))
        assert word_errors(SPOKEN[name], transcribe(base, path).text, "en").wrong <= 1, level


@pytest.mark.parametrize(
    "options",
    [
        {"prompt": GLOSSARY},
        {"prompt": f"{GLOSSARY} {GLOSSARY}"},
        {"prompt": "Kubernetes, Grafana, Prometheus, Terraform"},
        {"hotwords": "Kubernetes Grafana Prometheus"},
        {"prompt": "Yes. No. Maybe."},
        {"prompt": "Hello, welcome to my lecture."},
    ],
)
def test_a_short_answer_is_not_replaced_by_the_prompt(
    base: LoadedModel, shared_cases: Path, options: dict[str, str]
) -> None:
    assert transcribe(base, shared_cases / "yes.wav", **options).text == "Yes."


@pytest.mark.parametrize("options", [{"prompt": GLOSSARY}, {"hotwords": "Kubernetes Grafana"}])
def test_noise_does_not_become_the_prompt(base: LoadedModel, tmp_path: Path, options: dict[str, str]) -> None:
    noise = (0.05 * np.random.default_rng(0).standard_normal(6 * SAMPLE_RATE)).astype(np.float32)
    files = [
        write(tmp_path / "noise.wav", noise),
        write(tmp_path / "silence.wav", np.zeros(2 * SAMPLE_RATE, np.float32)),
    ]
    assert [transcribe(base, path, vad=False, **options).text for path in files] == ["", ""]


def test_a_sentence_of_the_prompt_that_is_said_stays(base: LoadedModel, shared_audio: Path) -> None:
    chosen = ("kathleen16k/arctic_a0582.flac", "kerstin_de/de_rhasspy-0072.flac", JFK)
    said = {clip.file: clip for clip in clips(shared_audio) if clip.file in chosen}
    for file, clip in said.items():
        text = transcribe(base, shared_audio / file, prompt=clip.text, language=clip.language).text
        assert word_errors(clip.text, text, clip.language).wrong == 0, text
    assert len(said) == 3
