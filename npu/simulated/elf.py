"""ELF files, the other way to bring programs to an NPU: not simulated, so every file is refused as a bad one is."""

from __future__ import annotations


class Elf:
    """pyxrt.elf"""

    def _open(self, path: str) -> None:
        raise RuntimeError(f"{path} is not found or is not a valid ELF file")


class ElfModule:
    """pyxrt.module: there is never an ELF to make one of."""

    def _of(self, *_: object) -> None:
        raise NotImplementedError


class ElfProgram(ElfModule):
    """pyxrt.program"""
