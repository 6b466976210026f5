"""SubRip and WebVTT, read back by webvtt-py."""

from __future__ import annotations

import html
import io
import itertools
import re
import string

import pytest
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from server.formats import SubtitleLayout, srt, vtt
from server.formats.line_breaks import width
from server.transcript import Segment, Word
from tests.formats.spoken import segment, spoken, spoken_characters

LONG = " And so my fellow Americans, ask not what your country can do for you, ask what you can do for your country."


def read(text: str, output_format: str) -> list[webvtt.Caption]:
    """Return the cues that webvtt-py reads; it has none for silence, which is an error to it in SubRip."""
    return webvtt.from_buffer(io.StringIO(text), format=output_format).captions if "-->" in text else []


def test_srt() -> None:
    segments = (segment(" Hello there.", 0.0, 1.5), segment(" Bye.", 3661.0, 3662.25, speaker="SPEAKER_00"))
    assert srt(segments) == (
        "1\n00:00:00,000 --> 00:00:01,500\nHello there.\n\n2\n01:01:01,000 --> 01:01:02,250\n[SPEAKER_00]: Bye.\n"
    )


def test_vtt_escapes_text_and_names_voices() -> None:
    segments = (segment("1 < 2 & a --> b", 0.0, 1.0), segment(" Bye.", 1.0, 2.0, speaker="A<B"))
    assert vtt(segments) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n1 &lt; 2 &amp; a --&gt; b\n\n"
        "00:00:01.000 --> 00:00:02.000\n<v A&lt;B>Bye.\n"
    )
    assert [html.unescape(cue.voice or "") for cue in read(vtt(segments), "vtt")] == ["", "A<B"]


def test_silence_is_valid() -> None:
    assert (srt(()), vtt(())) == ("", "WEBVTT\n\n")
    assert srt((segment("  ", 0.0, 1.0),)) == ""


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.9999, "00:00:01,000"), (59.9996, "00:01:00,000"), (3599.9995, "01:00:00,000"), (360000.0, "100:00:00,000")],
)
def test_milliseconds_never_show_1000(seconds: float, shown: str) -> None:
    assert f"--> {shown}\n" in srt((segment("x", seconds - 1.5, seconds),))


def test_default_lines() -> None:
    for cue in read(srt([spoken(LONG, 0.0, 0.3)]), "srt"):
        assert len(cue.text.splitlines()) <= 2
        assert all(len(line) <= 42 for line in cue.text.splitlines())


@pytest.mark.parametrize(("columns", "lines"), [(20, 1), (30, 3), (16, 2)])
def test_line_width_and_count_as_asked(columns: int, lines: int) -> None:
    layout = SubtitleLayout(max_line_width=columns, max_line_count=lines)
    for text, name in ((srt([spoken(LONG, 0.0)], layout), "srt"), (vtt([spoken(LONG, 0.0)], layout), "vtt")):
        shown = read(text, name)
        assert " ".join(line for cue in shown for line in cue.text.splitlines()) == LONG.strip()
        assert all(len(cue.text.splitlines()) <= lines for cue in shown)
        assert max(len(line) for cue in shown for line in cue.text.splitlines()) <= columns


def test_the_speaker_takes_its_place_in_srt() -> None:
    segments = [spoken(LONG, 0.0, speaker="SPEAKER_00")]
    for cue in read(srt(segments, SubtitleLayout(max_line_width=30)), "srt"):
        assert cue.text.splitlines()[0].startswith("[SPEAKER_00]: ")
        assert all(len(line) <= 30 for line in cue.text.splitlines())
    assert [cue.voice for cue in read(vtt(segments), "vtt")] == ["SPEAKER_00"] * len(read(vtt(segments), "vtt"))
    assert "[SPEAKER_00]:\nAmericans" in srt([spoken("Americans", 0.0, speaker="SPEAKER_00")], SubtitleLayout(12))


def test_japanese_is_broken_at_phrases_and_by_width() -> None:
    text = (
        "今日はとても良い天気ですね。明日は「東京」に行きます（たぶん）。それから京都へも行ってみたいと思っています。"
    )
    shown = read(srt([spoken_characters(text, 0.0)]), "srt")
    lines = [line for cue in shown for line in cue.text.splitlines()]
    assert "".join(lines) == text
    assert all(width(line) <= 42 for line in lines)
    assert all(len(cue.text.splitlines()) <= 2 for cue in shown)
    assert not any(line[0] in "。、）」っゃー" or line[-1] in "（「" for line in lines)


def test_highlighted_words_are_underlined_while_they_are_said() -> None:
    words = (Word("One", 0.0, 0.5), Word("&", 0.5, 0.8), Word("two.", 1.0, 1.5))
    layout = SubtitleLayout(highlight_words=True)
    assert vtt([segment(" One & two.", 0.0, 1.5, words)], layout) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:00.500\n<u>One</u> &amp; two.\n\n"
        "00:00:00.500 --> 00:00:00.800\nOne <u>&amp;</u> two.\n\n"
        "00:00:00.800 --> 00:00:01.000\nOne &amp; two.\n\n"
        "00:00:01.000 --> 00:00:01.500\nOne &amp; <u>two.</u>\n"
    )
    shown = read(srt([spoken(LONG, 0.0)], layout), "srt")
    assert " ".join(re.findall("<u>(.*?)</u>", "\n".join(cue.raw_text for cue in shown))) == LONG.strip()


