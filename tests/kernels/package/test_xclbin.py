"""The xclbin container, and the sections of an overlay's xclbin."""

from __future__ import annotations

import contextlib
import struct
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.package import xclbin
from kernels.package.axlf import Axlf, Section, SectionKind, XclbinError, pack, unpack

UUID_1 = UUID("01234567-89ab-cdef-0123-456789abcdef")
SIMULATED = xclbin.write_simulated(UUID_1, 2, b'{"design": "x"}')
REAL = xclbin.write(UUID_1, 4, xclbin.PDI_MAGIC + bytes(range(256)))

names = st.text("abc_", max_size=15)
sections = st.lists(st.builds(Section, st.integers(0, 40), names, st.binary(max_size=50)), max_size=5).map(tuple)


@given(st.uuids(), sections, names, st.integers(0, 1 << 62))
def test_a_container_comes_back(uuid: UUID, parts: tuple[Section, ...], platform: str, timestamp: int) -> None:
    axlf = Axlf(uuid, parts, platform, timestamp)
    data = pack(axlf)
    assert unpack(data) == axlf
    assert data[416:432] == uuid.bytes  # where loaders look for it
    assert struct.unpack_from("<Q", data, 304)[0] == len(data)


def test_an_overlay_comes_back() -> None:
    assert xclbin.read(SIMULATED) == xclbin.Xclbin(UUID_1, "MLIR_AIE", 5, 2, xclbin.SIMULATED + b'{"design": "x"}')
    assert xclbin.read(SIMULATED).simulated == b'{"design": "x"}'
    assert (xclbin.read(REAL).columns, xclbin.read(REAL).simulated) == (4, None)


def test_no_chip_takes_a_simulated_design() -> None:
    """The bytes in place of the configuration neither begin as one nor contain one."""
    assert xclbin.PDI_MAGIC not in SIMULATED
    assert unpack(SIMULATED).platform == "simulated"
    assert b"NOT FOR A CHIP" in SIMULATED


def test_the_parts_that_xrt_goes_by() -> None:
    """Offsets and constants were read from an xclbin that aiecc wrote."""
    axlf = unpack(REAL)
    partition = axlf.section(SectionKind.AIE_PARTITION)
    assert struct.unpack_from("<I", partition, 8)[0] == 2048
    assert struct.unpack_from("<QQH", partition, 16) == (23423, 12345, 4)
    assert struct.unpack_from("<II", partition, 120) == (1, 184)
    assert axlf.section(SectionKind.MEM_TOPOLOGY)[:4] == b"\2\0\0\0"
    memory = struct.unpack_from("<BB6xQQ16s", axlf.section(SectionKind.MEM_TOPOLOGY), 8)
    assert memory == (2, 1, 0x10000, 0x4000000, b"HOST".ljust(16, b"\0"))
    assert struct.unpack_from("<II", axlf.section(SectionKind.IP_LAYOUT), 8) == (7, 0x09010001)
    assert axlf.section(SectionKind.IP_LAYOUT)[24:39] == b"MLIR_AIE:MLIRAI"
    count, *links = struct.unpack("<i18i", axlf.section(SectionKind.CONNECTIVITY))
    assert (count, links[::3], links[2::3]) == (6, [1, 3, 4, 5, 6, 7], [1, 0, 0, 0, 0, 0])
    assert axlf.section(SectionKind.GROUP_TOPOLOGY) == axlf.section(SectionKind.MEM_TOPOLOGY)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "does not begin with xclbin2"),
        (b"xclbin2\0", "and a header"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (REAL[:-1], "copy or build it again"),
        (REAL + b"\0", "copy or build it again"),
        (REAL[:8] + bytes(4) + REAL[12:], "is signed"),
        (REAL[:448] + struct.pack("<I", 1_000_000) + REAL[452:], "too short"),
        (REAL[:480] + struct.pack("<Q", 8) + REAL[488:], "Section mem_topology lies at 8"),
        (REAL.replace(xclbin.PDI_MAGIC, bytes(16)), "neither a PDI nor a simulated design"),
        (REAL.replace(b'type="dpu"', b'type="pl_"'), "an overlay is one of type dpu"),
        (REAL.replace(b"<project", b"<!-- ect"), "declares entities"),
        (REAL.replace(b"</kernel>", b"</karnel>"), "is no XML"),
        (REAL[:496] + struct.pack("<I", 40) + REAL[500:], "0 sections AIE_PARTITION"),
    ],
)
def test_malformed(data: bytes, message: str) -> None:
    with pytest.raises(XclbinError, match=message):
        xclbin.read(data)


@given(st.data())
@settings(max_examples=300)
def test_reading_never_fails_otherwise(data: st.DataObject) -> None:
    broken = bytearray(data.draw(st.sampled_from([SIMULATED, REAL])))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(broken) - 1))
        if data.draw(st.booleans()):
            broken[at] = data.draw(st.integers(0, 255))
        else:
            broken[at : at + 4] = struct.pack("<I", data.draw(st.integers(0, (1 << 32) - 1)))
    with contextlib.suppress(XclbinError):
        assert xclbin.read(bytes(broken)).columns >= 0
