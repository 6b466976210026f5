"""Measurements of this machine with one model, kept on disk from one start of the server to the next."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import platformdirs

from server.machine.cpu import cpu_name, usable_cores

log = logging.getLogger(__name__)

PACKAGES = ("whisperx-npu", "ctranslate2", "openvino")


@dataclass(slots=True)
class Measurements:
    """The measured speed of a model on this machine.

    ``decoder`` are times in ms for a token by batch size, see DecoderSpeed. ``gain`` is the time of encoder and decoder
    one after the other, divided by their time side by side; None until it was measured.
    """

    decoder: dict[int, list[float]] = field(default_factory=dict)
    gain: float | None = None


def place(directory: Path, *arithmetic: object) -> Path:
    """Return the file for the measurements of a checkpoint with these settings, on this machine, in this version."""
    weights = directory / "model.bin"
    facts = (cpu_name(), usable_cores(), *map(version, PACKAGES), weights.stat().st_size, *arithmetic)
    key = sha256(repr((str(directory), facts)).encode()).hexdigest()[:16]
    return Path(platformdirs.user_cache_dir("whisperx-npu")) / "speed" / f"{key}.json"


def read(path: Path) -> Measurements:
    """Return the measurements in a file; none if there is no file, or none that can be understood."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        decoder = {int(size): [float(ms) for ms in times] for size, times in kept["decoder"].items()}
        return Measurements(decoder, None if kept["gain"] is None else float(kept["gain"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Measurements()


def write(path: Path, measurements: Measurements) -> None:
    """Replace the file by these measurements; where that is not possible they are measured again at the next start."""
    kept = {"decoder": measurements.decoder, "gain": measurements.gain}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            json.dump(kept, file)
        os.replace(file.name, path)  # noqa: PTH105
    except OSError as error:
        log.debug("The measured speeds cannot be kept: %s.", error)
