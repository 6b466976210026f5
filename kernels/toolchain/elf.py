"""The reader of object files: the stack of every function, the functions that it may call, and the size of the code.

The objects are compiled with ``-ffunction-sections -fstack-size-section``: each function has its own section, LLVM
records its frame in ``.stack_sizes`` (llvm/docs/Extensions.rst, "Emitting function stack size information"), and every
symbol in the relocations of its section is counted as a call. ELF of 32 and 64 bits, little endian.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from kernels.errors import KernelsError

RELA, REL = 4, 9
EXECUTABLE = 0x4
FUNCTION, SECTION = 2, 3
SPECIAL = 0xFF00  # SHN_LORESERVE: higher section numbers have a special meaning


class ObjectError(KernelsError):
    """An object file that cannot be read, or a program whose stack cannot be determined."""


@dataclass(frozen=True, slots=True)
class CompiledFunction:
    """The stack and the calls of one function in an object file.

    ``frame`` is the stack of the function alone in bytes, None if it is not recorded; ``calls`` are the names of
    functions that it may call.
    """

    frame: int | None
    calls: frozenset[str]


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """The content of an object file: its functions by name, and ``text``, the bytes of all executable sections."""

    functions: Mapping[str, CompiledFunction]
    text: int


def read(data: bytes) -> ObjectFile:
    """Read an object file or an executable from its bytes. Raises ObjectError if it is not an ELF file."""
    try:
        return _Elf(data).object_file()
    except (struct.error, LookupError, ValueError) as error:
        raise ObjectError(f"Not an ELF file that can be read: {error}.") from None


def merged(files: Iterable[ObjectFile]) -> dict[str, CompiledFunction]:
    """Return the functions of all these object files, which are linked together, by name."""
    return {name: function for file in files for name, function in file.functions.items()}


def deepest(
    functions: Mapping[str, CompiledFunction], entry: str, data: Collection[str] = (), above: tuple[str, ...] = ()
) -> int:
    """Return the most stack, in bytes, that ``entry`` and the functions that it calls can take together.

    ``data`` are names of symbols that are not functions; ``above`` are the callers of ``entry``, outermost first.
    Raises ObjectError for recursion, and for functions whose stack is not recorded.
    """
    function, chain = functions.get(entry), " -> ".join((*above, entry))
    if entry in above:
        raise ObjectError(f"The calls {chain} go round: a stack without end.")
    if function is None or function.frame is None:
        raise ObjectError(
            f"The stack of {entry} is not known ({chain}): it comes from a library, soft floating point perhaps; "
            "write the kernel without it."
        )
    calls = (deepest(functions, call, data, (*above, entry)) for call in function.calls if call not in data)
    return function.frame + max(calls, default=0)


class _Section(NamedTuple):
    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry: int


class _Symbol(NamedTuple):
    name: str
    kind: int
    section: int
    value: int


class _Relocation(NamedTuple):
    offset: int
    symbol: _Symbol
    addend: int


class _Elf:
    """A parser of an ELF file, which holds the file's section and symbol tables."""

    def __init__(self, data: bytes) -> None:
        if data[:4] != b"\x7fELF" or data[4] not in (1, 2) or data[5] != 1:
            raise ObjectError("Not an ELF file of 32 or 64 bits, little endian.")
        self.data, self.wide = data, data[4] == 2
        (offset,) = struct.unpack_from("<Q" if self.wide else "<I", data, 40 if self.wide else 32)
        size, count, names = struct.unpack_from("<HHH", data, 58 if self.wide else 46)
        layout = "<IIQQQQIIQQ" if self.wide else "<10I"
        self.sections = [_Section(*struct.unpack_from(layout, data, offset + size * n)) for n in range(count)]
        self.names = self.sections[names]
        tables = [section for section in self.sections if self.name(section) == ".symtab"]
        self.symbols = [symbol for table in tables for symbol in self.table(table)]
        self.at = {(symbol.section, symbol.value): symbol.name for symbol in self.symbols if symbol.kind == FUNCTION}

    def object_file(self) -> ObjectFile:
        frames, calls = dict(self.frames()), self.calls()
        defined = [symbol for symbol in self.symbols if symbol.kind == FUNCTION and 0 < symbol.section < SPECIAL]
        functions = {
            symbol.name: CompiledFunction(frames.get(symbol.name), frozenset(calls[symbol.section]))
            for symbol in defined
        }
        return ObjectFile(functions, sum(section.size for section in self.sections if section.flags & EXECUTABLE))

    def frames(self) -> Iterator[tuple[str, int]]:
        """Yield the name and the stack frame in bytes of each function, from the sections ``.stack_sizes``.

        An entry of such a section is an address, set by a relocation, and a ULEB128 number.
        """
        width = 8 if self.wide else 4
        for number, section in enumerate(self.sections):
            if self.name(section) == ".stack_sizes":
                for relocation in self.relocations(number):
                    yield self.target(relocation), self.uleb(section.offset + relocation.offset + width)

    def calls(self) -> dict[int, set[str]]:
        """Return the names of functions that each executable section refers to, by number of the section."""
        found: dict[int, set[str]] = defaultdict(set)
        for number, section in enumerate(self.sections):
            if section.flags & EXECUTABLE:
                for relocation in self.relocations(number):
                    if self.is_code(relocation.symbol):
                        found[number].add(self.target(relocation))
        return found

    def is_code(self, symbol: _Symbol) -> bool:
        """Return whether a symbol may be a function: in an executable section, or undefined here."""
        if 0 < symbol.section < SPECIAL:
            return bool(self.sections[symbol.section].flags & EXECUTABLE)
        return symbol.section == 0 and bool(symbol.name)

    def target(self, relocation: _Relocation) -> str:
        """Return the name of the function that a relocation refers to."""
        symbol = relocation.symbol
        if symbol.kind != SECTION:
            return symbol.name
        within = [name for (section, _), name in self.at.items() if section == symbol.section]
        return (
            within[0] if len(within) == 1 else self.at.get((symbol.section, relocation.addend), "a nameless function")
        )

    def relocations(self, section: int) -> Iterator[_Relocation]:
        for table in self.sections:
            if table.kind not in (RELA, REL) or table.info != section:
                continue
            layout = {8: "<II", 12: "<IIi", 16: "<QQ", 24: "<QQq"}[table.entry]
            for at in range(table.offset, table.offset + table.size, table.entry):
                offset, info, *addend = struct.unpack_from(layout, self.data, at)
                symbol = self.symbols[info >> 32 if self.wide else info >> 8]
                yield _Relocation(offset, symbol, addend[0] if addend else 0)

    def table(self, symtab: _Section) -> Iterator[_Symbol]:
        strings = self.sections[symtab.link]
        for at in range(symtab.offset, symtab.offset + symtab.size, symtab.entry):
            if self.wide:
                name, info, _, section, value, _ = struct.unpack_from("<IBBHQQ", self.data, at)
            else:
                name, value, _, info, _, section = struct.unpack_from("<IIIBBH", self.data, at)
            yield _Symbol(self.text(strings, name), info & 0xF, section, value)

    def name(self, section: _Section) -> str:
        return self.text(self.names, section.name)

    def text(self, strings: _Section, at: int) -> str:
        start = strings.offset + at
        return self.data[start : self.data.index(b"\0", start)].decode("ascii")

    def uleb(self, at: int) -> int:
        number = shift = 0
        while True:
            byte = self.data[at]
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            at, shift = at + 1, shift + 7
