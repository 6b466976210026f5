"""Writing uploads to the disk."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from server.api.input.upload_folder import UploadFolder


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_full_disk_is_reported_as_one(http: httpx2.Client, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Writes to /dev/full fail as on a full disk: at once for large pieces, and at the flush for small ones."""
    monkeypatch.setattr(UploadFolder, "file", lambda _: Path("/dev/full").open("wb"))  # noqa: SIM115
    response = http.post("/transcribe", files={"file": bytes(size)})
    assert (response.status_code, response.json()["error"]["code"]) == (507, "storage_full")
    assert "set TMPDIR to another" in response.json()["error"]["message"]
    monkeypatch.undo()
    assert http.get("/readyz").status_code == 200
