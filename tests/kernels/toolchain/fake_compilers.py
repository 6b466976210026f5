"""Programs in place of aiecc, Peano and xclbinutil: they write prepared files, print, fail, hang or print for ever.

They test that the build runs compilers and checks their results, and nothing of the real compilers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from kernels.array.design import Design
from kernels.array.lower.encode import encode
from kernels.package import xclbin
from kernels.toolchain.toolchain import MLIR_AIE, PEANO, PEANO_PROGRAMS
from tests.kernels.toolchain.object_files import Code, make

PROGRAM = """#!{python} -IS
import json, pathlib, sys, time
here = pathlib.Path(__file__)
plan = json.loads(pathlib.Path({plan!r}).read_text())[here.name]
with open({log!r}, "a") as log:
    log.write(json.dumps([here.name, *sys.argv[1:]]) + "\\n")
if "--version" in sys.argv:
    print(plan.get("version", ""))
    sys.exit(0)
print(plan.get("print", ""), flush=True)
while plan.get("babble"):
    print("error: 'scf.for' op could not be unrolled" * 1000)
time.sleep(plan.get("sleep", 0))
if plan.get("exit", 0) == 0:
    for source, target in plan.get("files", {{}}).items():
        if "-o" in sys.argv and target == "-o":
            target = sys.argv[sys.argv.index("-o") + 1]
        scratch = [a.partition("=")[2] for a in sys.argv if a.startswith("--tmpdir=")]
        path = pathlib.Path(scratch[0], target[4:]) if target.startswith("aie/") else pathlib.Path(target)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pathlib.Path(source).read_bytes())
sys.exit(plan.get("exit", 0))
"""


@dataclass
class FakeCompilers:
    """An installation of fake compilers in ``root`` for one design.

    A test changes ``plan`` before a build; ``calls`` returns the runs of a program.
    """

    root: Path
    design: Design
    kernels: Mapping[str, Code]
    core: Code
    program: int = 4_096
    plan: dict[str, dict[str, object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bin = self.root / "mlir_aie" / "bin"
        self.peano = self.root / "llvm-aie"
        for folder, names in ((self.bin, ("aiecc", "xclbinutil")), (self.peano / "bin", PEANO_PROGRAMS)):
            folder.mkdir(parents=True)
            for name in names:
                self.install(folder / name)
        (self.root / "prepared").mkdir()
        kernel = {self.prepared("kernel.o", make(dict(self.kernels))): "-o"}
        sized = {self.prepared("sized.o", make({self.names[0]: self.core})): "-o"}
        self.plan |= {
            "aiecc": {"version": f"aiecc (C++ version) {MLIR_AIE}0123", "files": self.outputs()},
            "clang++": {"version": f"clang version 21.0.0 (llvm-aie {PEANO.rpartition('+')[2]})", "files": kernel},
            "llc": {"files": sized},
            "xclbinutil": {},
        }

    @property
    def names(self) -> list[str]:
        return [f"core_{core.tile.col}_{core.tile.row}" for core in self.design.cores]

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": str(self.bin), "PEANO_INSTALL_DIR": str(self.peano)}

    def install(self, path: Path) -> None:
        text = PROGRAM.format(python=sys.executable, plan=str(self.root / "plan.json"), log=str(self.root / "log"))
        path.write_text(text)
        path.chmod(0o755)

    def prepared(self, name: str, data: bytes) -> str:
        path = self.root / "prepared" / name
        path.write_bytes(data)
        return str(path)

    def outputs(self) -> dict[str, str]:
        """Return the files that the fake aiecc writes: the xclbin, the streams, and three files for each core.

        Those of a core are its program, IR and linker script. The keys are the prepared files.
        """
        overlay = xclbin.write(UUID(int=7), self.design.columns, xclbin.PDI_MAGIC + bytes(100))
        files = {self.prepared("kernel.xclbin", overlay): "kernel.xclbin"}
        for sequence in self.design.sequences:
            stream = self.prepared(f"{sequence.name}.bin", encode(self.design, sequence))
            files[stream] = f"main_{sequence.name}.bin"
        script = "\n".join(f". = 0x70000;\n{buffer.name} = .;\n. += 0x40;" for buffer in self.design.buffers)
        for name in self.names:
            files[self.prepared(f"{name}.elf", make({"main": Code(size=self.program)}))] = f"aie/main_{name}.elf"
            files[self.prepared(f"{name}.opt.ll", b"define void @core() {}")] = f"aie/main_{name}.opt.ll"
            files[self.prepared(f"{name}.ld", script.encode())] = f"aie/main_{name}.ld.script"
        return files

    def ready(self) -> dict[str, str]:
        """Write the plan, and return the environment in which a build finds the programs."""
        (self.root / "plan.json").write_text(json.dumps(self.plan))
        return self.environment

    def calls(self, name: str) -> list[list[str]]:
        """Return the arguments of every run of the program ``name``, without runs that only ask for its version."""
        runs = [json.loads(line) for line in (self.root / "log").read_text().splitlines()]
        return [run[1:] for run in runs if run[0] == name and "--version" not in run]
