from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernels.registry import ENTRIES
from tests.cli.conftest import CommandLine


def test_list_names_every_overlay(cli: CommandLine) -> None:
    result = cli("kernels", "list")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == list(ENTRIES)


def test_check_prints_the_memory_map(cli: CommandLine) -> None:
    result = cli("kernels", "check", "encoder", "--size", "base")
    assert result.exit_code == 0
    assert "encoder on npu1" in result.stdout
    assert "64,588 of 65,536 bytes" in result.stdout
    assert "sequence base_0" in result.stdout


def test_mlir_is_text_for_mlir_aie(cli: CommandLine) -> None:
    result = cli("kernels", "mlir", "attention")
    assert result.exit_code == 0
    assert result.stdout.startswith("module {")
    assert "aie.objectfifo @a0" in result.stdout


def test_simulate_says_what_ran(cli: CommandLine) -> None:
    result = cli("kernels", "simulate", "attention")
    assert result.exit_code == 0
    assert "attn_scores" in result.stdout


def test_cost_is_labelled_as_modelled(cli: CommandLine) -> None:
    result = cli("kernels", "cost", "--size", "base")
    assert result.exit_code == 0
    assert result.stdout.startswith("Modelled, not measured")


def test_build_for_the_simulated_device(cli: CommandLine, tmp_path: Path) -> None:
    result = cli("kernels", "build", "attention", "--target", "host", "--output-dir", tmp_path)
    assert result.exit_code == 0, result.output
    folder = Path(result.stdout.strip())
    assert folder == tmp_path / "host" / "attention"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["design"], manifest["target"]) == ("attention", "host")
    again = cli("kernels", "build", "attention", "--target", "host", "--output-dir", tmp_path)
    assert again.exit_code == 1
    assert "exists already" in again.stderr


def test_build_for_the_chip_says_what_to_install(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("MLIR_AIE_INSTALL_DIR", "PEANO_INSTALL_DIR"):
        monkeypatch.delenv(name, raising=False)
    result = cli("kernels", "build", "attention", "--output-dir", tmp_path / "out")
    assert result.exit_code == 1
    assert "mlir-aie" in result.stderr
    assert "llvm-aie" in result.stderr
    assert not (tmp_path / "out" / "npu1" / "attention").exists()


@pytest.mark.parametrize(
    ("arguments", "told"), [(["check", "enc"], "encoder"), (["cost", "--size", "huge"], "large-v3")]
)
def test_unknown_names_are_refused_with_the_known_ones(cli: CommandLine, arguments: list[str], told: str) -> None:
    result = cli("kernels", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
