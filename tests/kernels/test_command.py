"""The words of a command to the kernels, and the header that gives the C++ code the same words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import kernels
from kernels.command import GELU, OPS, WORDS, CommandWord, MatmulWord, RowsWord, command, header


def test_a_command_is_words() -> None:
    block = command({MatmulWord.ROW_BLOCKS: 6, MatmulWord.FLAGS: GELU, RowsWord.INVERSE_COLUMNS: 0.5}, 512)
    assert block.nbytes == 512
    words = block.view(np.int32)
    assert words[MatmulWord.ROW_BLOCKS] == 6
    assert words[MatmulWord.FLAGS] == GELU
    assert block.view(np.float32)[RowsWord.INVERSE_COLUMNS] == 0.5
    assert np.count_nonzero(words) == 3


def test_the_header_is_fresh() -> None:
    stored = Path(kernels.__path__[0], "command.h").read_text(encoding="utf-8")
    assert stored == header(), "run python -m kernels.command > kernels/command.h"


@pytest.mark.parametrize("words", [words for _, words in OPS], ids=[op for op, _ in OPS])
def test_the_words_of_an_op_are_in_the_command_and_apart(words: type[CommandWord]) -> None:
    assert len(words) == len(words.__members__)
    assert all(0 <= word < WORDS for word in words)


def test_no_op_starts_the_section_of_another() -> None:
    """The words of index 0 to 4 are counts of sections: an op has its own of them and no other op's."""
    sections = [word for _, words in OPS for word in words if word < 5]
    assert sorted(sections) == [0, 1, 2, 3, 4]