def seconds(time: str) -> float:
    hours, minutes, rest = time.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


LETTERS = string.ascii_letters + string.digits + "äß.,?!&-日本語ひらがなっ。、「」ー่ก็ดีไม้한글éé😀"
WORDS = st.lists(
    st.tuples(st.text(LETTERS, min_size=1, max_size=60), st.floats(-1, 5), st.floats(-1, 5), st.booleans()), max_size=12
)
SEGMENTS = st.lists(
    st.tuples(WORDS, st.floats(-2, 60), st.sampled_from([None, "A", "B & <C>"]), st.booleans()), max_size=6
)
LAYOUTS = st.builds(SubtitleLayout, st.integers(1, 60), st.integers(1, 4))


def recording(drawn: list[tuple[list[tuple[str, float, float, bool]], float, str | None, bool]]) -> list[Segment]:
    """Return segments of speakers who take turns; one who speaks on may run backwards."""
    segments: list[Segment] = []
    clock = 0.0
    for words, gap, speaker, timed in drawn:
        turn = bool(segments) and segments[-1].speaker != speaker
        clock = max(0.0, clock + (abs(gap) if turn else gap))
        begin, text, placed = clock, "", []
        for written, pause, length, space in words:
            text += " " * space + written
            placed.append(Word(written, max(0.0, clock + pause), max(0.0, clock + pause + length)))
            clock = placed[-1].end
        segments.append(segment(text, begin, clock, tuple(placed) if timed else (), speaker))
    return segments


@given(SEGMENTS, LAYOUTS, st.sampled_from(["srt", "vtt"]))
def test_subtitles_of_anything(
    drawn: list[tuple[list[tuple[str, float, float, bool]], float, str | None, bool]], layout: SubtitleLayout, name: str
) -> None:
    segments = recording(drawn)
    shown = read((srt if name == "srt" else vtt)(segments, layout), name)
    said = "".join("".join(s.text.split()) for s in segments)
    lines = [re.sub(r"^\[.*\]:", "", html.unescape(line)) for cue in shown for line in cue.text.splitlines()]
    assert "".join("".join(line.split()) for line in lines) == said
    times = [(seconds(cue.start), seconds(cue.end)) for cue in shown]
    assert all(0 < end - start < 7.0005 for start, end in times)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(times))


def test_people_who_talk_at_once_have_the_cues_that_each_would_have_alone() -> None:
    first = [spoken(LONG, 0.0, speaker="A"), spoken(" Yes.", 40.0, speaker="A")]
    second = [spoken(" Well, well. " + LONG.strip(), 1.0, speaker="B")]
    together = read(vtt(sorted([*first, *second], key=lambda one: one.start)), "vtt")
    alone = [cue for voice in (first, second) for cue in read(vtt(voice), "vtt")]
    assert [(cue.start, cue.end, cue.raw_text) for cue in together] == sorted(
        (cue.start, cue.end, cue.raw_text) for cue in alone
    )


@given(
    st.lists(st.tuples(st.text(string.ascii_letters, min_size=1, max_size=12), st.floats(0, 2)), min_size=1), LAYOUTS
)
def test_lines_and_times_of_any_words(drawn: list[tuple[str, float]], layout: SubtitleLayout) -> None:
    words, clock = [], 0.0
    for text, pause in drawn:
        words.append(Word(text, clock + pause, clock + pause + 0.2))
        clock = words[-1].end
    shown = read(vtt([segment(" ".join(text for text, _ in drawn), 0.0, clock, tuple(words))], layout), "vtt")
    assert " ".join(line for cue in shown for line in cue.text.splitlines()).split() == [text for text, _ in drawn]
    for cue in shown:
        assert all(len(line) <= layout.max_line_width or " " not in line for line in cue.text.splitlines())
        assert len(cue.text.splitlines()) <= layout.max_line_count
    starts = [word.start for word in words]
    for cue, following in itertools.pairwise(shown):
        first = starts[len(starts) - sum(len(c.text.split()) for c in shown[shown.index(cue) :])]
        assert seconds(cue.start) == pytest.approx(first, abs=0.001)  # no cue before its first word
        assert seconds(cue.end) - seconds(cue.start) >= min(1.0, seconds(following.start) - seconds(cue.start)) - 0.001


@given(st.text(max_size=200), st.booleans())
def test_any_text_is_well_formed(text: str, named: bool) -> None:
    segments = [segment(text, 0.0, 3.0, speaker=text if named and text.strip() else None)]
    assert len(read(vtt(segments), "vtt")) == vtt(segments).count("-->") == srt(segments).count("-->")
