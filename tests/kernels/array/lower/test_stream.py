"""Instruction streams: equal to aiecc's byte for byte, read strictly, and the same tasks in both directions."""

from __future__ import annotations

import struct
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kernels.array.design import Design, ObjectFifo
from kernels.array.lower.encode import encode, encode_all, planned
from kernels.array.lower.shim_registers import ShimChannel, bd_address, bd_words, queue_word
from kernels.array.lower.stream import ShimTask, Wait, channels, tasks
from kernels.array.lower.transaction import (
    BlockWrite,
    Instruction,
    InstructionStream,
    MaskWrite,
    Patch,
    Sync,
    Write,
    assemble,
    decode,
)
from kernels.array.pattern import Pattern, unfolded
from kernels.array.sequence import Await, Free, Sequence, Start, Step, Transfer
from kernels.array.tile import ITEM_BYTES, Dim, Tile
from kernels.errors import DesignError, StreamError
from tests.kernels.array import scale, wide

STREAMS = Path(__file__).parent / "streams"
CASES = [(module.design(), sequence) for module in (scale, wide) for sequence in module.design().sequences]
NAMES = [f"{design.name}_{sequence.name}" for design, sequence in CASES]
RUN = (STREAMS / "scale_run.bin").read_bytes()
IN = ShimChannel(0, "MM2S", 0)


@pytest.mark.parametrize(("design", "sequence"), CASES, ids=NAMES)
def test_the_bytes_are_those_of_aiecc(design: Design, sequence: Sequence) -> None:
    real = (STREAMS / f"{design.name}_{sequence.name}.bin").read_bytes()
    assert encode(design, next(candidate for candidate in design.sequences if candidate.name == sequence.name)) == real
    assert assemble(decode(real)) == real


def test_all_at_once_are_the_same() -> None:
    design = wide.design()
    assert encode_all(design) == {sequence.name: encode(design, sequence) for sequence in design.sequences}


def test_channels_are_handed_out_in_fifo_order() -> None:
    assert channels(wide.design()) == {
        "in0": ShimChannel(0, "MM2S", 0),
        "in_far": ShimChannel(1, "MM2S", 0),
        "in1": ShimChannel(0, "MM2S", 1),
        "out": ShimChannel(0, "S2MM", 0),
    }


def one_task(start: Start, *steps: Step) -> tuple[ShimTask | Wait, ...]:
    """Encode a sequence of one task, and return the steps that the chip takes for it, read from the bytes."""
    sequence = Sequence("one", wide.ARGUMENTS, (start, *steps))
    design = replace(wide.design(), sequences=(sequence,))
    found = tasks(decode(encode(design, sequence)))
    assert [_visits(step) for step in found] == [_visits(step) for step in planned(design, sequence)]
    return found


def _visits(step: ShimTask | Wait) -> object:
    if isinstance(step, Wait):
        return step.channel
    passes = step.repeat + 1
    patterns = [descriptor.pattern for descriptor in step.chain]
    places = [[pattern.indices(number).tolist() for pattern in patterns] for number in range(min(passes, 5))]
    return step.channel, [(descriptor.bd, descriptor.argument) for descriptor in step.chain], passes, step.token, places


