"""A writer of wheels for tests."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

NOTES = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_wheel(folder: Path, name: str, version: str, files: Mapping[str, str]) -> None:
    """Write a wheel with the texts ``files`` into ``folder``; the files in a folder ``bin`` are executable."""
    notes = f"{name}-{version}.dist-info"
    everything = {
        **files,
        f"{notes}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{notes}/WHEEL": NOTES,
    }
    everything[f"{notes}/RECORD"] = "".join(f"{path},,\n" for path in [*everything, f"{notes}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in everything.items():
            info = zipfile.ZipInfo(path)
            info.external_attr = (0o100755 if "/bin/" in path else 0o100644) << 16
            wheel.writestr(info, text)
