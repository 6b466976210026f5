"""The reader and writer of an overlay's xclbin, with the sections that aiecc and xclbinutil write.

Sections: generateMemTopologyJson, generateKernelsJson and generatePartitionJson of tools/aiecc/aiecc.cpp,
mlir-aie@97962964; their binary form: xclbin.h of XRT@963c58ee, read as get_aie_partition and get_kernel_arguments of
xclbin_parser.cpp do. XRT 2.13 has read kernel, arguments and memories of an xclbin written here; no XRT has read its
AIE partition.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from uuid import UUID
from xml.etree import ElementTree as ET

from kernels.array.hardware import LAUNCH_ARGUMENTS
from kernels.package.axlf import Axlf, Section, SectionKind, XclbinError, pack, unpack

KERNEL, INSTANCE, KERNEL_ID = "MLIR_AIE", "MLIRAIE", 0x901
BUFFERS = LAUNCH_ARGUMENTS
ARGUMENTS = (  # name, C type, bytes, offset, memory
    ("opcode", "uint64_t", 8, 0x00, None),
    ("instr", "char *", 8, 0x08, "SRAM"),
    ("ninstr", "uint32_t", 4, 0x10, None),
    *((f"bo{n}", "void*", 8, 0x14 + 8 * n, "HOST") for n in range(BUFFERS)),
)
MEMORIES = (("HOST", 0x10000), ("SRAM", 0xC000))  # KB
MEMORY_BASE = 0x4000000
START_COLUMNS = {1: (1, 2, 3, 4), 2: (1, 2, 3), 4: (0,)}

MEMORY = struct.Struct("<BB6xQQ16s")
CONNECTION = struct.Struct("<iii")
IP = struct.Struct("<IIQ64s")
IP_PS_KERNEL, NOT_MAPPED = 7, (1 << 64) - 1
DPU = 1  # subtype, below the kernel's id
PARTITION = struct.Struct("<B3xII4xQQH6xII72xIII52x")
PDI = struct.Struct("<16sIIII64x")
CDO_GROUP = struct.Struct("<IB3xQIIII64x")
COUNT = struct.Struct("<I4x")
PRIMARY, FIRST_PDI, PRE_CDO_GROUP = 1, 1, 0xC1
OPERATIONS, INFERENCE, PRE_POST = 2048, 23423, 12345  # constants of generatePartitionJson

PDI_MAGIC = bytes.fromhex("dd000000 44332211 88776655 ccbbaa99")  # how bootgen begins a PDI
SIMULATED = b"SIMULATED DESIGN, NOT FOR A CHIP\n"


@dataclass(frozen=True, slots=True)
class Xclbin:
    """The fields of an xclbin that a loader reads.

    ``kernel`` is the kernel's name, ``buffers`` the number of launch arguments, ``columns`` the width of the partition,
    ``pdi`` the configuration of the array.
    """

    uuid: UUID
    kernel: str
    buffers: int
    columns: int
    pdi: bytes

    @property
    def simulated(self) -> bytes | None:
        """The description of a simulated design, which replaces the configuration; None in an xclbin for a chip."""
        return self.pdi[len(SIMULATED) :] if self.pdi.startswith(SIMULATED) else None


def write(uuid: UUID, columns: int, pdi: bytes, platform: str = "") -> bytes:
    """Return the bytes of an overlay's xclbin, as aiecc and xclbinutil would write it for the configuration ``pdi``."""
    sections = (
        Section(SectionKind.MEM_TOPOLOGY, "mem_topology", _memories()),
        Section(SectionKind.AIE_PARTITION, "aie_partition", _partition(columns, pdi, uuid)),
        Section(SectionKind.EMBEDDED_METADATA, "embedded_metad", _metadata()),
        Section(SectionKind.IP_LAYOUT, "ip_layout", _ip_layout()),
        Section(SectionKind.CONNECTIVITY, "connectivity", _connections()),
        Section(SectionKind.GROUP_CONNECTIVITY, "group_connecti", _connections()),
        Section(SectionKind.GROUP_TOPOLOGY, "group_topology", _memories()),
    )
    return pack(Axlf(uuid, sections, platform))


def write_simulated(uuid: UUID, columns: int, description: bytes) -> bytes:
    """Return the bytes of an xclbin for the simulated device, which no chip can be configured with.

    ``description`` replaces the configuration.
    """
    return write(uuid, columns, SIMULATED + description, platform="simulated")


def read(data: bytes) -> Xclbin:
    """Decode an xclbin from bytes. Raises XclbinError if it is damaged, or not that of one overlay of an NPU."""
    axlf = unpack(data)
    try:
        kernel, buffers = _kernel(axlf.section(SectionKind.EMBEDDED_METADATA))
        columns, pdi = _pdi(axlf.section(SectionKind.AIE_PARTITION))
    except (struct.error, IndexError):
        raise XclbinError("The xclbin's AIE partition points outside itself: copy or build it again.") from None
    if not pdi.startswith((PDI_MAGIC, SIMULATED)):
        raise XclbinError("The xclbin's configuration is neither a PDI nor a simulated design.")
    return Xclbin(axlf.uuid, kernel, buffers, columns, pdi)


