"""Wheels that stand in for mlir-aie and Peano: programs that write what the build expects of compilers.

They show that the image installs two wheels, finds their programs and keeps what comes out. They compile nothing.
"""

from __future__ import annotations

from pathlib import Path

from kernels.toolchain.toolchain import MLIR_AIE, PEANO, PEANO_PROGRAMS
from tests.containers.wheels import write_wheel
from tests.kernels.toolchain import object_files

INTERPRETER = "#!/opt/venv/bin/python\n"
CALLED_WITH = """
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "mlir_aie"))
from object_files import Code, make
out = pathlib.Path(sys.argv[sys.argv.index("-o") + 1]) if "-o" in sys.argv else None
"""
CLANG = f"""{CALLED_WITH}
if "--version" in sys.argv:
    print("clang version 21.0.0 (llvm-aie {PEANO.rpartition("+")[2]})")
else:
    out.write_bytes(make({{out.stem: Code(64)}}))
"""
LLC = f"""{CALLED_WITH}
out.write_bytes(make({{out.name.removesuffix(".sized.o"): Code(64)}}))
"""
AIECC = f"""{CALLED_WITH}
from uuid import UUID
from kernels.array.lower.encode import encode
from kernels.array.lower.mlir import to_mlir
from kernels.package import xclbin
from kernels.registry import ENTRIES
if "--version" in sys.argv:
    sys.exit(print("aiecc (C++ version) {MLIR_AIE}0123"))
text = pathlib.Path("design.mlir").read_text()
(design,) = [one for one in (entry.make(()) for entry in ENTRIES.values()) if to_mlir(one) == text]
scratch = next(pathlib.Path(a.partition("=")[2]) for a in sys.argv if a.startswith("--tmpdir="))
scratch.mkdir()
pathlib.Path("kernel.xclbin").write_bytes(xclbin.write(UUID(int=7), design.columns, xclbin.PDI_MAGIC + bytes(100)))
for sequence in design.sequences:
    pathlib.Path(f"main_{{sequence.name}}.bin").write_bytes(encode(design, sequence))
for core in design.cores:
    name = f"main_core_{{core.tile.col}}_{{core.tile.row}}"
    (scratch / f"{{name}}.elf").write_bytes(make({{"main": Code(size=4096)}}))
    (scratch / f"{{name}}.opt.ll").write_text("define void @core() {{}}")
    (scratch / f"{{name}}.ld.script").write_text("")
"""


def wheels(folder: Path) -> Path:
    """Write the wheels that stand in for mlir-aie and Peano into ``folder``, and return it."""
    source = Path(object_files.__file__).read_text()
    aiecc = {"mlir_aie/bin/aiecc": INTERPRETER + AIECC, "mlir_aie/object_files.py": source}
    write_wheel(folder, "mlir_aie", f"0.0.1+{MLIR_AIE[:7]}", aiecc)
    programs = {f"llvm-aie/bin/{name}": INTERPRETER + (LLC if name == "llc" else CLANG) for name in PEANO_PROGRAMS}
    write_wheel(folder, "llvm_aie", PEANO, programs)
    return folder
