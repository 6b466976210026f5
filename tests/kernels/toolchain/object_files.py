"""Object files built for tests: 32-bit ELF, each function with its section, frame and relocations, as LLVM writes."""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEADER, SECTION, SYMBOL, RELOCATION = 52, 40, 16, 12
PROGBITS, SYMTAB, STRTAB, RELA = 1, 2, 3, 4
AIE = 264


@dataclass(frozen=True)
class Code:
    """A function of ``size`` bytes of code; ``frame`` None records no stack size."""

    frame: int | None = 0
    calls: tuple[str, ...] = ()
    size: int = 64


def uleb(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + uleb(rest) if rest else bytes([low])


class _Strings:
    def __init__(self) -> None:
        self.data = b"\0"

    def add(self, text: str) -> int:
        at = len(self.data)
        self.data += text.encode() + b"\0"
        return at


def make(functions: dict[str, Code]) -> bytes:
    """Return an ELF object with these functions; a function that is called and not given is an undefined symbol."""
    names, strings = _Strings(), _Strings()
    called = [name for code in functions.values() for name in code.calls if name not in functions]
    order = [*functions, *dict.fromkeys(called)]
    sections: list[list[int]] = [[0] * 10]
    body = b""

    def section(name: str, kind: int, data: bytes, flags: int = 0, link: int = 0, info: int = 0, entry: int = 0) -> int:
        nonlocal body
        sections.append([names.add(name), kind, flags, 0, HEADER + len(body), len(data), link, info, 4, entry])
        body += data
        return len(sections) - 1

    symtab = 1 + 2 * len(functions) + 2 * sum(code.frame is not None for code in functions.values())
    at = {name: section(f".text.{name}", PROGBITS, bytes(code.size), 6) for name, code in functions.items()}
    for name, code in functions.items():
        table = [(8 * n, order.index(call) + 1) for n, call in enumerate(code.calls)]
        section(f".rela.text.{name}", RELA, _relocations(table), 0, symtab, at[name], RELOCATION)
    for name, code in functions.items():
        if code.frame is not None:
            sizes = section(".stack_sizes", PROGBITS, bytes(4) + uleb(code.frame), 0x80, at[name])
            here = [(0, order.index(name) + 1)]
            section(".rela.stack_sizes", RELA, _relocations(here), 0, symtab, sizes, RELOCATION)
    symbols = bytes(SYMBOL) + b"".join(_symbol(strings.add(name), at.get(name, 0)) for name in order)
    assert section(".symtab", SYMTAB, symbols, 0, symtab + 1, 1, SYMBOL) == symtab
    section(".strtab", STRTAB, strings.data)
    names.add(".shstrtab")
    section(".shstrtab", STRTAB, names.data + b".shstrtab\0")
    headers = b"".join(struct.pack("<10I", *fields) for fields in sections)
    ident = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    rest = (1, AIE, 1, 0, 0, HEADER + len(body), 0, HEADER, 0, 0, SECTION, len(sections), len(sections) - 1)
    return ident + struct.pack("<HHIIIIIHHHHHH", *rest) + body + headers


def _relocations(places: list[tuple[int, int]]) -> bytes:
    return b"".join(struct.pack("<IIi", offset, symbol << 8 | 1, 0) for offset, symbol in places)


def _symbol(name: int, section: int) -> bytes:
    kind = 0x12 if section else 0x10  # global function, or global of no type
    return struct.pack("<IIIBBH", name, 0, 0, kind, 0, section)
