"""The line that each check adds to the doctor's report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "missing", "fatal"]  # fatal: the server cannot run


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check. ``cure`` says what to do if something is missing."""

    name: str
    state: State
    detail: str
    cure: str | None = None
