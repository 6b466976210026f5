"""Compile AIE2 kernel sources with the host's g++ into a shared library, and load it.

The same sources go to Peano for the NPU; here the headers of ``kernels/host/include`` stand in for AMD's aie_api.
Libraries are kept in the user's cache folder under a hash of everything that goes into them.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import platformdirs

from kernels.errors import KernelsError

INCLUDE = Path(__file__).parent / "include"
KERNELS = Path(__file__).parents[1]
NATIVE = "native"  # -march: fastest on this machine; results do not depend on it
FLAGS = (
    "-std=c++20",
    "-O3",
    "-fPIC",
    "-shared",
    "-fvisibility=default",
    "-fno-fast-math",
    "-Wall",
    "-Werror",
    "-Wno-psabi",
)


class CompileError(KernelsError):
    """The host compiler is missing or refused the sources; the message carries its output."""


def build(
    sources: Sequence[Path], defines: Mapping[str, int] | None = None, march: str = NATIVE, cache: Path | None = None
) -> ctypes.CDLL:
    """The loaded library of these kernel sources, compiled unless the cache (default: the user's) holds it already.

    ``defines`` become -D options. Raises CompileError.
    """
    folder = cache or Path(platformdirs.user_cache_dir("whisperx-npu")) / "kernels"
    flags = [*FLAGS, f"-march={march}", *(f"-D{name}={value}" for name, value in sorted((defines or {}).items()))]
    library = folder / f"{_fingerprint(sources, flags, march)}.so"
    if not library.exists():
        _compile(sources, flags, library)
    return ctypes.CDLL(str(library))


def _compile(sources: Sequence[Path], flags: Sequence[str], library: Path) -> None:
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        unfinished = Path(folder) / library.name
        command = [_compiler(), *flags, f"-I{INCLUDE}", f"-I{KERNELS}", *map(str, sources), "-o", str(unfinished)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own command line
        if done.returncode != 0:
            raise CompileError(f"{' '.join(map(str, sources))} do not compile on the host:\n{done.stderr}")
        unfinished.replace(library)


def _fingerprint(sources: Sequence[Path], flags: Sequence[str], march: str) -> str:
    digest = hashlib.sha256()
    for text in (*flags, _version(march)):
        digest.update(text.encode() + b"\0")
    headers = sorted(path for folder in (INCLUDE, KERNELS) for path in folder.rglob("*.h*"))
    for path in (*sources, *headers):
        digest.update(str(path).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:32]


def _compiler() -> str:
    name = os.environ.get("CXX", "g++")
    path = shutil.which(name)
    if path is None:
        raise CompileError(f"The C++ compiler {name} is not installed (Debian: apt install g++)")
    return path


@functools.cache
def _version(march: str) -> str:
    """The compiler's version and what ``march`` means to it on this machine."""
    command = [_compiler(), "-v", f"-march={march}", "-E", "-x", "c++", os.devnull, "-o", os.devnull]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr  # noqa: S603
