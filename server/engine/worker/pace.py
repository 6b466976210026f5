"""The pace of a worker: how many windows it decodes together, and whether it encodes meanwhile, by measured speed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Thread
from time import monotonic, perf_counter
from typing import TYPE_CHECKING

import numpy as np

from kernels.mel.audio import MEL_FRAMES
from server.engine.worker.decoder_speed import GAIN, DecoderSpeed
from server.engine.worker.measurements import Measurements, place, read, write
from server.engine.worker.queues import Sizes
from server.machine.cpu import usable_cores
from server.pipeline.work import Work

if TYPE_CHECKING:
    from server.pipeline.loaded_model import LoadedModel

TOKENS = 16
REPEATS = 2
FEW_CORES = 2  # side by side, a clip of 3 s beside ten files took 1.9 s (median) on two cores, in turn 0.5 s
KEEP_SECONDS = 60.0  # between two writes of the measurements


class Pace:
    """The batch sizes of one model on this machine, and the measurements that they follow.

    ``beam_size`` is that of the batches that count. ``keep`` is called with the measurements to keep them for the next
    start, at most once a minute unless the batch size changes. ``beside`` tells that encoder and decoder compute at the
    same time, whatever was measured. One thread, which decodes, may call ``decoded``.
    """

    def __init__(
        self,
        *,
        largest: int,
        beam_size: int,
        earlier: Measurements | None = None,
        keep: Callable[[Measurements], None] = lambda _measurements: None,
        beside: bool = False,
    ) -> None:
        self.measurements = earlier or Measurements()
        self._speed = DecoderSpeed(largest, self.measurements.decoder)
        self._beam_size = beam_size
        self._keep = keep
        self._kept = monotonic()
        self.overlap = beside or worthwhile(self.measurements.gain)

    @staticmethod
    def of(model: LoadedModel) -> Pace:
        """Return the pace for a loaded model on this machine, with what was measured before."""
        decode = model.settings.decode
        path = place(model.checkpoint.directory, model.checkpoint.compute_type, decode.beam_size, model.encoder_name)
        return Pace(
            largest=decode.batch_size,
            beam_size=decode.beam_size,
            earlier=read(path),
            keep=lambda measurements: write(path, measurements),
            beside=model.encoder.device != "cpu",  # an encoder on the NPU leaves the processor to the decoder
        )

    @property
    def sizes(self) -> Sizes:
        """The sizes of the batches to come; the encoder computes a window at a time, as a batch saves it nothing."""
        return Sizes(encoder=1, decoder=self._speed.best)

    def decoded(self, works: Sequence[Work], seconds: float) -> bool:
        """Count a batch that took ``seconds`` in the decoder at temperature 0; return True if ``sizes`` changed."""
        if any(work.waits_for_encoder or work.attempts.search.beam_size != self._beam_size for work in works):
            return False  # a window that waits for the encoder again went on too long
        before = self._speed.best
        tokens = sum(len(work.attempts.latest.tokens) for work in works)
        self._speed.add(windows=len(works), tokens=tokens, seconds=seconds)
        changed = self._speed.best != before
        if changed or monotonic() - self._kept > KEEP_SECONDS:
            self._write()
        return changed

    def gained(self, gain: float) -> None:
        """Keep the measured gain of encoder and decoder side by side; it counts from the next start on."""
        self.measurements.gain = gain
        self._write()

    def _write(self) -> None:
        self.measurements.decoder = self._speed.batches
        self._keep(self.measurements)
        self._kept = monotonic()

    def __str__(self) -> str:
        gain = self.measurements.gain
        timed = "" if gain is None else f" (both at once: {gain:.2f}x)"
        return f"{self._speed}, {'beside' if self.overlap else 'in turn with'} the encoder{timed}"


def worthwhile(gain: float | None) -> bool:
    """Return True if encoder and decoder should run side by side: they gain more than 10 %, and not impossibly much."""
    return gain is not None and 1.0 + GAIN < gain <= 2.0  # a value above 2 is the noise of a busy machine


def should_measure_overlap(pace: Pace) -> bool:
    """Return True if it is not known whether encoder and decoder gain by running side by side, and they might."""
    return pace.measurements.gain is None and not pace.overlap and usable_cores() > FEW_CORES


def measured_overlap(model: LoadedModel) -> float:
    """Time encoder and decoder on one window in turn and side by side, and return the first time divided by the second.

    The result is 2.0 at best, and 1.0 if side by side saves nothing.
    """
    mel = np.random.default_rng(0).uniform(-1, 1, (1, model.checkpoint.n_mels, MEL_FRAMES)).astype(np.float32)
    states = model.encoder(mel)
    return overlap_gain(lambda: model.encoder(mel), lambda: model.decoder.rehearse(states, TOKENS))


def overlap_gain(encode: Callable[[], object], decode: Callable[[], object]) -> float:
    """Time two functions in turn and side by side, and return the first time divided by the second."""

    def both() -> None:
        beside = Thread(target=encode)
        beside.start()
        decode()
        beside.join()

    apart = sum(min(_timed(run) for _ in range(REPEATS)) for run in (encode, decode))
    return apart / min(_timed(both) for _ in range(REPEATS))


def _timed(run: Callable[[], object]) -> float:
    began = perf_counter()
    run()
    return perf_counter() - began
