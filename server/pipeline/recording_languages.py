"""The languages of one recording: the first is heard in its first window, others where its windows change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from server.pipeline.loaded_model import LoadedModel
from server.pipeline.stages.hearing import likeliest_languages, piece_shares
from server.pipeline.windows.parts import pieces
from server.pipeline.work import Watch, Work
from server.transcript import LanguageTime, Options, Segment

NO_LANGUAGE = "en"  # the language of an answer without a word, as OpenAI's; its probability is 0
CERTAIN = 0.5  # least probability of another language than the recording's in a whole window


class RecordingLanguages:
    """The languages that were heard in a recording so far, with their probabilities; ``heard`` begins with the first.

    The language of a window depends on its audio and on the first window's language only, so that the order in which
    windows are computed does not matter.
    """

    def __init__(self, model: LoadedModel, options: Options, heard: Iterable[tuple[str, float]] = ()) -> None:
        self.heard = dict(heard)
        self._model = model
        self._candidates = model.candidates(options)
        self._changes = model.settings.decode.language_changes

    def listen(self, work: Work, watch: Watch) -> str:
        """Return the language in which to decode an encoded window; ``work.cut`` is set if it has several.

        The language is the recording's first, unless another is heard in all of the window.
        """
        if len(self._candidates) == 1:
            return self._hear(self._candidates[0], 1.0)
        if self.heard and self._changes == "file":
            return next(iter(self.heard))
        with watch("language", "cpu", [work]):
            return self._listen(work)

    def _listen(self, work: Work) -> str:
        first = not self.heard
        anew = first or self._changes == "window"
        expected = self._hear(*self._detect(work)) if anew else next(iter(self.heard))
        stretches = [] if self._changes == "file" else pieces(work.window)
        if not stretches or (first and len(stretches) == 1):
            return expected
        quiet = self._model.quiet_states()
        shares = piece_shares(self._model.checkpoint, work.window, work.states, stretches, quiet, self._candidates)
        found = likeliest_languages(shares, expected)
        if len(set(found)) > 1:
            change = next(n for n in range(1, len(found)) if found[n] != found[n - 1])
            work.cut = (stretches[change - 1][1] + stretches[change][0]) / 2
        elif found[0] != expected:
            language, share = self._detect(work)
            return self._hear(language, share) if share >= CERTAIN else expected
        return expected

    def _detect(self, work: Work) -> tuple[str, float]:
        return self._model.checkpoint.detect_language(work.states, self._candidates)

    def _hear(self, language: str, share: float) -> str:
        self.heard.setdefault(language, share)
        return language

    def main(self, times: Sequence[LanguageTime]) -> tuple[str, float]:
        """Return the first language of ``times`` and its probability; without text, the one that was heard.

        The probability is 0 where none was heard.
        """
        if times:
            return times[0].code, self.heard.get(times[0].code, 0.0)
        if self.heard:
            return next(iter(self.heard.items()))
        return (self._candidates[0] if len(self._candidates) == 1 else NO_LANGUAGE), 0.0


def language_times(segments: Sequence[Segment]) -> tuple[LanguageTime, ...]:
    """Return the languages of the segments with the seconds of each, the one with most seconds first."""
    times: dict[str, float] = {}
    for segment in segments:
        times[segment.language] = times.get(segment.language, 0.0) + segment.end - segment.start
    ordered = sorted(times.items(), key=lambda item: -item[1])
    return tuple(LanguageTime(code, round(seconds, 3)) for code, seconds in ordered)
