"""Errors cross process boundaries whole."""

from __future__ import annotations

import pickle

import pytest

from server import errors
from server.errors import InvalidInput, Overloaded, WhisperXError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, WhisperXError)]


@pytest.mark.parametrize("kind", KINDS)
def test_pickle_keeps_everything(kind: type[WhisperXError]) -> None:
    extra = {"retry_after": 3.5} if issubclass(kind, Overloaded) else {}
    error = kind("It broke.", param="file", cure="Mend it.", **extra)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    assert type(again) is kind
    assert again.__dict__ == error.__dict__
    assert str(again) == str(error) == "It broke. Mend it."


def test_the_tree_in_the_docstring_names_every_class() -> None:
    assert errors.__doc__ is not None
    for kind in KINDS:
        assert kind.__name__ in errors.__doc__


def test_bad_uploads_are_bad_input() -> None:
    assert issubclass(errors.UnsupportedMedia, InvalidInput)
    assert issubclass(errors.TooLarge, InvalidInput)
