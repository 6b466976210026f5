"""Real Whisper weights for tests, brought by hand: a directory that an environment variable names.

from tests.real_models import real_base  # noqa: F401  a fixture
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

BASE = os.environ.get("WHISPERX_NPU_TEST_BASE")  # read before a test hides the environment's settings


@pytest.fixture(scope="session")
def real_base() -> Path:
    """The directory of base in CTranslate2's form; the test is skipped without it."""
    if not BASE:
        pytest.skip("WHISPERX_NPU_TEST_BASE names no directory of base")
    return Path(BASE)
