"""The compilers for the chip: the pinned versions, the search for them, and a function that runs them.

mlir-aie at 97962964 (2026-04-23) is 27 commits after the release v1.3.1; v1.3.2 is the first release that contains it.
Peano is llvm-aie's nightly build that Xilinx/mlir-air#1620 tested on Phoenix. Nothing that they compile was run on a
chip here.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

from kernels.errors import KernelsError

MLIR_AIE = "979629649"
PEANO = "21.0.0.2026052001+5ed15934"
INSTALL_MLIR_AIE = (
    f"Install mlir-aie at commit {MLIR_AIE} (github.com/Xilinx/mlir-aie): a wheel mlir_aie whose version ends in "
    f"+{MLIR_AIE[:7]} from its release latest-wheels-3, or a build of that commit; "
    "put its bin folder on PATH or set MLIR_AIE_INSTALL_DIR"
)
INSTALL_PEANO = (
    f"Install Peano, the wheel llvm-aie {PEANO} from the release nightly of github.com/Xilinx/llvm-aie, and set "
    "PEANO_INSTALL_DIR to its folder llvm-aie"
)
INSTALL_XRT = "Install XRT's xclbinutil (Debian trixie-backports: apt install libxrt-utils) and put it on PATH"
PEANO_PROGRAMS = ("clang++", "clang", "opt", "llc", "ld.lld")

LOG_BYTES = 64 << 20  # aiecc can print an endless error: scf.for with a run-time bound and no dynamic lowering
TAIL_BYTES = 4_000
SECONDS = 1_800.0


class ToolchainError(KernelsError):
    """A compiler that is missing, that has another version, or that failed; the message has the cure or the output."""


class ProgramTooLarge(ToolchainError):
    """A compiled program that does not fit its core: the kernels must go to separate overlays."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The compilers that were found on this machine: their paths, and the versions that they report.

    ``peano`` is Peano's folder. ``others`` names the compilers whose version is not the pinned one.
    """

    aiecc: Path
    xclbinutil: Path
    peano: Path
    versions: Mapping[str, str]
    others: tuple[str, ...] = ()

    @property
    def include(self) -> Path:
        """The folder of AMD's aie_api headers."""
        return self.aiecc.parents[1] / "include"


def find(environment: Mapping[str, str] = os.environ, *, any_version: bool = False) -> Toolchain:
    """Find the chip's compilers on this machine: aiecc, xclbinutil and Peano.

    aiecc is searched for in ``bin`` of MLIR_AIE_INSTALL_DIR, then on PATH; xclbinutil beside aiecc, then on PATH; Peano
    in PEANO_INSTALL_DIR, then in the folder llvm-aie beside mlir-aie's. ``any_version`` accepts other versions than the
    pinned ones. Raises ToolchainError that lists everything to install.
    """
    path = environment.get("PATH", "")
    aiecc = _program("aiecc", environment.get("MLIR_AIE_INSTALL_DIR"), path)
    beside = str(aiecc.parents[1]) if aiecc else None
    xclbinutil = _program("xclbinutil", beside, path)
    peano = _peano(environment, aiecc)
    needs = [(aiecc, INSTALL_MLIR_AIE), (peano, INSTALL_PEANO), (xclbinutil, INSTALL_XRT)]
    missing = [cure for found, cure in needs if found is None]
    if aiecc is None or peano is None or xclbinutil is None:
        raise ToolchainError("\n".join(["Compilers for the NPU are missing.", *missing]))
    versions = {
        "aiecc": _version(aiecc, r"aiecc \(C\+\+ version\) (\S+)"),
        "peano": _wheel(peano) or _version(peano / "bin" / "clang++", r"clang version (.+)"),
    }
    pinned = {"aiecc": (MLIR_AIE[:7], INSTALL_MLIR_AIE), "peano": (PEANO.rpartition("+")[2][:7], INSTALL_PEANO)}
    others = tuple(name for name, (pin, _) in pinned.items() if pin not in versions[name])
    if others and not any_version:
        lines = [f"{name} is {versions[name]}. {pinned[name][1]}." for name in others]
        raise ToolchainError("\n".join(["Compilers of other versions than the designs are written for.", *lines]))
    return Toolchain(aiecc, xclbinutil, peano, versions, others)


def run(command: Sequence[str | Path], folder: Path, seconds: float = SECONDS) -> str:
    """Run a compiler in ``folder`` and return the end of its output (stdout and stderr), at most 4,000 bytes.

    Raises ToolchainError if it fails, takes longer than ``seconds``, or prints more than 64 MiB.
    """
    expired: list[str] = []
    tail: deque[bytes] = deque(maxlen=2)
    total = 0
    with subprocess.Popen(  # noqa: S603  # programs that find() found
        [*map(str, command)], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:

        def stop(why: str) -> None:
            expired.append(why)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        clock = Timer(seconds, stop, [f"took more than {seconds:,.0f} s"])
        clock.start()
        try:
            while process.stdout and (chunk := process.stdout.read(1 << 16)):
                tail.append(chunk)
                total += len(chunk)
                if total > LOG_BYTES and not expired:
                    stop(f"printed more than {LOG_BYTES:,} bytes")
        finally:
            clock.cancel()
    text = b"".join(tail)[-TAIL_BYTES:].decode("utf-8", "replace")
    if expired or process.returncode != 0:
        why = expired[0] if expired else f"ended with {process.returncode}"
        raise ToolchainError(f"{Path(command[0]).name} {why}:\n{text}")
    return text


def _program(name: str, home: str | None, path: str) -> Path | None:
    found = (shutil.which(name, path=str(Path(home, "bin"))) if home else None) or shutil.which(name, path=path)
    return Path(found).absolute() if found else None


def _peano(environment: Mapping[str, str], aiecc: Path | None) -> Path | None:
    """Return Peano's folder, or None: PEANO_INSTALL_DIR, else the wheel's folder beside mlir-aie's, as aiecc does."""
    places = [Path(environment["PEANO_INSTALL_DIR"])] if environment.get("PEANO_INSTALL_DIR") else []
    places += [aiecc.parents[2] / "llvm-aie"] if aiecc else []
    whole = (place for place in places if all(os.access(place / "bin" / name, os.X_OK) for name in PEANO_PROGRAMS))
    return next(whole, None)


def _wheel(peano: Path) -> str | None:
    """Return the version of the wheel that the folder ``peano`` was installed from, or None."""
    notes = sorted(peano.parent.glob("llvm_aie-*.dist-info"))
    return notes[-1].name.removeprefix("llvm_aie-").removesuffix(".dist-info") if notes else None


def _version(program: Path, pattern: str) -> str:
    text = run([program, "--version"], Path.cwd(), seconds=30)
    found = re.search(pattern, text)
    return found[1].strip() if found else "of unknown version"
