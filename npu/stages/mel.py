"""Whisper's log-mel spectrogram on the NPU: one launch for each window of 30 s."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from time import perf_counter

import numpy as np

from kernels.mel import host
from kernels.mel.audio import HOP_LENGTH, MEL_FRAMES, N_FFT, SAMPLE_RATE, WINDOW_SAMPLES
from kernels.mel.host import Float32
from kernels.mel.overlay import SEQUENCE
from kernels.mel.plan import PLANES, MelPlan
from npu.errors import FolderRefused, WrongResult
from npu.runtime.npu import Npu
from npu.stages.overlap import SLOTS, overlapped
from npu.stages.pending_features import Coming

EDGE = 5  # frames at each end of a window that are taken from its neighbour: a frame sees 200 samples to each side
RANGE = host.RANGE / 4  # of Whisper's values below the loudest


class NpuMel:
    """float32 [n <= 480,000] windows at 16 kHz -> float32 [B, n_mels, 3000], Whisper's values.

    While the NPU runs one window the host packs the next and takes the logarithm of the one before.
    """

    def __init__(self, npu: Npu, n_mels: int = 80) -> None:
        """Raises NpuUnavailable for other counts of bands than 80 and 128, and as ``Npu.resident`` does."""
        self.device = npu.device
        self.n_mels = n_mels
        folder = npu.folders.mel(n_mels)
        self.resident = npu.resident(folder)
        self.plan = MelPlan(n_mels, folder.manifest.columns)
        overlay = self.resident.overlay
        sizes = PLANES * self.plan.input_samples, PLANES * self.plan.output_energies
        self._program = overlay.program(SEQUENCE)
        if self._program.needs != sizes:
            raise FolderRefused(f"the sequence of {overlay.name} moves {self._program.needs} bytes, not {sizes}")
        self._slots = [tuple(overlay.buffer(size) for size in sizes) for _ in range(SLOTS)]
        self._gains = [0] * SLOTS
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="npu-mel")
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="npu-mel-ahead")
        self._lock = Lock()
        self._windows, self._seconds, self._launched = 0, 0.0, 0.0

    def __call__(self, windows: Sequence[Float32]) -> Float32:
        """Raises ValueError for more than a window of samples, WrongResult, and what launches raise."""
        features = np.empty((len(windows), self.n_mels, MEL_FRAMES), np.float32)
        self._take(windows, features.__setitem__)
        return features

    def ahead(self, windows: Sequence[Float32]) -> Coming:
        """The same, given back as soon as the first window is there; the others follow while that one is encoded."""
        coming = Coming((len(windows), self.n_mels, MEL_FRAMES))
        self._ahead.submit(self._follow, windows, coming)
        if len(windows):
            coming[0]
        return coming

    def _follow(self, windows: Sequence[Float32], coming: Coming) -> None:
        try:
            self._take(windows, coming.put)
        except BaseException as error:  # noqa: BLE001  # whoever waits for a window gets it
            coming.fail(error)

    def _take(self, windows: Sequence[Float32], put: Callable[[int, Float32], None]) -> None:
        with self._lock:
            began = perf_counter()
            overlapped(
                len(windows),
                lambda window, slot: self._write(windows[window], slot),
                self._run,
                lambda window, slot: put(window, self._read(slot)),
                self._thread,
            )
            self._windows += len(windows)
            self._seconds += perf_counter() - began

    def process(self, audio: Float32) -> Float32:
        """A recording of any length, float32 [n] at 16 kHz: float32 [n_mels, n // 160].

        The same as openai/whisper's log_mel_spectrogram: the loudest moment of the whole sets the floor.
        """
        frames = len(audio) // HOP_LENGTH
        if frames == 0:
            return np.empty((self.n_mels, 0), np.float32)
        pieces, kept = zip(*_pieces(audio, frames), strict=True)
        features = self(pieces)
        result: Float32 = np.concatenate([one[:, part] for one, part in zip(features, kept, strict=True)], axis=1)
        np.maximum(result, result.max() - RANGE, out=result)
        return result

    def metrics(self) -> dict[str, float]:
        """Measured since the start: windows, seconds in all, seconds of launches, audio seconds per second."""
        audio = self._windows * WINDOW_SAMPLES / SAMPLE_RATE
        return {
            "windows": self._windows,
            "seconds": self._seconds,
            "launch_seconds": self._launched,
            "realtime": audio / self._seconds if self._seconds else 0.0,
        }

    def close(self) -> None:
        """Give back the threads and the memory. The overlay stays, for others: it is closed with the Npu."""
        self._ahead.shutdown()
        self._thread.shutdown()
        for buffer in (buffer for slot in self._slots for buffer in slot):
            buffer.close()

    def _write(self, samples: Float32, slot: int) -> None:
        packed, energies = self._slots[slot]
        power = self._gains[slot] = host.gain(samples)
        packed.view(np.int16)[:] = host.pack(samples, self.plan, power)[: self.plan.input_samples]
        energies.view()[:] = 0xFF  # NaN, should the launch not write it
        packed.to_device()
        energies.to_device()

    def _run(self, slot: int) -> None:
        self._launched += self.resident.launch(self._program, self._slots[slot])

    def _read(self, slot: int) -> Float32:
        energies = self._slots[slot][1]
        energies.from_device()
        spectrum = host.energies(energies.view(np.uint16), self.plan)
        if not (spectrum >= 0).all() or not np.isfinite(spectrum.max()):
            raise WrongResult("the mel launch completed and left energies that are no numbers, or negative")
        return host.log_mel(spectrum, self._gains[slot])


def _pieces(audio: Float32, frames: int) -> Iterator[tuple[Float32, slice]]:
    """Windows that overlap, each with the frames that are its own; the end is reflected, as Whisper does."""
    if len(audio) == WINDOW_SAMPLES:
        yield audio, slice(0, MEL_FRAMES)
        return
    half = N_FFT // 2
    whole = np.concatenate([audio, audio[-2 : -half - 2 : -1]])
    first = 0
    while True:
        start = max(0, first - EDGE)
        count = min(frames - first, MEL_FRAMES - EDGE - (first - start))
        last = first + count >= frames
        yield whole[start * HOP_LENGTH :][:WINDOW_SAMPLES], slice(first - start, first - start + count)
        first += count
        if last:
            return
