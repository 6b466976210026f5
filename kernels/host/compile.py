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
WARNINGS_ARE_ERRORS = "-Werror"  # for kernels.host.lint only: a warning of a user's compiler must not stop a build


class CompileError(KernelsError):
    """A missing host compiler, or sources that it refused; the message carries the compiler's output."""


def build(
    sources: Sequence[Path],
    defines: Mapping[str, int] | None = None,
    march: str = NATIVE,
    optimise: int = 3,
    cache: Path | None = None,
    compiler: str | None = None,
) -> ctypes.CDLL:
    """Compile kernel sources for the host and load them as a library; objects in the cache are not compiled again.

    ``defines`` become -D options, ``optimise`` is the level after -O. ``cache`` is the user's cache folder and
    ``compiler`` default_compiler() if not given. Every source becomes an object of its own, so that overlays share
    common objects. Raises CompileError.
    """
    folder, program = cache or CACHE, _found(compiler or default_compiler())
    macros = [f"-D{name}={value}" for name, value in sorted((defines or {}).items())]
    flags = [f"-march={march}", f"-O{optimise}", *macros]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(lambda source: _made(folder, [source], [*flags, "-c"], program, ".o"), sources))
    return ctypes.CDLL(str(_made(folder, objects, [*flags, "-shared"], program, ".so")))


def check(source: Path, compiler: str, march: str, cache: Path | None = None) -> None:
    """Compile a source with warnings as errors, without making a library. Raises CompileError for a complaint."""
    flags = [f"-march={march}", "-O3", WARNINGS_ARE_ERRORS, "-c"]
    _made(cache or CACHE, [source], flags, _found(compiler), ".o")


def knows(compiler: str, march: str) -> bool:
    """Return whether this compiler accepts ``march`` as the name of a processor (-march)."""
    return _asked(_found(compiler), f"-march={march}").returncode == 0


def default_compiler() -> str:
    """Return the name of the host's C++ compiler: the value of $CXX, else g++."""
    return os.environ.get("CXX", "g++")


def _made(folder: Path, inputs: Sequence[Path], flags: Sequence[str], compiler: str, suffix: str) -> Path:
    """Return the file that the compiler makes from these inputs and flags; it is compiled only if the cache lacks it.

    The file is written whole or not at all.
    """
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
    """Run the compiler without input; its output has its version and the meaning of ``march`` on this machine."""
    command = [compiler, "-v", march, "-E", "-x", "c++", os.devnull, "-o", os.devnull]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
