"""The telemetry of libraries is switched off before they are loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "models" / "demo" / "sample.wav"
SUPPRESSED_BY = ("CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST", "PYTEST_VERSION")  # onnxruntime is quiet in tests


def test_onnxruntime_makes_no_device_id_and_queues_no_event(tmp_path: Path) -> None:
    """onnxruntime leaves both in the user's cache since 1.29, and sends the events, unless they are switched off."""
    folders = {name: str(tmp_path / name.lower()) for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "TMPDIR")}
    for folder in folders.values():
        Path(folder).mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in SUPPRESSED_BY}
    command = [sys.executable, "-m", "server.cli", "transcribe", str(SAMPLE)]
    run = subprocess.run(command, env=environment | folders, capture_output=True, text=True, check=True, timeout=120)
    assert "timer" in run.stdout
    left = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in left if "Microsoft" in path.parts or path.name in ("deviceid", ".ses")], left


def test_openvino_does_not_import_what_reports_for_it(tmp_path: Path) -> None:
    """The package is not installed by the locks; plain pip installs it, because openvino asks for it."""
    (tmp_path / "openvino_telemetry").mkdir()
    (tmp_path / "openvino_telemetry" / "__init__.py").write_text("raise SystemExit('it was imported')\n")
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import server.pipeline.encoding.openvino_encoder\n"
    script += "sys.exit('openvino_telemetry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0
