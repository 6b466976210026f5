"""Functions that choose by the types of their arguments, and refuse others, as pybind11's do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter, index
from types import ModuleType
from typing import Any

VERSIONS = ("2.20", "2.21", "XRT-2.21", "2.23", "2.25")  # releases, and the branch XRT-2.21 with two names more
ALL = frozenset(VERSIONS)
FROM_2_23 = frozenset(("2.23", "2.25"))
NAMES = {"int": "typing.SupportsInt", "size": "typing.SupportsInt", "unsigned": "typing.SupportsInt"}
RANGES = {"int": (-(1 << 31), (1 << 31) - 1), "unsigned": (0, (1 << 32) - 1), "size": (0, (1 << 64) - 1)}
CRASH = "{what}: here the real module ends the process (SIGSEGV)"
Implementation = Callable[..., object]


@dataclass(frozen=True)
class Form:
    """One way to call a function: the kinds of its arguments, and what is done then.

    A kind is int, unsigned, size (numbers in the range of their C type), str, buffer, a class of the module by its
    dotted name, or impossible: a type that pyxrt was compiled without, so that the form is there and cannot be called.
    """

    kinds: str
    call: Implementation
    versions: frozenset[str] = ALL

    def accepts(self, module: ModuleType, arguments: tuple[object, ...]) -> bool:
        kinds = self.kinds.split()
        return len(kinds) == len(arguments) and all(
            _is(kind, argument, module) for kind, argument in zip(kinds, arguments, strict=True)
        )


def function(name: str, forms: Iterable[Form], version: str, module: ModuleType) -> Implementation | None:
    """The function that the forms of a version make; None where it has none. Positional arguments only."""
    ours = [form for form in forms if version in form.versions]

    def choose(*arguments: Any) -> object:
        for form in ours:
            if form.accepts(module, arguments):
                return form.call(*arguments)
        raise TypeError(_refusal(name, [form.kinds for form in ours], arguments))

    return choose if ours else None


def methods(
    name: str, table: Mapping[str, Iterable[Form]], version: str, module: ModuleType
) -> dict[str, Implementation]:
    """The methods of class ``name``, bound as Python binds functions."""
    made: dict[str, Implementation] = {}
    for method, forms in table.items():
        ours = [Form(f"{name} {form.kinds}", form.call, form.versions) for form in forms]
        chosen = function(method, ours, version, module)
        if chosen is not None:
            made[method] = chosen
    return made


def _is(kind: str, argument: object, module: ModuleType) -> bool:
    if kind in RANGES:
        low, high = RANGES[kind]
        try:
            return low <= index(argument) <= high  # type: ignore[arg-type]  # that is the question
        except TypeError:
            return False
    if kind == "str":
        return isinstance(argument, str | bytes)
    if kind == "buffer":
        try:
            memoryview(argument)  # type: ignore[arg-type]  # that is the question
        except TypeError:
            return False
        return True
    if kind == "dict":
        return isinstance(argument, dict)
    return kind != "impossible" and isinstance(argument, attrgetter(kind)(module))


def _refusal(name: str, forms: list[str], arguments: tuple[object, ...]) -> str:
    what = "constructor" if name == "__init__" else "function"
    known = "".join(
        f"\n    {number}. ({', '.join(NAMES.get(kind, kind) for kind in form.split())})"
        for number, form in enumerate(forms, 1)
    )
    given = ", ".join(repr(argument)[:60] for argument in arguments)
    return (
        f"{name}(): incompatible {what} arguments. The following argument types are supported:{known}"
        f"\n\nInvoked with: {given}"
    )