def words_of(transfer: Transfer, number: int) -> list[int]:
    """Return the 32-bit words that pass ``number`` of a transfer visits, by the plain loops of the definition."""
    item = ITEM_BYTES[dict(wide.ARGUMENTS)[transfer.argument].dtype]
    step, inner = (transfer.dims[0], transfer.dims[1:]) if len(transfer.dims) == 4 else (Dim(1, 0), transfer.dims)
    loops = [range(dim.size) for dim in inner] or [range(transfer.length)]
    strides = [dim.stride for dim in inner] or [1]
    start = transfer.offset + number % step.size * step.stride
    elements = [start + sum(i * s for i, s in zip(at, strides, strict=True)) for at in product(*loops)]
    return [element * item // 4 for element in elements[:: 4 // item]]


sizes = st.sampled_from([1, 2, 3, 8, 20])
dims = st.lists(st.builds(Dim, sizes, st.sampled_from([0, 4, 8, 64, 100, 512])), max_size=3)


@st.composite
def transfers(draw: st.DrawFn) -> Transfer:
    argument = draw(st.sampled_from("whb"))
    inner = [*draw(dims)[:2], Dim(draw(st.sampled_from([4, 16, 64])), 1)]
    outer = draw(st.lists(st.builds(Dim, st.integers(1, 4), st.sampled_from([0, 64, 4_096])), max_size=1))
    chosen = (*outer, *[Dim(1, 0)] * (3 - len(inner)), *inner) if outer else tuple(inner)
    length = int(np.prod([dim.size for dim in inner]))
    return Transfer(argument, 4 * draw(st.integers(0, 99)), length, chosen)


@given(transfers(), st.booleans())
def test_a_transfer_comes_back_as_what_it_visits(transfer: Transfer, token: bool) -> None:
    assume(all(dim.stride or dim.size == 1 for dim in transfer.dims[-3:]))
    passes = transfer.dims[0].size if len(transfer.dims) == 4 else 3
    (task,) = one_task(Start("t", "in1", (transfer,), passes - 1, token))
    assert isinstance(task, ShimTask)
    assert (task.channel, task.token) == (ShimChannel(0, "MM2S", 1), token)
    (descriptor,) = task.chain
    moved = [place for number in range(task.repeat + 1) for place in descriptor.pattern.indices(number)]
    assert moved == [place for number in range(passes) for place in words_of(transfer, number)]


@given(st.lists(transfers().filter(lambda t: len(t.dims) < 4), min_size=1, max_size=4), st.integers(0, 255))
def test_a_chain_comes_back_in_order(chain: list[Transfer], repeat: int) -> None:
    assume(all(dim.stride or dim.size == 1 for transfer in chain for dim in transfer.dims))
    task, wait = one_task(Start("t", "out", tuple(chain), repeat, True), Await("t"))
    assert isinstance(task, ShimTask)
    assert [descriptor.pattern.indices().tolist() for descriptor in task.chain] == [words_of(t, 0) for t in chain]
    assert (task.repeat, [descriptor.bd for descriptor in task.chain]) == (repeat, list(range(len(chain))))
    assert wait == Wait(ShimChannel(0, "S2MM", 0))


def test_passes_that_continue_each_other_go_as_one_run() -> None:
    (task,) = one_task(
        Start("t", "in0", (Transfer("h", 64, 512, (Dim(16, 512), Dim(1, 0), Dim(8, 64), Dim(64, 1))),), 15)
    )
    assert isinstance(task, ShimTask)
    assert (task.repeat, task.chain[0].pattern) == (0, Pattern(32, 4_096))


@given(st.data())
@settings(max_examples=400)
def test_reading_never_fails_otherwise(data: st.DataObject) -> None:
    """Bytes changed, cut, repeated or inserted: a StreamError, or a stream that writes back to the same bytes."""
    broken = bytearray(RUN)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(broken) - 1))
        match data.draw(st.sampled_from(["change", "cut", "insert", "word"])):
            case "change":
                broken[at] = data.draw(st.integers(0, 255))
            case "cut":
                del broken[at : at + data.draw(st.integers(1, 64))]
            case "insert":
                broken[at:at] = broken[: data.draw(st.integers(0, 64))]
            case "word":
                broken[at // 4 * 4 : at // 4 * 4 + 4] = struct.pack("<I", data.draw(st.sampled_from([0, 4, 1 << 31])))
        if not broken:
            break
    if data.draw(st.booleans()):
        broken[12:16] = struct.pack("<I", len(broken))
    try:
        stream = decode(bytes(broken))
        assert assemble(stream) == broken
        for step in tasks(stream):
            assert step.channel.column < stream.columns
    except StreamError:
        pass


@given(st.binary(max_size=200))
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(StreamError):
        decode(data)


def patched(at: int, value: int) -> bytes:
    return RUN[:at] + struct.pack("<I", value) + RUN[at + 4 :]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "begins with 16 bytes"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "git lfs pull"),
        (patched(0, 0x06030200), "version 0.1"),
        (patched(0, 0x06040100), "device generation 4; Phoenix and Hawk Point are 3"),
        (patched(4, 0x0105), "array of 5 columns"),
        (patched(8, 9), "says 9 instructions, the stream holds 13"),
        (RUN[:-4], "says 516 bytes, the stream has 512"),
        (RUN[:12] + struct.pack("<I", 512) + RUN[16:-4], "ends inside the instruction at byte 500"),
        (patched(16, 8), "LOADPDI at byte 16"),
        (patched(16, 0x42), "Instruction 0x42 at byte 16"),
        (patched(20, 1), "reserved words"),
        (patched(28, 44), "is not one of|wrong size"),
        (patched(28, 1 << 20), "ends inside"),
        (patched(24, 0x0201D000), "Address 0x201d000 at byte 16 is outside 1 columns"),
        (patched(24, 0x1D002), "outside"),
        (patched(0x60, 5), "Argument 5 at byte 64: a launch has 5 at most"),
        (patched(508, 1 << 16), "wait at byte 500 is for tiles outside 1 columns"),
    ],
)
def test_malformed(data: bytes, message: str) -> None:
    with pytest.raises(StreamError, match=message):
        decode(data)


