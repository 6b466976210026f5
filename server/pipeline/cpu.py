"""What the processor can do, from the kernel's own list."""

from __future__ import annotations

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
BF16_MATRIX_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})  # bfloat16 products in hardware, which oneDNN uses
INT8_DOT_FLAGS = frozenset({"avx512_vnni", "avx_vnni"})  # sums of four int8 products without saturation


def cpu_flags(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """Feature flags that every core has, named as the kernel names them; empty where there is no such list."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    cores = [
        frozenset(value.split()) for key, _, value in (line.partition(":") for line in lines) if key.rstrip() == "flags"
    ]
    return frozenset.intersection(*cores) if cores else frozenset()


def has_bf16_matrix(flags: frozenset[str]) -> bool:
    """Whether bfloat16 matrix products run in hardware rather than by conversion to float32."""
    return not BF16_MATRIX_FLAGS.isdisjoint(flags)


def has_int8_dot(flags: frozenset[str]) -> bool:
    """Whether int8 dot products run in hardware, exactly and fast."""
    return not INT8_DOT_FLAGS.isdisjoint(flags)
