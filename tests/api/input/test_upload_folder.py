"""Recordings on their way to the disk."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from server.api.input.upload_folder import UploadFolder


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_full_disk_is_called_one(http: httpx2.Client, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """/dev/full says so at every write, as a disk does: at once for what is large, when it is flushed for the rest."""
    monkeypatch.setattr(UploadFolder, "file", lambda _: Path("/dev/full").open("wb"))  # noqa: SIM115
    response = http.post("/transcribe", files={"file": bytes(size)})
    assert (response.status_code, response.json()["error"]["code"]) == (507, "storage_full")
    assert "set TMPDIR to another" in response.json()["error"]["message"]
    monkeypatch.undo()
    assert http.get("/readyz").status_code == 200
