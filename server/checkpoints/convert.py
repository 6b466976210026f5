"""The conversion of transformers checkpoints to CTranslate2; the only file that imports ctranslate2.converters."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from server.errors import ModelUnavailable
from server.machine.optional_packages import require_extra

log = logging.getLogger(__name__)

COPIED = ("tokenizer.json", "preprocessor_config.json")
CONVERTED = ".converted"  # name of a directory of converted models, or of one that is being made


def convert(checkpoint: Path, target: Path) -> None:
    """Write ``checkpoint`` (transformers, Whisper) as an int8 CTranslate2 model into the empty directory ``target``.

    The conversion needs memory for the model in its stored precision. Raises ModelUnavailable when the weights cannot
    be loaded, or where PyTorch is not installed.
    """
    require_extra(f"Conversion of the transformers checkpoint {checkpoint.name}")
    from ctranslate2.converters import TransformersConverter  # takes seconds: it imports torch and transformers
    from safetensors import SafetensorError

    log.info("Converting %s to CTranslate2, once.", checkpoint)
    copied = [name for name in COPIED if (checkpoint / name).is_file()]
    try:
        TransformersConverter(str(checkpoint), copy_files=copied).convert(str(target), quantization="int8", force=True)
    except (SafetensorError, RuntimeError, ValueError, OSError) as error:
        shutil.rmtree(target, ignore_errors=True)
        raise ModelUnavailable(f"{checkpoint} cannot be converted: {error}.", cure="Fetch the model again.") from error


def convert_in_place(directory: Path) -> None:
    """Replace the files of a transformers checkpoint by those of the converted model. Raises as ``convert``."""
    converted = directory / CONVERTED
    convert(directory, converted)
    for path in directory.iterdir():
        if path != converted:
            path.unlink()
    for path in converted.iterdir():
        path.rename(directory / path.name)
    converted.rmdir()
