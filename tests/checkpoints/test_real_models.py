"""The packages of the real registry, which must still hold what the table says of them."""

from __future__ import annotations

from pathlib import Path

from server.checkpoints.files import is_multilingual
from server.checkpoints.sources.record import read_record, record_files
from server.checkpoints.sources.table import known_models

REPOSITORY = "Systran/faster-whisper-tiny.en"


def test_tiny_en_is_byte_for_byte_the_known_one(real_tiny_en: Path) -> None:
    record = read_record(real_tiny_en)
    assert record
    assert record.verification == "all"
    known = known_models().at(REPOSITORY)
    assert record_files(real_tiny_en, record.source, REPOSITORY, known, record.revision) == record
    assert not is_multilingual(real_tiny_en)
