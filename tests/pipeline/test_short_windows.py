"""Windows that are encoded as long as their audio, and in full where their text repeats itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Queue

import pytest

from kernels.mel.audio import Float32
from server.engine.messages import Done, Failed, FromWorker, Submit
from server.engine.worker.pace import Pace
from server.engine.worker.scheduler import Scheduler
from server.pipeline import alone
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.stages.decoder import Decoded
from server.pipeline.stages.search import Search
from server.pipeline.stages.text import TokenWord
from server.settings.stages import DecodeSettings, ModelSettings, StageSettings
from server.transcript import Finished, Options, Transcript
from tests.audio_files import tone, write

OPTIONS = Options(vad=False, language="en", align="off")


class LoopingDecoder:
    """A decoder that repeats itself in every window of fewer than 1500 frames, and notes what it is given."""

    device = "cpu"

    def __init__(self, loop: list[str]) -> None:
        self.loop = loop
        self.frames: list[int] = []

    def generate(self, states: Float32, searches: Sequence[Search], temperature: float) -> list[Decoded]:
        self.frames += [len(row) for row in states]
        text = ["Good", " morning."] if states.shape[1] == 1500 else self.loop
        words = tuple(TokenWord(word, (1,)) for word in text)
        return [Decoded(words, -0.1, 0.0, 1.0, temperature) for _ in searches]


def by_hand(model: LoadedModel, path: Path) -> Transcript:
    *_, last = alone.transcribe(model, path, OPTIONS)
    assert isinstance(last, Finished)
    return last.transcript


def by_worker(model: LoadedModel, path: Path) -> Transcript:
    sent: Queue[FromWorker] = Queue()
    scheduler = Scheduler(model, Pace(largest=2, beam_size=5), sent.put, max_seconds=3600)
    scheduler.submit(Submit(1, path, OPTIONS))
    scheduler.start()
    while not isinstance(message := sent.get(timeout=60), Done | Failed):
        pass
    assert isinstance(message, Done)
    return message.transcript


@pytest.mark.parametrize("transcribe", [by_hand, by_worker])
@pytest.mark.parametrize("loop", [[" again"] * 30, [" He", " left", " at", " once."] * 2])
@pytest.mark.parametrize("temperatures", [(0.0,), (0.0, 0.4)])
def test_a_loop_in_a_short_window_is_decoded_again_in_full(
    tiny_english: Path,
    tmp_path: Path,
    transcribe: Callable[[LoadedModel, Path], Transcript],
    temperatures: tuple[float, ...],
    loop: list[str],
) -> None:
    settings = StageSettings(
        model=ModelSettings(encoder="ctranslate2", compute_type="float32", offline=True),
        decode=DecodeSettings(temperatures=temperatures),
    )
    model = LoadedModel("tiny", tiny_english, settings)
    model.decoder = decoder = LoopingDecoder(loop)  # type: ignore[assignment]
    found = transcribe(model, write(tmp_path / "a.wav", tone(35.0)))
    assert [segment.text for segment in found.segments] == ["Good morning.", "Good morning."]
    assert sorted(decoder.frames) == [512, 1500, 1500], "30 s of audio are a full window from the start"
    assert {segment.temperature for segment in found.segments} == {0.0}
