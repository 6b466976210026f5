"""Designs, right and wrong, with the verdict of aiecc recorded in aiecc.json; run as a program, this records it again.

    python -m tests.kernels.array.check.aiecc_cases COMMAND > tests/kernels/array/check/aiecc.json

``COMMAND FILE.mlir FOLDER`` runs aiecc with --alloc-scheme=basic-sequential --no-compile --no-link
--aie-generate-npu-insts, and leaves log.txt and the lowered physical.mlir in the folder.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from kernels.array.design import Design, KernelFunction, ObjectFifo
from kernels.array.lower.mlir import to_mlir
from kernels.array.sequence import Await, Free, Sequence, Start, Step, Transfer
from kernels.array.tile import ITEM_BYTES, Block, Dim, Tile
from tests.kernels.array.check.test_links import ORDERS, change
from tests.kernels.array.check.test_sequences import get, run, send
from tests.kernels.array.designs import CORE, SHIM, forward, matmul, one_tile, seed_mel, seed_mel_tiles
from tests.kernels.array.test_wiring import fan

RECORD = Path(__file__).with_name("aiecc.json")
X = Block("bf16", 1 << 16)


def one_input(start: Start, argument: Block = X) -> Design:
    """Return the design ``forward`` with a sequence of this input and of an output of the same size."""
    elements = start.transfers[0].length * ITEM_BYTES[argument.dtype] // 2 * (start.repeat + 1)
    output = Start("o", "out_shim", (Transfer("y", 0, max(128, elements)),), token=True)
    steps = (output, start, Await("o"), Free("i"))
    return replace(forward(), sequences=(Sequence("run", (("x", argument), ("y", Block("bf16", 1 << 26))), steps),))


def transfer(*dims: Dim, repeat: int = 0, length: int = 0, offset: int = 0) -> Design:
    for dim in dims[-3:] if not length else ():
        length = (length or 1) * dim.size
    start = Start("i", "in_shim", (Transfer("x", offset, length, dims),), repeat)
    return one_input(start, Block("bf16", 1 << 18))


def chains(*links: int) -> Design:
    def chain(task: int, count: int) -> Start:
        return Start(f"i{task}", "in_shim", tuple(Transfer("x", 256 * n, 256) for n in range(count)))

    steps = [chain(task, count) for task, count in enumerate(links)]
    frees: list[Step] = [Free(start.task) for start in steps]
    return run(get("o", 2 * sum(links)), *steps, Await("o"), *frees)


def memory() -> dict[str, Design]:
    """Return designs near the limits of core memory: mel batches and matrix products that fit, and the next larger."""
    seeds = [(36, 2, 0, 1), (37, 2, 0, 1), (73, 1, 0, 1), (74, 1, 0, 1), (100, 2, 0, 1), (30, 1, 0, 4), (32, 2, 0, 8)]
    seeds += [(33, 2, 0, 8), (35, 2, 2_848, 1), (36, 2, 2_848, 1), (11, 2, 44_288, 1), (12, 2, 44_288, 1)]
    found = {f"seed_{b}_{d}_{t}_{s}": seed_mel(b, d, t, s * 1024) for b, d, t, s in seeds}
    found |= {f"seed_{b}_2848_4.5": seed_mel(b, d, 2_848, 4_608) for b, d in ((33, 2), (34, 2), (66, 1), (67, 1))}
    found |= {"tiles4": seed_mel_tiles(100, 4), "tiles2": seed_mel_tiles(100, 2)}
    found |= {
        "matmul_43008": matmul(8_192, 4_096, 0, 8_192, 2),
        "matmul_67584": matmul(8_192, 8_192, 0, 16_384, 2),
        "matmul_64588": matmul(8_192, 8_192, 16_384, 8_192, 1),
        "matmul_72780": matmul(8_192, 8_192, 16_384, 8_192, 2),
        "matmul_56396": matmul(4_096, 4_096, 16_384, 8_192, 2),
    }
    unaligned = one_tile(Block("i16", 400), Block("i8", 16), 1, (Block("i8", 36),), 1_024)
    vector = replace(unaligned.kernels[0], alignment=32)
    return found | {"scalar": unaligned, "unaligned": replace(unaligned, kernels=(vector,))}


def wiring() -> dict[str, Design]:
    """Return designs that try DMA channels, descriptors, links, orders of elements and routing."""
    found = {
        f"order_{name.replace(' ', '_')}": change(forward(), "in_core", to_stream=o) for name, (o, _) in ORDERS.items()
    }
    found |= {f"fan_{i}{o}_{d}": fan(i, o, d) for i, o, d in ((2, 2, 2), (3, 1, 2), (1, 3, 2), (2, 2, 4), (2, 2, 5))}
    more = ObjectFifo("more", CORE, (SHIM,), Block("i32", 64), (2, 2))
    near = ObjectFifo("near", CORE, (Tile(0, 3),), Block("i32", 4), (2, 2))
    column = seed_mel_tiles(4, 4)
    overlapping = (replace(column.links[0], offsets=(0, 400, 400, 1_200)), column.links[1])
    wrong_type = KernelFunction("copy", (Block("bf16", 128), Block("i16", 128)), "test/copy.cc")
    return found | {
        "forward": forward(),
        "memtile_descriptors": seed_mel_tiles(4, 4, depth=3),
        "link_sizes": change(forward(), "in_shim", block=Block("bf16", 64)),
        "link_depths": change(forward(), "in_core", depths=(3, 2)),
        "link_types": change(forward(), "in_shim", block=Block("i16", 128)),
        "link_offsets": replace(column, links=overlapping),
        "unlinked": replace(forward(), links=forward().links[:1]),
        "routing": replace(column, fifos=(*column.fifos, more)),
        "neighbours": replace(forward(), fifos=(*forward().fifos, near)),
        "kernel_types": replace(forward(), kernels=(wrong_type,)),
    }


def streams() -> dict[str, Design]:
    """Return designs that try forms of transfers, tasks and sequences."""
    one = (Dim(1, 0), Dim(1, 0), Dim(128, 1))
    return {
        "third_size_free": transfer(Dim(1_200, 4), Dim(4, 2), Dim(2, 1), length=9_600),
        "size_1": transfer(Dim(2, 4), Dim(3_000, 16), Dim(16, 1)),
        "size_0": transfer(Dim(2, 4_200), Dim(2_048, 1)),
        "stride_6_bytes": transfer(Dim(64, 6), Dim(4, 3), Dim(2, 1)),
        "stride_0": transfer(Dim(4, 0), Dim(128, 1)),
        "inner_stride_2": transfer(Dim(128, 2)),
        "ones": transfer(Dim(1, 0), Dim(64, 4), Dim(1, 0), Dim(4, 1)),
        "half_word": transfer(Dim(128, 8), Dim(1, 1)),
        "step_64": transfer(Dim(64, 256), *one, repeat=63),
        "step_65": transfer(Dim(65, 256), *one, repeat=64),
        "step_without_repeat": transfer(Dim(4, 256), *one),
        "step_of_runs": transfer(Dim(64, 1_024), Dim(16, 32), Dim(2, 16), Dim(16, 1), repeat=63),
        "big_stride": transfer(Dim(2, (1 << 21) + 2), Dim(128, 1)),
        "past_the_end": transfer(length=256, offset=(1 << 18) - 128),
        "odd_length": transfer(length=129),
        "odd_offset": transfer(length=128, offset=1),
        "repeat_256": run(get("o", 256), send("i", 1, repeat=255), Await("o"), Free("i")),
        "repeat_257": run(get("o", 257), send("i", 1, repeat=256), Await("o"), Free("i")),
        "descriptors_16": chains(5, 5, 5),
        "descriptors_17": chains(5, 5, 5, 1),
        "queue_5": run(get("o", 5), *(send(f"i{n}") for n in range(5)), Await("o"), *(Free(f"i{n}") for n in range(5))),
        "no_token": run(get("o", 1, token=False), send("i"), Await("o"), Free("i")),
        "six_arguments": run(arguments=tuple((f"a{n}", X) for n in range(6))),
    }


def cases() -> dict[str, Design]:
    return {**memory(), **wiring(), **streams()}


def lowered(text: str) -> dict[str, Any]:
    """Return the buffers, locks and descriptors of every tile in the module that aiecc lowered to ``text``."""
    tiles = {name: f"({col}, {row})" for name, col, row in re.findall(r"%(\w+) = aie\.tile\((\d+), (\d+)\)", text)}
    maps: dict[str, list[list[object]]] = {}
    for tile, fields, count, dtype in re.findall(r"aie\.buffer\(%(\w+)\) \{(.*?)\}\s*: memref<(\d+)x(\w+)", text):
        address, name = re.search(r"address = (\d+)", fields), re.search(r'sym_name = "([^"]+)"', fields)
        assert address
        assert name
        maps.setdefault(tiles[tile], []).append([name[1], int(address[1]), int(count) * ITEM_BYTES[dtype]])
    descriptors: Counter[str] = Counter()
    for tile, body in re.findall(r"aie\.(?:memtile_dma|mem)\(%(\w+)\) \{(.*?)\n    \}", text, re.DOTALL):
        descriptors[tiles[tile]] += len(re.findall(r"aie\.dma_bd\(", body))
    locks = Counter(tiles[tile] for tile in re.findall(r"aie\.lock\(%(\w+),", text))
    return {
        "maps": {tile: sorted(regions) for tile, regions in maps.items()},
        "locks": locks,
        "descriptors": descriptors,
    }


def record(command: str) -> dict[str, Any]:
    """Run aiecc on every case and return its error, or the module that it made."""
    found: dict[str, Any] = {}
    for name, design in cases().items():
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "design.mlir")
            source.write_text(to_mlir(design))
            done = subprocess.run([command, str(source), folder], capture_output=True, check=False)
            log = Path(folder, "log.txt").read_text()
            if done.returncode:
                error = re.search(r"error: (.*)", log)
                regions = re.findall(r"^\s*(\S+) \s*: 0x([0-9A-F]+)-0x[0-9A-F]+\s+\((\d+) bytes\)", log, re.MULTILINE)
                found[name] = {"error": error[1] if error else "refused"}
                if regions:
                    found[name]["map"] = sorted([one, int(address, 16), int(size)] for one, address, size in regions)
            else:
                found[name] = lowered(Path(folder, "physical.mlir").read_text())
    return found


if __name__ == "__main__":
    json.dump(record(sys.argv[1]), sys.stdout, separators=(",", ":"), sort_keys=True)
