"""Errors of kernels and designs; nothing here knows of the server.

KernelsError
├── DesignError          refused by the hardware or mlir-aie, or run wrongly; holds every violation found
├── StreamError          an instruction stream that cannot be read
└── SimulationError      the simulated array was told to do what would fail on the chip, loudly or not
    └── DeadlockError    nothing can move any more; says who waits for whom
"""

from __future__ import annotations

from dataclasses import dataclass

SHOWN = 40  # violations in the text of an error; all of them are in its ``violations``


class KernelsError(Exception):
    """Base of every error that ``kernels`` raises on purpose."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a design breaks.

    ``where`` is the part of the design, ``name`` the rule, ``found`` what is there and ``limit`` what may be, both with
    their numbers; ``cure`` says what to do. ``detail`` is a block of lines such as the memory map of the tile.
    """

    where: str
    name: str
    found: str
    limit: str
    cure: str
    detail: str = ""

    def __str__(self) -> str:
        line = f"{self.where}: {self.name}: {self.found}; {self.limit}. {self.cure}."
        indented = "".join(f"\n    {line}" for line in self.detail.splitlines())
        return line + indented


class DesignError(KernelsError):
    """The design cannot be built, or would not do what it says. ``violations`` may be empty: the message tells."""

    def __init__(self, message: str, violations: tuple[Violation, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.violations = violations

    def __str__(self) -> str:
        shown = [str(violation) for violation in self.violations[:SHOWN]]
        rest = len(self.violations) - len(shown)
        return "\n".join([self.message, *shown, *([f"... and {rest} more."] if rest else [])])

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.message, self.violations))


class StreamError(KernelsError):
    """An instruction stream that is malformed, or not for Phoenix, or not one that these kernels' launches have."""


class SimulationError(KernelsError):
    """The simulated array was told to do what would fail on the chip: leave a buffer, overrun a queue."""


class DeadlockError(SimulationError):
    """Nothing can move, and something is not done. ``waits``: a sentence for everyone who waits, for what and whom."""

    def __init__(self, message: str, waits: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.waits = waits

    def __str__(self) -> str:
        return "\n  ".join((self.message, *self.waits))

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.message, self.waits))