def _kernel(xml: bytes) -> tuple[str, int]:
    try:
        text = xml.rstrip(b"\0").decode("utf-8")  # as text, so that no encoding of its own hides anything
        if "<!" in text:
            raise XclbinError("The xclbin's metadata declares entities.")
        project = ET.fromstring(text)  # noqa: S314  # entities are refused above
    except (ET.ParseError, ValueError) as error:
        raise XclbinError(f"The xclbin's metadata is no XML: {error}.") from None
    kernels = project.findall("platform/device/core/kernel")
    if len(kernels) != 1 or kernels[0].get("type") != "dpu":
        raise XclbinError(f"The xclbin holds {len(kernels)} kernels; an overlay is one of type dpu.")
    buffers = [arg for arg in kernels[0].findall("arg") if arg.get("name", "").startswith("bo")]
    return kernels[0].get("name", ""), len(buffers)


def _pdi(section: bytes) -> tuple[int, bytes]:
    fields = PARTITION.unpack_from(section)
    width, count, offset = fields[5], fields[8], fields[9]
    if count != 1:
        raise XclbinError(f"The xclbin holds {count} configurations; an overlay is one.")
    _, size, at, _, _ = PDI.unpack_from(section, offset)
    if at + size > len(section):
        raise IndexError
    return width, section[at : at + size]


def _memories() -> bytes:
    entries = [MEMORY.pack(2, 1, size, MEMORY_BASE, tag.encode()) for tag, size in MEMORIES]
    return COUNT.pack(len(entries)) + b"".join(entries)


def _connections() -> bytes:
    tags = [tag for tag, _ in MEMORIES]
    entries = [
        CONNECTION.pack(number, 0, tags.index(memory)) for number, (*_, memory) in enumerate(ARGUMENTS) if memory
    ]
    return struct.pack("<i", len(entries)) + b"".join(entries)


def _ip_layout() -> bytes:
    name = f"{KERNEL}:{INSTANCE}".encode()
    return COUNT.pack(1) + IP.pack(IP_PS_KERNEL, KERNEL_ID << 16 | DPU, NOT_MAPPED, name)


def _metadata() -> bytes:
    project = ET.Element("project", name="")
    platform = ET.SubElement(project, "platform", vendor="", boardid="", name="", featureRomTime="0")
    device = ET.SubElement(platform, "device", name="fpga0", fpgaDevice="", addrWidth="0")
    core = ET.SubElement(device, "core", name="OCL_REGION_0", target="hw", type="clc_region")
    kernel = ET.SubElement(core, "kernel", name=KERNEL, language="c", type="dpu")
    extended = {"subtype": "DPU", "functional": "0", "dpu_kernel_id": hex(KERNEL_ID)}
    ET.SubElement(kernel, "extended-data", extended)
    for number, (name, kind, size, offset, memory) in enumerate(ARGUMENTS):
        place = {"size": hex(size), "offset": hex(offset), "hostOffset": "0x0", "hostSize": hex(size)}
        first = {"name": name, "addressQualifier": "1" if memory else "0", "id": str(number)}
        ET.SubElement(kernel, "arg", {**first, **place, "type": kind})
    ET.SubElement(kernel, "instance", name=INSTANCE)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(project)


def _partition(columns: int, pdi: bytes, uuid: UUID) -> bytes:
    """Return the bytes of the section AIE_PARTITION.

    Fixed structures come first, then the data that they point to: names, start columns, ids, the configuration.
    """
    at = PARTITION.size + PDI.size + CDO_GROUP.size
    texts, places = b"", []
    starts = START_COLUMNS[columns]
    for piece in (
        b"QoS\0",
        b"DPU\0",
        struct.pack(f"<{len(starts)}H", *starts),
        struct.pack("<Q", KERNEL_ID),
        struct.pack("<I", PRE_CDO_GROUP),
        pdi,
    ):
        texts += bytes(-(at + len(texts)) % 8)
        places.append(at + len(texts))
        texts += piece
    name, group_name, columns_at, ids_at, groups_at, pdi_at = places
    partition = PARTITION.pack(
        0, name, OPERATIONS, INFERENCE, PRE_POST, columns, len(starts), columns_at, 1, PARTITION.size, 0
    )
    entry = PDI.pack(uuid.bytes, len(pdi), pdi_at, 1, PARTITION.size + PDI.size)
    group = CDO_GROUP.pack(group_name, PRIMARY, FIRST_PDI, 1, ids_at, 1, groups_at)
    return partition + entry + group + texts
