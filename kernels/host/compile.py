"""Compile AIE2 kernel sources with the host's C++ compiler into a shared library, and load it.

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
    "-Wno-psabi",
)
WARNINGS_ARE_ERRORS = "-Werror"  # for kernels.host.lint: what a user's compiler warns of must not stop a build


class CompileError(KernelsError):
    """The host compiler is missing or refused the sources; the message carries its output."""


def build(
    sources: Sequence[Path],
    defines: Mapping[str, int] | None = None,
    march: str = NATIVE,
    optimise: int = 3,
    cache: Path | None = None,
    compiler: str | None = None,
) -> ctypes.CDLL:
    """The loaded library of these kernel sources; what the cache (default: the user's) holds is not compiled again.

    ``defines`` become -D options, ``optimise`` is the level after -O, ``compiler`` is by default what default_compiler
    says. Every source is an object of its own, so that overlays share what they have in common. Raises CompileError.
    """
    folder, program = cache or CACHE, _found(compiler or default_compiler())
    macros = [f"-D{name}={value}" for name, value in sorted((defines or {}).items())]
    flags = [f"-march={march}", f"-O{optimise}", *macros]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(lambda source: _made(folder, [source], [*flags, "-c"], program, ".o"), sources))
    return ctypes.CDLL(str(_made(folder, objects, [*flags, "-shared"], program, ".so")))


def check(source: Path, compiler: str, march: str, cache: Path | None = None) -> None:
    """A compilation without a library, in which warnings are errors. Raises CompileError."""
    flags = [f"-march={march}", "-O3", WARNINGS_ARE_ERRORS, "-c"]
    _made(cache or CACHE, [source], flags, _found(compiler), ".o")


def knows(compiler: str, march: str) -> bool:
    """Whether this compiler has a -march of this name."""
    return _asked(_found(compiler), f"-march={march}").returncode == 0


def default_compiler() -> str:
    """The compiler that $CXX names, else g++."""
    return os.environ.get("CXX", "g++")


def _made(folder: Path, inputs: Sequence[Path], flags: Sequence[str], compiler: str, suffix: str) -> Path:
    """The file that these inputs and flags make; written whole or not at all."""
    path = folder / f"{_fingerprint(inputs, flags, compiler)}{suffix}"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        unfinished = Path(temporary) / path.name
        command = [compiler, *FLAGS, *flags, f"-I{INCLUDE}", f"-I{KERNELS}", *map(str, inputs), "-o", str(unfinished)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own command line
        if done.returncode != 0:
            raise CompileError(f"{' '.join(map(str, inputs))} do not compile on the host:\n{done.stderr}")
        unfinished.replace(path)
    return path


def _fingerprint(inputs: Sequence[Path], flags: Sequence[str], compiler: str) -> str:
    march = next(flag for flag in flags if flag.startswith("-march="))
    digest = hashlib.sha256()
    for text in (*FLAGS, *flags, _asked(compiler, march).stderr):
        digest.update(text.encode() + b"\0")
    headers = sorted(path for folder in (INCLUDE, KERNELS) for path in folder.rglob("*.h*"))
    for path in (*inputs, *headers):
        digest.update(str(path).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:32]


def _found(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise CompileError(f"The C++ compiler {name} is not installed (Debian: apt install g++)")
    return path


@functools.cache
def _asked(compiler: str, march: str) -> subprocess.CompletedProcess[str]:
    """What the compiler says of its version and of what ``march`` means to it on this machine."""
    command = [compiler, "-v", march, "-E", "-x", "c++", os.devnull, "-o", os.devnull]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
