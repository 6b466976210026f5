"""The real model and the recording that several tests of the pipeline share; a model keeps nothing of a request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kernels.mel.audio import Float32
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.stages.decode import AudioStream
from server.settings.stages import StageSettings
from tests.audio_files import joined


@pytest.fixture(scope="session")
def base(real_base: Path) -> Iterator[LoadedModel]:
    """Base with the default settings; the test is skipped where it cannot be had."""
    model = LoadedModel("base", real_base, StageSettings())
    yield model
    model.close()


@pytest.fixture(scope="session")
def jfk(shared_audio: Path) -> Float32:
    """Kennedy's sentence, 11 s, float32 [n] at 16 kHz."""
    return joined(AudioStream(shared_audio / "en" / "openai_whisper__jfk.flac"))
