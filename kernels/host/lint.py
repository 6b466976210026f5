"""Compile the kernel sources with warnings as errors: `python -m kernels.host.lint [--all] [SOURCE ...]`.

Without ``--all`` the default compiler alone is used, for two processors, as part of `make lint`; with ``--all`` every
g++ and clang++ on the PATH, for each processor of MARCHS that it knows (`make lint-compilers`). A SOURCE is compiled
beside the kernels. Nothing is run.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kernels.host.compile import KERNELS, NATIVE, CompileError, check, default_compiler, knows

QUICK = ("x86-64-v2", NATIVE)
# g++ 14 warns of other things for icelake-server than for its successor sapphirerapids, which it tunes otherwise
MARCHS = ("x86-64-v2", "x86-64-v3", "x86-64-v4", NATIVE, "skylake-avx512", "icelake-server", "sapphirerapids", "znver4")
SHOWN = 20  # lines of a complaint, which may be thousands
NAME = re.compile(r"(g|clang)\+\+(-\d+)?")


def compilers() -> list[str]:
    """Return the names of every g++ and clang++ on the PATH; of several names of one version, the shortest."""
    folders = [Path(folder) for folder in os.get_exec_path() if Path(folder).is_dir()]
    names = {path.name for folder in folders for path in folder.glob("*++*") if NAME.fullmatch(path.name)}
    usable = sorted(filter(shutil.which, names), key=lambda name: (len(name), name))
    return list({(is_clang(name), _version(name)): name for name in reversed(usable)}.values())[::-1]


def is_clang(compiler: str) -> bool:
    """Return whether a compiler of this name is clang++ rather than g++."""
    return "clang" in compiler


def complaints(names: Sequence[str], marchs: Sequence[str], sources: Sequence[Path]) -> dict[str, list[str]]:
    """Compile every source with every compiler for every processor that it knows, and return the complaints.

    The keys name compiler and processor; an empty list means that there were none.
    """
    pairs = [(name, march) for name, march in itertools.product(names, marchs) if knows(name, march)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        asked = {
            f"{name} {_version(name)} -march={march}": [
                pool.submit(_complaint, source, name, march) for source in sources
            ]
            for name, march in pairs
        }
        return {pair: [said for one in answers if (said := one.result())] for pair, answers in asked.items()}


def _complaint(source: Path, compiler: str, march: str) -> str:
    try:
        check(source, compiler, march)
    except CompileError as error:
        return "\n".join(str(error).splitlines()[:SHOWN])
    return ""


@functools.cache
def _version(compiler: str) -> str:
    command = [compiler, "-dumpversion"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603


def main() -> int:
    """Compile the kernels as the command line says, print the results, and return 1 if a compiler complains, else 0."""
    parser = argparse.ArgumentParser(prog="python -m kernels.host.lint", description=__doc__)
    parser.add_argument("--all", action="store_true", help="every g++ and clang++ on the PATH, every processor")
    parser.add_argument("sources", nargs="*", type=Path, metavar="SOURCE", help="compiled beside the kernels")
    arguments = parser.parse_args()
    names, marchs = (compilers(), MARCHS) if arguments.all else ([default_compiler()], QUICK)
    found = complaints(names, marchs, [*sorted(KERNELS.rglob("*.cc")), *arguments.sources])
    for pair, texts in found.items():
        sys.stdout.write("\n".join([f"{pair}: {'refused' if texts else 'ok'}", *texts, ""]))
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main())
