"""Audio decoding: any container in, float32 mono 16 kHz blocks out, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import numpy as np

from kernels.mel.audio import SAMPLE_RATE, Float32
from server.errors import InvalidInput, TooLarge, UnsupportedMedia
from server.pipeline.stages.audio.container import CURE, Container, Piece, opened
from server.pipeline.stages.audio.links import ChainLink
from server.pipeline.stages.audio.mixing import Downmix
from server.pipeline.stages.audio.timeline import Timeline
from server.pipeline.stages.audio.tracks import chosen
from server.transcript import AudioInput

BLOCK_SECONDS = 10
MAX_SPLIT = 8  # channels with a speaker each; every one costs a speech detection
ANY = AudioInput()


class AudioStream:
    """An iterable that decodes one recording, block by block, in bounded memory.

    Its time is that of a player: holes in the container's time line are silence, and so is a beginning without audio.

    ``audio`` says which track to read, and what raw samples are. ``duration`` is the length in seconds that the
    container claims, None if it claims none or iteration has not begun; ``damaged`` counts packets that could not be
    decoded and were skipped.

    Iteration raises UnsupportedMedia if the file holds no audio that can be decoded, TooLarge beyond ``max_seconds``,
    and InvalidInput for a track that is not there. An empty file is a recording of no length.
    """

    def __init__(
        self,
        source: Path,
        audio: AudioInput = ANY,
        *,
        max_seconds: float = float("inf"),
        block_seconds: int = BLOCK_SECONDS,
    ) -> None:
        self.source = source
        self.audio = audio
        self.max_seconds = max_seconds
        self.block = block_seconds * SAMPLE_RATE
        self.duration: float | None = None
        self.damaged = 0
        self._timeline: Timeline | None = None
        self._mixed_parts = False
        self._samples = 0

    @property
    def seconds(self) -> float:
        """Seconds of audio decoded so far."""
        return self._samples / SAMPLE_RATE

    @property
    def warnings(self) -> list[str]:
        """Sentences for the user on what the file holds and was not used."""
        warnings = [self._timeline.warning] if self._timeline and self._timeline.warning else []
        if self._mixed_parts:
            warnings.append(
                "The number of channels changes on the way; where it is not that of the beginning, the channels were "
                "mixed, and their speakers are not told apart."
            )
        if self.damaged:
            warnings.append(f"{self.damaged} damaged audio packets were passed over.")
        return warnings

    def __iter__(self) -> Iterator[Float32]:
        """Yield blocks of mono samples, float32 [n] in [-1, 1]; n is block_seconds * 16,000 except in the last block.

        The channels are mixed as ``Downmix`` describes.
        """
        return self._blocks(self._mono())

    def channels(self) -> Iterator[Float32]:
        """Yield blocks of all channels, float32 [n, channels], n as above; the number is that of ``channel_count``.

        Where a recording changes its channels on the way, its mix is in every channel. Raises InvalidInput for more
        channels than speakers that are told apart by them.
        """
        return self._blocks(self._every_channel())

    def _mono(self) -> Iterator[Float32]:
        mixes: dict[tuple[str, ...], Downmix] = {}
        for names, samples in _gathered(self._pieces(), self.block):
            if names not in mixes:
                mixes[names] = Downmix(names)
            yield _bounded(mixes[names](_finite(samples)))

    def _every_channel(self) -> Iterator[Float32]:
        channels = max(1, channel_count(self.source, self.audio))
        if channels > MAX_SPLIT:
            cure = f"Leave channels out, which mixes them; channels=split takes at most {MAX_SPLIT}."
            raise InvalidInput(f"The recording has {channels} channels.", param="channels", cure=cure)
        for names, samples in _gathered(self._pieces(), self.block):
            if len(names) != channels:
                self._mixed_parts = self._mixed_parts or bool(samples.any())
                samples = np.repeat(Downmix(names)(samples)[:, None], channels, axis=1)
            yield _bounded(_finite(samples))

    def _pieces(self) -> Iterator[Piece]:
        size = self.source.stat().st_size
        if size == 0:
            return
        with opened(self.source, self.audio) as links:
            self._timeline = Timeline(size)
            for number, link in enumerate(links):
                try:
                    yield from self._link(link, self._timeline, alone=len(links) == 1)
                except UnsupportedMedia:
                    if number == 0:
                        raise
                    self.damaged += 1

    def _link(self, link: ChainLink, timeline: Timeline, *, alone: bool) -> Iterator[Piece]:
        """Decode the best track of a link that has any audio which can be decoded."""
        begin, before = timeline.position, self.damaged
        for attempt in count():
            with Container.opened(link, self.audio) as container:
                tracks = chosen(container.tracks, self.audio.track)[attempt:]
                if not tracks:
                    raise UnsupportedMedia("None of the audio in the file can be decoded.", param="file", cure=CURE)
                claimed = container.claimed_seconds(tracks[0])
                self.duration = claimed if alone else None
                timeline.restart(claimed)
                for piece in container.pieces(tracks[0], timeline):
                    self.damaged = before + container.damaged
                    yield piece
                before = self.damaged = before + container.damaged
                if timeline.position > begin or not container.damaged:
                    return

    def _blocks(self, pieces: Iterator[Float32]) -> Iterator[Float32]:
        pending: list[Float32] = []
        held = 0
        for piece in pieces:
            self._samples += len(piece)
            if self.seconds > self.max_seconds:
                raise TooLarge(
                    f"The recording is longer than {self.max_seconds:.0f} s.",
                    param="file",
                    cure="Split it, or raise server.max_audio_seconds.",
                )
            pending.append(piece)
            held += len(piece)
            while held >= self.block:
                joined = np.concatenate(pending)
                yield joined[: self.block]
                pending, held = [joined[self.block :]], held - self.block
        if held:
            yield np.concatenate(pending)


def claimed_seconds(source: Path, audio: AudioInput = ANY) -> float | None:
    """Return the length in seconds that a file claims, without decoding it; None if it claims none or has no audio."""
    with suppress(InvalidInput), opened(source, audio) as links:
        return _claimed(links[0], audio) if len(links) == 1 else None
    return None


def channel_count(source: Path, audio: AudioInput = ANY) -> int:
    """Return the number of channels that a file's track claims, without decoding it; 0 if that is not known."""
    with suppress(InvalidInput), opened(source, audio) as links, Container.opened(links[0], audio) as container:
        tracks = chosen(container.tracks, audio.track)
        return tracks[0].channels if tracks else 0
    return 0


def _claimed(link: ChainLink, audio: AudioInput) -> float | None:
    with Container.opened(link, audio) as container:
        tracks = chosen(container.tracks, audio.track)
        return container.claimed_seconds(tracks[0]) if tracks else None


def _gathered(pieces: Iterable[Piece], most: int) -> Iterator[Piece]:
    """Join pieces of the same channels up to ``most`` samples of stereo: the downmix wants seconds at once."""
    names: tuple[str, ...] = ()
    held: list[Float32] = []
    size = 0
    for piece in pieces:
        if held and (piece.names != names or size * max(len(names), 2) >= 2 * most):
            yield Piece(names, np.concatenate(held))
            held, size = [], 0
        names = piece.names
        held.append(piece.samples)
        size += len(piece.samples)
    if held:
        yield Piece(names, np.concatenate(held))


def _finite(samples: Float32) -> Float32:
    return samples if np.isfinite(samples).all() else np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)


def _bounded(samples: Float32) -> Float32:
    return np.clip(samples, -1.0, 1.0)
