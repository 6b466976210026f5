"""Checks of argument types at the call of a function, as pybind11 makes them for pyxrt.

pybind11 raises TypeError before the function runs. Two rules are stricter than those of pyxrt 2.25, so that code that
works here works with every release: keywords, which some functions take from 2.23 on, are refused, and each function
takes only the arguments that ``npu.xrt.pyxrt_api`` lists.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from operator import index
from typing import ParamSpec, TypeVar

INT = range(-(1 << 31), 1 << 31)
UNSIGNED = range(1 << 32)
SIZE = range(1 << 64)

Kind = type | range | tuple[type | range, ...]  # a class, the values of a C integer type, or alternatives
P = ParamSpec("P")
R = TypeVar("R")


def takes(*kinds: Kind) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that makes a method raise TypeError unless its positional arguments are of ``kinds``.

    There is one kind for each argument, ``self`` not counted, and keywords are refused. A kind is a class, a range of
    integers, or a tuple of alternatives.
    """

    def decorate(method: Callable[P, R]) -> Callable[P, R]:
        @wraps(method)
        def checked(*arguments: P.args, **keywords: P.kwargs) -> R:
            _, *given = arguments
            if keywords or len(given) != len(kinds) or not all(map(_is_a, kinds, given)):
                what = "constructor" if method.__name__ == "__init__" else "function"
                raise TypeError(
                    f"{method.__name__}(): incompatible {what} arguments. Invoked with: {given}{keywords or ''}"
                )
            return method(*arguments, **keywords)

        return checked

    return decorate


def _is_a(kind: Kind, argument: object) -> bool:
    if isinstance(kind, tuple):
        return any(_is_a(alternative, argument) for alternative in kind)
    if isinstance(kind, range):
        try:
            return index(argument) in kind  # type: ignore[arg-type]  # TypeError for all that is no integer
        except TypeError:
            return False
    return isinstance(argument, kind)