WORDS = bd_words(Pattern(0, 64))
STEPS = bd_words(Pattern(0, 64, (), Dim(4, 128)))
RING = bd_words(Pattern(0, 64), following=0)


def written(words: tuple[int, ...], offset: int = 0) -> list[Instruction]:
    return [BlockWrite(bd_address(0, 0), words), Patch(bd_address(0, 0) + 4, 0, offset)]


def pushed(repeat: int = 0, token: bool = False) -> Instruction:
    return Write(IN.queue, queue_word(0, repeat, token))


@pytest.mark.parametrize(
    ("instructions", "message"),
    [
        ([BlockWrite(0x1D200, WORDS)], "8 words at 0x1d200 are no shim descriptor"),
        ([BlockWrite(bd_address(0, 0), WORDS[:4])], "4 words at 0x1d000"),
        ([BlockWrite(bd_address(0, 0) + 0x100000, WORDS)], "8 words at 0x11d000"),
        ([Patch(bd_address(0, 3) + 4, 0, 0)], "not in a descriptor that was written"),
        ([MaskWrite(0x32000, 2, 2)], "masked write to 0x32000"),
        ([Write(0x1D208, 0)], "write of 0x0 to 0x1d208"),
        ([*written(WORDS), Write(IN.queue, 0x100)], "write of 0x100"),
        ([pushed()], "started without having been written"),
        ([*written(WORDS)[:1], pushed()], "started without having been written and patched"),
        ([*written(RING), pushed()], "in a ring"),
        ([*written(STEPS), pushed(1), pushed(1)], "in the middle of its steps"),
        ([*written(WORDS, offset=2), pushed()], "inside a word"),
        ([*written((*WORDS[:2], 1 << 30, *WORDS[3:])), pushed()], "not a plain transfer"),
        ([*written((*WORDS[:7], 0)), pushed()], "not a plain transfer"),
        ([*written((64, 0, 0, 7 << 20, *WORDS[4:])), pushed()], r"64 words in dimensions of \(7,\)"),
        ([*written(WORDS), pushed(), Sync(0, 0, 1, 0)], "a token of MM2S channel 0 of column 0 that no task"),
        ([*written(WORDS), pushed(token=True), Sync(0, 2, 1, 0)], "anything but one shim channel"),
    ],
)
def test_streams_that_are_no_tasks(instructions: list[Instruction], message: str) -> None:
    stream = decode(assemble(InstructionStream(1, tuple(instructions))))
    with pytest.raises(StreamError, match=message):
        tasks(stream)


def test_a_descriptor_may_be_started_again_once_its_steps_are_over() -> None:
    twice = tasks(InstructionStream(1, (*written(STEPS), pushed(3, token=True), pushed(7))))
    assert [step.repeat for step in twice if isinstance(step, ShimTask)] == [3, 7]


