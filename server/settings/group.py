"""The base of a group of settings, and the types that several groups use."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class Group(BaseModel):
    """A frozen group of settings; an unknown key is an error.

    The docstring of a group and the descriptions of its keys are the text of docs/settings.md, config.yaml and
    .env.example, which ``make docs`` writes. An example is shown in place of a default that depends on the machine,
    and of a default of None where the key is best explained by a value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
