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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import platformdirs

from kernels.errors import KernelsError

INCLUDE = Path(__file__).parent / "include"
KERNELS = Path(__file__).parents[1]
CACHE = Path(platformdirs.user_cache_dir("whisperx-npu")) / "kernels"
NATIVE = "native"  # -march: fastest on this machine; results do not depend on it
FLAGS = (
    "-std=c++20",
    "-fPIC",
    "-fvisibility=default",
    "-fno-fast-math",
    "-fno-exceptions",
    "-Wall",
    "-Werror",
    "-Wno-psabi",
)


class CompileError(KernelsError):
    """The host compiler is missing or refused the sources; the message carries its output."""


def build(
    sources: Sequence[Path],
    defines: Mapping[str, int] | None = None,
    march: str = NATIVE,
    optimise: int = 3,
    cache: Path | None = None,
) -> ctypes.CDLL:
    """The loaded library of these kernel sources; what the cache (default: the user's) holds is not compiled again.

    ``defines`` become -D options, ``optimise`` is the level after -O. Every source is an object of its own, so that
    overlays share what they have in common. Raises CompileError.
    """
    folder = cache or CACHE
    macros = [f"-D{name}={value}" for name, value in sorted((defines or {}).items())]
    flags = [*FLAGS, f"-march={march}", f"-O{optimise}", *macros]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(lambda source: _made(folder, [source], [*flags, "-c"], march, ".o"), sources))
    return ctypes.CDLL(str(_made(folder, objects, [*flags, "-shared"], march, ".so")))


def _made(folder: Path, inputs: Sequence[Path], flags: Sequence[str], march: str, suffix: str) -> Path:
    """The file that these inputs and flags make; written whole or not at all."""
    path = folder / f"{_fingerprint(inputs, flags, march)}{suffix}"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        unfinished = Path(temporary) / path.name
        command = [_compiler(), *flags, f"-I{INCLUDE}", f"-I{KERNELS}", *map(str, inputs), "-o", str(unfinished)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own command line
        if done.returncode != 0:
            raise CompileError(f"{' '.join(map(str, inputs))} do not compile on the host:\n{done.stderr}")
        unfinished.replace(path)
    return path


def _fingerprint(inputs: Sequence[Path], flags: Sequence[str], march: str) -> str:
    digest = hashlib.sha256()
    for text in (*flags, _version(march)):
        digest.update(text.encode() + b"\0")
    headers = sorted(path for folder in (INCLUDE, KERNELS) for path in folder.rglob("*.h*"))
    for path in (*inputs, *headers):
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
