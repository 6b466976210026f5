"""Errors cross process boundaries without loss, and their tree is drawn as it is."""

from __future__ import annotations

import pickle
import re

import pytest

from server import errors
from server.errors import InvalidInput, Overloaded, WhisperXError

CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, WhisperXError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_pickle_keeps_everything(kind: type[WhisperXError]) -> None:
    extra = {"retry_after": 3.5} if issubclass(kind, Overloaded) else {}
    error = kind("It broke.", param="file", cure="Mend it.", **extra)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    assert type(again) is kind
    assert again.__dict__ == error.__dict__
    assert str(again) == str(error) == "It broke. Mend it."


def test_the_tree_in_the_docstring_is_that_of_the_classes() -> None:
    drawn = {"WhisperXError": "Exception"}
    above = "WhisperXError"
    for inner, name in re.findall(r"^(│   )?[├└]── (\w+)", errors.__doc__ or "", re.MULTILINE):
        drawn[name] = above if inner else "WhisperXError"
        above = above if inner else name
    assert drawn == {kind.__name__: kind.__bases__[0].__name__ for kind in CLASSES}


def test_bad_uploads_are_bad_input() -> None:
    assert issubclass(errors.UnsupportedMedia, InvalidInput)
    assert issubclass(errors.TooLarge, InvalidInput)
