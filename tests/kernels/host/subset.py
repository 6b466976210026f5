"""The part of C++ and aie_api that a kernel may use, so that it compiles and runs the same with Peano and on the host.

The names of ``aie::`` are those that kernels/host/include implements exactly. The rest keeps a kernel small and free of
state: sixteen cores share one process in simulation, and scalar floating point on AIE2 is a library of several KB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

NAMES = frozenset(
    re.findall(
        r"\w+",
        """
        vector accum mask mmul rounding_mode saturation_mode
        zeros broadcast load_v store_v load_unaligned_v store_unaligned_v concat
        begin_vector begin_restrict_vector cbegin_vector cbegin_restrict_vector
        mul negmul mac msc add sub neg abs
        lt le gt ge eq neq max min select
        bit_and bit_or bit_xor bit_not upshift downshift
        interleave_zip interleave_unzip filter_even filter_odd transpose reverse
        shuffle_up shuffle_down shuffle_up_rotate shuffle_down_rotate
        reduce_add reduce_max reduce_min inv invsqrt to_float to_fixed
        set_rounding get_rounding swap_rounding set_saturation get_saturation swap_saturation
        """,
    )
)
SYSTEM_HEADERS = frozenset(("aie_api/aie.hpp", "stdint.h"))

FORBIDDEN = {
    r"\bstd::": "the standard library is not there on a core",
    r"\b(malloc|calloc|realloc|free|new|delete)\b": "there is no heap on a core",
    r"\bdouble\b": "double precision is a software library on AIE2",
    r"(?<![\w.])(\d+\.\d*|\.\d+)(e[+-]?\d+)?(?![\w.])": "a literal without f is a double",
    r"\b(static|thread_local)\b(?!\s+(constexpr|inline|const|void)\b)": "all cores share such state",
    r"(?<!constexpr )\bfloat\s+\w+\s*[=;({]": "scalar floats are a software library on AIE2; constants are constexpr",
    r"(?<!_)\brestrict\b": "g++ and C++ know __restrict only",
    r"\bv\d+(u?int|acc|bfloat|float)\w*\b": "compiler types are Peano's alone; use aie::vector",
}


def violations(source: str, kernels: Path) -> Iterator[str]:
    """Yield every use outside the subset in the text of a kernel, with its line; own headers are in ``kernels``."""
    for number, line in enumerate(_without_comments(source).splitlines(), start=1):
        found = [f"aie::{name} is not in the subset" for name in re.findall(r"\baie::(\w+)", line) if name not in NAMES]
        found += [reason for pattern, reason in FORBIDDEN.items() if re.search(pattern, line)]
        if include := re.match(r'\s*#\s*include\s+([<"])(.*?)[>"]', line):
            own = include[1] == '"' and ((kernels / include[2]).exists() or "/" not in include[2])
            if not own and include[2] not in SYSTEM_HEADERS:
                found.append(f"{include[2]} is not a header that both compilers have")
        yield from (f"line {number}: {what}: {line.strip()}" for what in found)


def _without_comments(source: str) -> str:
    blank = re.sub(r"/\*.*?\*/", lambda match: "\n" * match[0].count("\n"), source, flags=re.DOTALL)
    return re.sub(r"//.*", "", blank)
