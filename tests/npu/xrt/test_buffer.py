"""Buffers: after a sync of a range, the device sees what the host wrote to it, and the other way round."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu.simulated import Machine
from npu.xrt.buffer import Buffer
from tests.npu.conftest import DESIGNS

SIZE = 256


def made(nbytes: int = SIZE) -> Buffer:
    module = Machine(designs=DESIGNS).pyxrt
    return Buffer(module.bo(module.device(0), nbytes, module.bo.host_only, 0), module.xclBOSyncDirection, nbytes)


def device_side(buffer: Buffer) -> bytes:
    """Return the bytes of a buffer that a launch would see."""
    return bytes(buffer.bo._device)  # type: ignore[attr-defined]


def test_a_new_buffer_is_zeros_on_both_sides() -> None:
    buffer = made()
    assert not buffer.view().any()
    assert device_side(buffer) == bytes(SIZE)


operations = st.lists(
    st.tuples(
        st.sampled_from(["write", "to", "from"]), st.integers(0, SIZE), st.integers(0, SIZE), st.binary(max_size=1)
    ),
    max_size=12,
)


@given(operations)
def test_ranges(steps: list[tuple[str, int, int, bytes]]) -> None:
    buffer, host, device = made(), bytearray(SIZE), bytearray(SIZE)
    for what, *bounds, value in steps:
        first, end = sorted(bounds)
        if what == "write":
            fill = value or b"\x01"
            buffer.view(offset=first, elements=end - first)[:] = fill[0]
            host[first:end] = fill * (end - first)
        elif what == "to":
            buffer.to_device(first, end - first)
            device[first:end] = host[first:end]
        else:
            buffer.from_device(first, end - first)
            host[first:end] = device[first:end]
    assert buffer.view().tobytes() == host
    assert device_side(buffer) == device


def test_views_are_of_one_memory() -> None:
    buffer = made()
    buffer.view(np.uint16, offset=4, elements=2)[:] = 0x1234, 0x5678
    assert buffer.view(np.uint8, 4, 4).tobytes() == b"\x34\x12\x78\x56"
    assert buffer.view(np.float32).shape == (SIZE // 4,)


@pytest.mark.parametrize(("offset", "elements"), [(-1, 1), (0, SIZE + 1), (SIZE, 1), (0, -1), (SIZE + 8, None)])
def test_a_view_outside(offset: int, elements: int | None) -> None:
    with pytest.raises(ValueError, match="of a buffer of 256"):
        made().view(np.uint8, offset, elements)


@pytest.mark.parametrize(("offset", "nbytes"), [(-4, 4), (0, SIZE + 1), (SIZE, 1), (SIZE + 1, None), (8, -1)])
def test_a_sync_outside(offset: int, nbytes: int | None) -> None:
    buffer = made()
    for sync in (buffer.to_device, buffer.from_device):
        with pytest.raises(ValueError, match="of a buffer of 256"):
            sync(offset, nbytes)


def test_a_closed_buffer() -> None:
    buffer = made()
    buffer.close()
    for call in (buffer.view, buffer.to_device, buffer.from_device):
        with pytest.raises(ValueError, match="The buffer is closed"):
            call()
