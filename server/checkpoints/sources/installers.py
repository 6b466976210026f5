"""The programs that fetch a wheel from the package registry: the environment's pip, else uv.

Both follow the user's own configuration: index, proxy, certificates, credentials. Both take wheels only, since a source
distribution would run code, without dependencies, and refuse a wheel of another SHA-256.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from server.checkpoints.sources.table import Wheel

# The program must not outlive the process that waits for it, even if that is killed. PDEATHSIG survives execv.
DIES_WITH_ITS_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG of linux/prctl.h
if os.getppid() != int(sys.argv[1]):
    sys.exit("the process that asked for the download is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class Installer(Protocol):
    """A program that knows the package registry."""

    @property
    def name(self) -> str:
        """The name of the program, for messages."""

    def question(self, wheel: Wheel, folder: Path) -> list[str]:
        """Return a command that prints the wheel's version if the registry offers it, and downloads little."""

    def download(self, requirements: Path, folder: Path) -> list[str]:
        """Return a command that leaves the wheel of ``requirements`` in ``folder``, as a file or unpacked there."""


@dataclass(frozen=True, slots=True)
class Pip:
    """The pip of a Python."""

    python: str
    name: str = "pip"

    def question(self, wheel: Wheel, folder: Path) -> list[str]:
        return self._command("index", "versions", wheel.package, "--only-binary=:all:", "--retries=0")

    def download(self, requirements: Path, folder: Path) -> list[str]:
        return self._command(
            *("download", "--no-deps", "--only-binary=:all:", "--require-hashes", "--no-cache-dir"),
            *("--progress-bar=off", f"--requirement={requirements}", f"--dest={folder}"),
        )

    def _command(self, *arguments: str) -> list[str]:
        # -P: a file pip.py in the working directory is not run; -vv: pip says why an index could not be read
        return [self.python, "-P", "-m", "pip", *arguments, "-vv", "--no-input", "--no-color"]


@dataclass(frozen=True, slots=True)
class Uv:
    """The program uv, which has no command to download: it unpacks the wheel into a folder of its own."""

    program: str
    name: str = "uv"

    def question(self, wheel: Wheel, folder: Path) -> list[str]:
        return self._command("--dry-run", f"--target={folder}", f"{wheel.package}=={wheel.version}")

    def download(self, requirements: Path, folder: Path) -> list[str]:
        cache = folder.with_name("uv")  # beside the folder, so that its bytes count as progress
        return self._command(
            "--require-hashes", f"--cache-dir={cache}", f"--target={folder}", f"--requirement={requirements}"
        )

    def _command(self, *arguments: str) -> list[str]:
        options = ("--no-deps", "--only-binary=:all:", f"--python={sys.executable}", "--color=never", "--no-progress")
        return [self.program, "pip", "install", *options, *arguments]


def find_installer() -> Installer | None:
    """Return the pip of this environment, else uv beside its Python or on the PATH, else None."""
    if importlib.util.find_spec("pip"):
        return Pip(sys.executable)
    beside = Path(sys.executable).with_name("uv")
    program = str(beside) if os.access(beside, os.X_OK) else shutil.which("uv")
    return Uv(program) if program else None


def run(command: list[str], folder: Path, timeout: float | None = None) -> tuple[int, str]:
    """Run a command with its temporary files in ``folder``; return its exit status and all that it printed.

    The command ends with this process, and when this call is interrupted. Raises subprocess.TimeoutExpired.
    """
    temporary = folder / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    guarded = [sys.executable, "-I", "-S", "-c", DIES_WITH_ITS_PARENT, str(os.getpid()), *command]
    process = subprocess.Popen(  # noqa: S603  the arguments are this module's own
        guarded,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,  # not a file: the disk may be full
        stderr=subprocess.STDOUT,
        env=os.environ | {"TMPDIR": str(temporary)},
    )
    try:
        said, _ = process.communicate(timeout=timeout)
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
        shutil.rmtree(temporary, ignore_errors=True)
    return process.returncode, said.decode(errors="replace")
