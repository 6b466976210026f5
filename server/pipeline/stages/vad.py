"""Voice activity detection by Silero's network, on audio that arrives in blocks.

The network (silero_vad_v6.onnx, as faster-whisper ships it) takes a state and 512 new samples after 64 old ones, and
gives the probability of speech in the 32 ms of the new ones.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from kernels.mel.audio import SAMPLE_RATE, WINDOW_SAMPLES, Float32
from server.pipeline.stages.level import FRAME, Leveller
from server.pipeline.stages.protocols import Span
from server.settings.stages import VadSettings

CONTEXT = 64  # samples
HYSTERESIS = 0.15  # speech ends when its probability is this much below the threshold (Silero's own default)
SETTLED = 150  # frames of digital silence; for 43 s after them, behind speech, the probability stayed below 0.001
LONGEST = WINDOW_SAMPLES // FRAME  # frames of speech without a pause before it is cut


class SileroDetector:
    """A SpeechDetector for one recording that uses Silero's network, which hears quiet audio lifted to a common level.

    Speech that goes on for 30 s without a pause is cut at the least likely moment of its second half, so that no span
    is longer than a window.
    """

    device = "cpu"

    def __init__(self, settings: VadSettings) -> None:
        self.hangover = Hangover(settings)
        self._session = _session()
        self._state = np.zeros((1, 1, 128), np.float32), np.zeros((1, 1, 128), np.float32)
        self._context = np.zeros(CONTEXT, np.float32)
        self._leveller = Leveller()
        self._settled: float | None = None  # the probability in digital silence, which a container's holes become
        self._length = 0

    def feed(self, samples: Float32) -> list[Span]:
        self._length += len(samples)
        return self.hangover.push(self._probabilities(self._leveller.feed(samples)))

    def flush(self) -> list[Span]:
        spans = self.hangover.push(self._probabilities(self._leveller.flush()))
        spans += self.hangover.end()
        return [(start, min(end, self._length)) for start, end in spans if start < self._length]

    @property
    def undecided(self) -> int:
        return self.hangover.undecided

    def _probabilities(self, samples: Float32) -> Float32:
        """Compute the probability of speech, float32 [n], of each 32 ms of samples, float32 [n * 512]."""
        if not len(samples):
            return np.zeros(0, np.float32)
        frames = samples.reshape(-1, FRAME)
        silent = not samples.any()
        if silent and self._settled is not None:
            return np.full(len(frames), self._settled, np.float32)
        before = np.concatenate([self._context[None], frames[:-1, -CONTEXT:]])
        self._context = frames[-1, -CONTEXT:]
        h, c = self._state
        out, h, c = self._session.run(None, {"input": np.concatenate([before, frames], axis=1), "h": h, "c": c})
        self._state = h, c
        probabilities: Float32 = out.reshape(-1)
        self._settled = float(probabilities[-1]) if silent and len(frames) >= SETTLED else None
        return probabilities


class Hangover:
    """A converter from speech probabilities of 32 ms frames to padded spans of speech.

    Speech begins at ``vad.threshold`` and ends below a lower threshold. Too short speech or silence does not count, and
    speech that is longer than a window is cut where it is least probable in its second half.
    """

    def __init__(self, settings: VadSettings) -> None:
        self.on = settings.threshold
        self.off = max(settings.threshold - HYSTERESIS, 0.01)
        self.shortest = settings.min_speech_ms * SAMPLE_RATE // 1000
        self.pause = max(1, settings.min_silence_ms * SAMPLE_RATE // 1000 // FRAME)
        self.pad = settings.pad_ms * SAMPLE_RATE // 1000
        self._longest = max(2, LONGEST - -(-2 * self.pad // FRAME))
        self._frame = 0
        self._start: int | None = None
        self._quiet = 0
        self._run: list[float] = []
        self._last_end = 0

    @property
    def undecided(self) -> int:
        start = self._frame if self._start is None else self._start
        return max(self._last_end, start * FRAME - self.pad)

    def push(self, probabilities: Float32) -> list[Span]:
        spans: list[Span] = []
        for probability in probabilities.tolist():
            self._step(probability, spans)
            self._frame += 1
        return spans

    def end(self) -> list[Span]:
        spans: list[Span] = []
        if self._start is not None:
            self._close(self._frame - self._quiet, spans)
        return spans

    def _step(self, probability: float, spans: list[Span]) -> None:
        if self._start is None:
            if probability >= self.on:
                self._start, self._quiet, self._run = self._frame, 0, [probability]
            return
        self._run.append(probability)
        self._quiet = self._quiet + 1 if probability < self.off else 0
        if self._quiet >= self.pause:
            self._close(self._frame + 1 - self._quiet, spans)
        elif len(self._run) >= self._longest:
            self._cut(spans)

    def _cut(self, spans: list[Span]) -> None:
        assert self._start is not None  # noqa: S101
        half = len(self._run) // 2
        at = half + int(np.argmin(self._run[half:]))
        rest, begin = self._run[at:], self._start + at
        self._close(begin, spans, pad_end=False)
        self._start, self._run = begin, rest
        self._quiet = min(self._quiet, len(rest))

    def _close(self, end: int, spans: list[Span], *, pad_end: bool = True) -> None:
        assert self._start is not None  # noqa: S101
        first, last = self._start * FRAME, end * FRAME
        self._start = None
        if last - first < self.shortest:
            return
        # The padding of two neighbours never overlaps: the earlier one has the first half of the pause.
        start = max(self._last_end, first - self.pad)
        stop = last + (min(self.pad, self.pause * FRAME // 2) if pad_end else 0)
        spans.append((start, stop))
        self._last_end = stop


@cache
def _session() -> Any:
    """Load Silero's network once and return it. The network keeps no state between calls, so all requests share it."""
    import onnxruntime
    from faster_whisper.utils import get_assets_path

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    path = f"{get_assets_path()}/silero_vad_v6.onnx"
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