IN0 = Transfer("h", 0, 64)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ((Start("t", "in9", (IN0,)),), "Sequence bad, start of task t: There is no 'in9'"),
        ((Start("t", "in0", (replace(IN0, argument="z"),)),), "There is no 'z'"),
        ((Start("t", "in0", ()),), "no transfers"),
        ((Start("t", "in0", (IN0,)), Start("t", "in0", (IN0,))), "Two tasks of one name"),
        ((Start("t", "in0", (IN0,)), Await("t")), "await of task t: It issues no token"),
        ((Free("t"),), "free of task t: There is no 't'"),
        ((Start("t", "in0", (replace(IN0, offset=1),)),), "whole 32-bit words"),
        ((Start("t", "in0", (replace(IN0, length=63),)),), "whole 32-bit words"),
        ((Start("t", "in0", (Transfer("h", 0, 64, (Dim(32, 8), Dim(2, 2))),)),), "lie side by side"),
        ((Start("t", "in0", (Transfer("h", 0, 64, (Dim(2, 0), Dim(32, 1))),)),), "stride of 0 within a pass"),
        ((Start("t", "in0", (Transfer("w", 0, 2_048, (Dim(2, 4_096), Dim(1_024, 1))),)),), "more than 1023"),
        ((Start("t", "in0", (Transfer("w", 0, 64, (Dim(65, 96), Dim(1, 0), Dim(1, 0), Dim(64, 1))),), 64),), "passes"),
        ((Start("t", "in0", (IN0,), 256),), "more than 255 repeats"),
        ((Start("t", "in0", (replace(IN0, length=1 << 21),)),), "reaches element 2097151 of h, which has 1048576"),
        (
            (Start("t", "in0", (Transfer("h", 0, 64, (Dim(3, 64), Dim(1, 0), Dim(1, 0), Dim(64, 1))),), 1),),
            "3 steps for 2 passes",
        ),
        (
            (Start("t", "in0", (Transfer("h", 0, 64, (Dim(3, 96), Dim(1, 0), Dim(1, 0), Dim(64, 1))),), 1),),
            "3 steps of h",
        ),
        (tuple(Start(f"t{n}", "in0", (IN0,)) for n in range(17)), "All 16 descriptors of column 0 are in use"),
        (
            (Start("t", "in0", (IN0, Transfer("h", 0, 64, (Dim(3, 64), Dim(1, 0), Dim(1, 0), Dim(64, 1)))), 2),),
            "as tasks",
        ),
    ],
)
def test_sequences_that_cannot_be(steps: tuple[Step, ...], message: str) -> None:
    sequence = Sequence("bad", wide.ARGUMENTS, steps)
    with pytest.raises(DesignError, match=message):
        encode(replace(wide.design(), sequences=(sequence,)), sequence)


def test_descriptors_that_a_sequence_leaves_behind_are_lost_to_the_next() -> None:
    leak = Sequence("leak", wide.ARGUMENTS, tuple(Start(f"t{n}", "in0", (IN0,)) for n in range(16)))
    after = Sequence("after", wide.ARGUMENTS, (Start("t", "in0", (IN0,)),))
    with pytest.raises(DesignError, match="Sequence after, start of task t: All 16"):
        encode(replace(wide.design(), sequences=(leak, after)), after)
    other = Sequence("other", wide.ARGUMENTS, (Start("t", "in_far", (IN0,)),))
    assert encode(replace(wide.design(), sequences=(leak, other)), other)


def test_a_sequence_of_another_design_is_refused() -> None:
    with pytest.raises(DesignError, match="Sequence run is not one of design wide"):
        encode(wide.design(), scale.SEQUENCE)


def test_a_third_channel_is_refused() -> None:
    more = ObjectFifo("in2", Tile(0, 0), (Tile(0, 3),), wide.OBJECT, (2, 2))
    with pytest.raises(DesignError, match=r"Shim \(0, 0\) has 2 MM2S channels; in2"):
        channels(replace(wide.design(), fifos=(*wide.design().fifos, more)))


def test_folding_is_the_same_in_text_and_stream() -> None:
    """``encode`` moves the elements of the unfolded task."""
    start = Start("t", "in0", (Transfer("w", 0, 64, (Dim(8, 64), Dim(1, 0), Dim(1, 0), Dim(64, 1))),), 7)
    (task,) = one_task(start)
    assert isinstance(task, ShimTask)
    assert (unfolded(start).transfers[0].length, task.chain[0].pattern.length) == (512, 512)
