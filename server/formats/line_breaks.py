"""The places where a line of a subtitle may be broken, and the width of text on the screen.

Widths are in columns: a wide East Asian character or an emoji has two, a combining mark none (Unicode Standard Annex
11, by wcwidth). Phrases of Japanese, Chinese and Thai are BudouX's. The marks that may not begin or end a line are
those of JIS X 4051 and of Unicode Standard Annex 14 (classes CL, EX, IS, NS and OP), with the vowels that Thai and Lao
write behind or before their consonant.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache

import budoux
import wcwidth

SPACE = re.compile(r"[^\S\u00a0\u202f]+")  # any white space but that which joins words
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
KANA = re.compile(r"[\u3040-\u30ff\uff66-\uff9d]")
HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
THAI = re.compile(r"[\u0e00-\u0e7f]")
UNSPACED = re.compile(  # also Lao, Tibetan, Burmese and Khmer, and the marks of East Asian text
    r"[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufaff\uff00-\uff9f\U00020000-\U000323af]"
)
NOT_FIRST = re.compile(
    r"[,.:;?!%‰°℃…‥‼⁇⁈⁉、。，．・：；？！％｡､･～〜゛゜ヽヾゝゞ々〻ーｰﾞﾟ"
    r"ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶｧ-ｯ\u31f0-\u31ffะาๅำๆฯະາຳໆຯ]"
)
NOT_LAST = re.compile(r"[$£¥€＄￡￥#№¿¡เแโใไເແໂໃໄ]")


def clean(text: str) -> str:
    """Return the text on one line, without control characters and with one space for any white space."""
    return SPACE.sub(" ", CONTROL.sub("", text))


def width(text: str) -> int:
    """Return the columns that a text takes on the screen."""
    return len(text) if text.isascii() else max(0, wcwidth.width(text))


def pieces(text: str, limit: int) -> list[str]:
    """Cut a clean text wherever a line may be broken; the pieces joined are exactly the text.

    A piece is a word with the space after it, or a phrase in languages without spaces. A phrase wider than ``limit``
    columns is cut between characters; a word is never cut.
    """
    unspaced = UNSPACED.search(text) is not None
    allowed = set(_boundaries(text)) if unspaced else set()
    cuts = _cuts_after_spaces(text)
    if unspaced:
        cuts |= {cut for cut in _phrase_ends(text) if cut in allowed}
    found: list[str] = []
    begin = 0
    for end in [*sorted(cuts - {0, len(text)}), len(text)]:
        if unspaced and width(text[begin:end].rstrip()) > limit:
            for cut in range(begin + 1, end):
                if cut in allowed:
                    found.append(text[begin:cut])
                    begin = cut
        found.append(text[begin:end])
        begin = end
    return [piece for piece in found if piece]


def line_starts(texts: Sequence[str], limit: int) -> list[int]:
    """Return the index of the first piece of each line, for as few lines of about equal width as the limit allows.

    A line is wider than ``limit`` only if it is one piece.
    """
    sizes = [(width(text), width(text.rstrip())) for text in texts]
    best = _filled(sizes, limit)
    if len(best) > 1:
        for narrower in range(-(-sum(full for full, _ in sizes) // len(best)) - 1, limit):
            if len(balanced := _filled(sizes, narrower)) == len(best):
                return balanced
    return best


def _filled(sizes: Sequence[tuple[int, int]], limit: int) -> list[int]:
    starts, column = [0], 0
    for index, (full, visible) in enumerate(sizes):
        if index and column + visible > limit:
            starts.append(index)
            column = 0
        column += full
    return starts


def _cuts_after_spaces(text: str) -> set[int]:
    """Return the offsets behind spaces; a mark that stands alone stays with its word, as in "Quoi ?" or "« Rien »"."""
    cuts: set[int] = set()
    tokens = [(found.start(), found[0]) for found in re.finditer(r"[^ \u200b]+", text)]
    for (_, before), (begin, token) in itertools.pairwise(tokens):
        alone = all(_not_first(char) for char in token) or all(_not_last(char) for char in before)
        if not alone and not unicodedata.category(token[0]).startswith("M"):
            cuts.add(begin)
    return cuts


def _boundaries(text: str) -> Iterator[int]:
    """Yield the offsets between two characters of which one is of a script without spaces, and where a line may end."""
    end = 0
    before = ""
    for character in wcwidth.iter_graphemes(text):
        if before and (UNSPACED.match(before[-1]) or UNSPACED.match(character)):
            joined = _not_first(character[0]) or _not_last(before[0]) or character[0] == " "
            if not joined and not unicodedata.category(character[0]).startswith("M"):
                yield end
        before = character
        end += len(character)


def _not_first(char: str) -> bool:
    return unicodedata.category(char) in ("Pe", "Pf") or NOT_FIRST.match(char) is not None


def _not_last(char: str) -> bool:
    return unicodedata.category(char) in ("Ps", "Pi") or NOT_LAST.match(char) is not None


def _phrase_ends(text: str) -> Iterator[int]:
    name = _model(text)
    end = 0
    for phrase in _parser(name).parse(text) if name else ():
        end += len(phrase)
        yield end


def _model(text: str) -> str | None:
    """Return BudouX's model for the script of a text; None for a script that it has no model of."""
    if KANA.search(text):
        return "ja"
    if HAN.search(text):
        simplified, traditional = (len(text.encode(code, "ignore")) for code in ("gb2312", "big5"))
        return "zh-hant" if traditional > simplified else "zh-hans"
    return "th" if THAI.search(text) else None


@cache
def _parser(name: str) -> budoux.Parser:
    load = {
        "ja": budoux.load_default_japanese_parser,
        "zh-hans": budoux.load_default_simplified_chinese_parser,
        "zh-hant": budoux.load_default_traditional_chinese_parser,
        "th": budoux.load_default_thai_parser,
    }
    return load[name]()
