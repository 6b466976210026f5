"""The errors of kernels and of designs, which describe a program for the whole array.

KernelsError
├── DesignError          a design that the hardware or mlir-aie refuses or would run wrongly; holds every violation
├── StreamError          an instruction stream that cannot be read
└── SimulationError      an action on the simulated array that would fail on the chip, with or without a report
    └── DeadlockError    no part of the array can go on; holds a sentence for each part that waits
"""

from __future__ import annotations

from dataclasses import dataclass

SHOWN = 40  # violations in the text of an error; its ``violations`` has all of them


class KernelsError(Exception):
    """The base of every error that ``kernels`` raises on purpose."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule of the hardware or of mlir-aie that a design breaks, as a line of a DesignError.

    ``where`` is the part of the design, ``name`` the rule, ``found`` the design's value and ``limit`` the allowed one,
    both with their numbers; ``cure`` is the change to make. ``detail`` is a block of lines such as a memory map.
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
    """A design that cannot be built, or that would not do what it describes.

    ``violations`` has every rule that the design breaks; it is empty if the message alone gives the cause.
    """

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
    """An NPU instruction stream that is malformed, not for Phoenix, or has instructions unknown to this project."""


class SimulationError(KernelsError):
    """An action on the simulated array that would fail on the chip, such as leaving a buffer or overrunning a queue."""


class DeadlockError(SimulationError):
    """A simulated launch that cannot go on, or that left work undone.

    ``waits`` has a sentence for every part of the array that waits: for which object (block of data) or free slot, and
    from which other part.
    """

    def __init__(self, message: str, waits: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.waits = waits

    def __str__(self) -> str:
        return "\n  ".join((self.message, *self.waits))

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.message, self.waits))
