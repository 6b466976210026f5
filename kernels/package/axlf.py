"""The reader and writer of axlf, the container format of an xclbin: a header with a UUID, and sections of bytes.

Little endian. The layout is that of struct axlf, axlf_header and axlf_section_header of XRT,
src/runtime_src/core/include/xrt/detail/xclbin.h@963c58ee. Signed containers are refused.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

from kernels.errors import KernelsError

MAGIC = b"xclbin2\0"
FRONT = struct.Struct("<8si28s256sQ")  # magic, length of the signature, reserved, key block, unique id
HEADER = struct.Struct("<QQQHBBHH16s64s16s16sI4x")
SECTION = struct.Struct("<I16s4xQQ")  # kind, name, offset, bytes
ALIGNMENT = 8
UNSIGNED = -1


class XclbinError(KernelsError):
    """A file that is not an xclbin, or not one of an NPU overlay; the message has the fault and the cure."""


class SectionKind(IntEnum):
    """The kinds of sections in an xclbin for an NPU (enum axlf_section_kind)."""

    EMBEDDED_METADATA = 2
    MEM_TOPOLOGY = 6
    CONNECTIVITY = 7
    IP_LAYOUT = 8
    GROUP_TOPOLOGY = 26
    GROUP_CONNECTIVITY = 27
    AIE_PARTITION = 32


@dataclass(frozen=True, slots=True)
class Section:
    """One section of an xclbin; ``kind`` is a ``SectionKind``, or the number of a kind that no NPU needs."""

    kind: int
    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Axlf:
    """The content of an axlf container.

    ``platform`` is the VBNV text (vendor, board, name, version), ``timestamp`` is in seconds since 1970.
    """

    uuid: UUID
    sections: tuple[Section, ...]
    platform: str = ""
    timestamp: int = 0

    def section(self, kind: SectionKind) -> bytes:
        """Return the data of the only section of a kind. Raises XclbinError if there are none or several."""
        found = [section.data for section in self.sections if section.kind == kind]
        if len(found) != 1:
            raise XclbinError(f"The xclbin has {len(found)} sections {kind.name}; one of an NPU has one.")
        return found[0]


def pack(axlf: Axlf) -> bytes:
    """Encode a container as bytes; ``unpack`` is the inverse."""
    at = FRONT.size + HEADER.size + SECTION.size * len(axlf.sections)
    table, body = b"", b""
    for section in axlf.sections:
        padding = -(at + len(body)) % ALIGNMENT
        body += bytes(padding)
        table += SECTION.pack(section.kind, section.name.encode(), at + len(body), len(section.data))
        body += section.data
    platform, uuid, count = axlf.platform.encode(), axlf.uuid.bytes, len(axlf.sections)
    front = FRONT.pack(MAGIC, UNSIGNED, b"\xff" * 28, bytes(256), axlf.timestamp)
    header = HEADER.pack(at + len(body), axlf.timestamp, 0, 0, 2, 0, 0, 0, bytes(16), platform, uuid, bytes(16), count)
    return front + header + table + body


def unpack(data: bytes) -> Axlf:
    """Decode a container from bytes.

    Raises XclbinError for other data, for a cut or padded file, and for sections outside the file.
    """
    if data.startswith(b"version https://git-lfs"):
        raise XclbinError("This is a Git LFS pointer, not the xclbin itself: fetch the file with `git lfs pull`.")
    if len(data) < FRONT.size + HEADER.size or not data.startswith(MAGIC):
        raise XclbinError(f"Not an xclbin: it does not begin with {MAGIC[:7].decode()} and a header.")
    _, signature, _, _, _ = FRONT.unpack_from(data)
    length, timestamp, _, _, _, _, _, _, _, platform, uuid, _, count = HEADER.unpack_from(data, FRONT.size)
    if signature != UNSIGNED:
        raise XclbinError("The xclbin is signed; those of an NPU are not.")
    if length != len(data):
        raise XclbinError(f"The xclbin says it has {length} bytes, the file has {len(data)}: copy or build it again.")
    body = FRONT.size + HEADER.size + SECTION.size * count
    if body > len(data):
        raise XclbinError(f"The xclbin says it has {count} sections, which the file is too short for.")
    sections = tuple(_section(data, n, body) for n in range(count))
    return Axlf(UUID(bytes=uuid), sections, _text(platform), timestamp)


def _section(data: bytes, number: int, body: int) -> Section:
    kind, name, offset, size = SECTION.unpack_from(data, FRONT.size + HEADER.size + SECTION.size * number)
    if offset < body or offset + size > len(data):
        raise XclbinError(f"Section {_text(name)} lies at {offset} to {offset + size} of a file of {len(data)} bytes.")
    return Section(kind, _text(name), data[offset : offset + size])


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("ascii", "replace")
