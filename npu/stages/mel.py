"""Whisper's log-mel spectrogram on the NPU: one launch for each window of 30 s."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from kernels.mel import host
from kernels.mel.audio import MEL_FRAMES, SAMPLE_RATE, WINDOW_SAMPLES, Float32
from kernels.mel.overlay import SEQUENCE
from kernels.mel.plan import PLANES, MelPlan
from npu.errors import FolderRefused, WrongResult
from npu.runtime.npu import Npu
from npu.stages.pending_features import PendingFeatures
from npu.stages.stage import SLOTS, NpuStage


class NpuMel(NpuStage[Sequence[Float32]]):
    """Whisper's log-mel features on the NPU: windows float32 [n <= 480,000] at 16 kHz give float32 [B, n_mels, 3000].

    While the NPU runs one window, the host packs the next and takes the logarithm of the one before.
    """

    def __init__(self, npu: Npu, n_mels: int = 80, canary_windows: int | None = None) -> None:
        """Load the overlay for ``n_mels`` bands and allocate buffers. ``canary_windows`` is explained at NpuStage.

        Raises NpuUnavailable for other counts of bands than 80 and 128, and the errors of ``Npu.resident``.
        """
        self.n_mels = n_mels
        folder = npu.folders.mel(n_mels)
        resident = npu.resident(folder)
        self.plan = MelPlan(n_mels, folder.manifest.columns)
        overlay = resident.overlay
        sizes = PLANES * self.plan.input_samples, PLANES * self.plan.output_energies
        program = overlay.program(SEQUENCE)
        if program.needs != sizes:
            raise FolderRefused(f"the sequence of {overlay.name} moves {program.needs} bytes, not {sizes}")
        slots = [tuple(overlay.buffer(size) for size in sizes) for _ in range(SLOTS)]
        super().__init__("mel", npu, [(resident, program)], slots, canary_windows)
        self._gains = [0] * SLOTS
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="npu-mel-ahead")

    def ahead(self, windows: Sequence[Float32]) -> PendingFeatures:
        """Start to compute the features, and return them once the first window is done; a thread computes the others.

        Reading a later window from the result waits for it, so an encoder can work meanwhile. Raises the errors of a
        call.
        """
        array = self._allocate(windows)
        with self._watched():
            features = PendingFeatures(array, self.npu.check_serving)
            self._ahead.submit(self._follow, windows, array, features)
            if len(windows):
                features[0]
        return features

    def metrics(self) -> dict[str, float]:
        """Return the totals of ``NpuStage.metrics`` and ``realtime``: seconds of audio for each second of work."""
        counts = super().metrics()
        audio = self._windows * WINDOW_SAMPLES / SAMPLE_RATE
        return {**counts, "realtime": audio / self._seconds if self._seconds else 0.0}

    def close(self) -> None:
        """End the stage's threads and free its buffers on the device.

        The overlay stays loaded until the Npu is closed.
        """
        self._ahead.shutdown()
        super().close()

    def _follow(self, windows: Sequence[Float32], array: Float32, features: PendingFeatures) -> None:
        try:
            self._compute(windows, array, features.finish)
        except BaseException as error:  # noqa: BLE001  # every reader that waits for a window gets it
            features.fail(error)

    def _allocate(self, windows: Sequence[Float32]) -> Float32:
        longest = max(map(len, windows), default=0)
        if longest > WINDOW_SAMPLES:
            raise ValueError(f"a window holds at most {WINDOW_SAMPLES} samples, not {longest}")
        return np.empty((len(windows), self.n_mels, MEL_FRAMES), np.float32)

    def _write(self, window: Float32, slot: int) -> None:
        packed, energies = self._slots[slot]
        gain = self._gains[slot] = host.gain(window)
        packed.view(np.int16)[:] = host.pack(window, self.plan, gain)[: self.plan.input_samples]
        energies.view()[:] = 0xFF  # NaN, should the launch not write it
        packed.to_device()
        energies.to_device()

    def _read(self, slot: int, result: Float32) -> None:
        energies = self._slots[slot][1]
        energies.from_device()
        spectrum = host.energies(energies.view(np.uint16), self.plan)
        if not (spectrum >= 0).all() or not np.isfinite(spectrum.max()):
            raise WrongResult("the mel launch completed and left energies that are no numbers, or negative")
        result[:] = host.log_mel(spectrum, self._gains[slot])
