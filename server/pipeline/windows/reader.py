"""The reader of a recording: it decodes the file, detects speech and cuts windows, 10 s of audio at a time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

from kernels.mel.audio import Float32
from server.pipeline.clock import StageClock
from server.pipeline.stages.decode import AudioStream
from server.pipeline.stages.protocols import SpeechDetector
from server.pipeline.window import Window
from server.pipeline.windows.channels import ChannelCutter
from server.pipeline.windows.cutting import FixedCutter, SpeechCutter
from server.pipeline.windows.spool import Spool


class WindowReader:
    """A reader of one recording that returns its windows in order.

    Without a ``detector`` the windows cover everything; with one they hold the speech that it finds. With ``keep`` the
    samples are copied to disk, for a stage that needs the whole recording. With ``split``, which returns a detector or
    None, each channel has windows and a detector of its own, and nothing is copied.

    ``clock`` has the times of the stages, ``windows`` and ``frames`` count the windows and encoder frames of 20 ms that
    were cut so far.

    One thread at a time may call it, ``close`` included.
    """

    def __init__(
        self,
        audio: AudioStream,
        detector: SpeechDetector | None = None,
        *,
        keep: bool = False,
        split: Callable[[], SpeechDetector | None] | None = None,
    ) -> None:
        self.clock = StageClock()
        self.windows = 0
        self.frames = 0
        self._audio = audio
        self._cutter: ChannelCutter | SpeechCutter | FixedCutter
        if split is not None:
            self._cutter = ChannelCutter(split)
        else:
            self._cutter = FixedCutter() if detector is None else SpeechCutter(detector)
        self._spool = Spool(enabled=keep and split is None)
        self._blocks = self._spool.through(audio if split is None else audio.channels())
        self._ended = False

    def read(self) -> list[Window] | None:
        """Decode the next 10 s of audio, and return the windows that are complete now; None after the recording's end.

        Raises UnsupportedMedia or TooLarge, as AudioStream does.
        """
        if self._ended:
            return None
        with self.clock.stage("decode", "cpu"):
            block = next(self._blocks, None)
        self._ended = block is None
        device = self._cutter.device
        with self.clock.stage("vad", device) if device else nullcontext():
            cut = self._cutter.flush() if block is None else self._cutter.push(block)
        self.windows += len(cut)
        self.frames += sum(window.frames for window in cut)
        return cut

    def samples(self) -> Float32:
        """Return all samples that were read, float32 [n], mapped from disk; empty without ``keep``."""
        return self._spool.samples()

    def close(self) -> None:
        """Close the audio file, and delete the copy of its samples on disk."""
        self._blocks.close()
        self._spool.close()

    @property
    def duration(self) -> float | None:
        """The length in seconds that the file claims; None if it claims none, or before the first ``read``."""
        return self._audio.duration

    @property
    def seconds(self) -> float:
        """Seconds of audio read so far."""
        return self._audio.seconds

    @property
    def warnings(self) -> list[str]:
        """Sentences for the user on what the file holds and was not used."""
        return self._audio.warnings
