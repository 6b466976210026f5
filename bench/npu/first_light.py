"""The measurements for the first hour on an NPU.

    python -m bench.npu.first_light launches|idle|contexts|soak

docs/first-light.md explains the results. ``--simulated`` tries the programs themselves on a machine without an NPU: its
times mean nothing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from bench.npu.demo import demo_encoder
from kernels.cost.assumptions import ASSUMPTIONS, CLOCKS_GHZ
from kernels.cost.report import cost
from kernels.encoder.shapes import SHAPES
from kernels.encoder.weights import random_encoder
from kernels.mel.audio import WINDOW_SAMPLES
from npu.errors import NpuError
from npu.kernel_folders import Folders
from npu.probe import probe
from npu.runtime.npu import Npu, open_npu
from npu.simulated import Machine
from npu.stages.encoder import NpuEncoder
from npu.stages.mel import NpuMel
from npu.xrt.device import Device, pyxrt
from npu.xrt.overlay import Overlay

PAUSES = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # seconds without a launch
MOST_CONTEXTS = 8  # two more than npu1_regs.c of amdxdna allows
REPEATS = 20


@dataclass(frozen=True, slots=True)
class MeasuredStages:
    """The mel and encoder stages, with a window of noise for each."""

    mel: NpuMel
    encoder: NpuEncoder

    @staticmethod
    def open(npu: Npu, size: str, *, int8: bool) -> MeasuredStages:
        """Open the stages for a Whisper size: the demo model's weights, or random ones for another size."""
        weights = demo_encoder() if size == "demo" else random_encoder(SHAPES[size])
        return MeasuredStages(NpuMel(npu, SHAPES[size].n_mels), NpuEncoder(npu, weights, int8=int8))

    def features(self) -> NDArray[np.float32]:
        """Return the mel features of a window of noise by the NPU, float32 [1, n_mels, 3000]."""
        return self.mel([np.random.default_rng(1).uniform(-0.5, 0.5, WINDOW_SAMPLES).astype(np.float32)])

    def times(self, repeats: int) -> tuple[list[float], list[float]]:
        """Return the milliseconds of ``repeats`` launches of mel and of the encoder, as the host measures them."""
        features = self.features()
        mel = [_launched(self.mel, self.features) for _ in range(repeats)]
        return mel, [_launched(self.encoder, lambda: self.encoder(features)) for _ in range(repeats)]


def _launched(stage: NpuMel | NpuEncoder, run: Callable[[], object]) -> float:
    before = stage.metrics()["launch_seconds"]
    run()
    return 1e3 * (stage.metrics()["launch_seconds"] - before)


def launches(npu: Npu, size: str, *, int8: bool, repeats: int = REPEATS) -> Iterator[str]:
    """Yield a table in ms: the measured launch times of mel and encoder, and below them the modelled ones."""
    mel, encoder = MeasuredStages.open(npu, size, int8=int8).times(repeats)
    fused = len(npu.residents) == 2
    yield f"{'milliseconds a window':32}{'mel':>9}{'encoder':>9}"
    for name, choose in (("measured, median", median), ("measured, least", min), ("measured, most", max)):
        yield f"{name:32}{choose(mel):9.3f}{choose(encoder):9.2f}"
    for clock in CLOCKS_GHZ:
        for given in ASSUMPTIONS:
            modelled = cost(size, given, clock, int8=int8, fused=fused)
            yield f"{f'modelled, {clock} GHz, {given}':32}{modelled.mel:9.3f}{modelled.encoder:9.2f}"


def idle(npu: Npu, pauses: tuple[float, ...] = PAUSES) -> Iterator[str]:
    """Yield a line with the time of the mel self-test after each pause, because an idle NPU may have to wake up."""
    resident = npu.resident(npu.folders.mel(80))
    for seconds in (0.0, *pauses):
        time.sleep(seconds)
        begun = time.perf_counter()
        resident.check()
        first = time.perf_counter()
        resident.check()
        again = time.perf_counter() - first
        yield f"after {seconds:5.1f} s idle: {1e3 * (first - begun):8.2f} ms, then {1e3 * again:8.2f} ms"


def contexts(load: Callable[[], Overlay]) -> Iterator[str]:
    """Load overlays until the driver refuses one, close them all, and do so again.

    Each time, a line with the number of contexts that the driver allowed is yielded.
    """
    for turn in ("first", "again"):
        held: list[Overlay] = []
        try:
            while len(held) < MOST_CONTEXTS:
                held.append(load())
        except NpuError as error:
            yield f"{turn}: {len(held)} contexts, then: {error.reason}"
        else:
            yield f"{turn}: {len(held)} contexts, and none refused"
        for overlay in held:
            overlay.close()


def soak(npu: Npu, size: str, minutes: float, *, int8: bool) -> Iterator[str]:
    """Run one window for ``minutes``, and yield lines with the number of results that differ from the first.

    Every self-test must pass after each window.
    """
    stages = MeasuredStages.open(npu, size, int8=int8)
    features = stages.features()
    first = stages.encoder(features)
    begun, windows, different = time.monotonic(), 0, 0
    said = begun
    while (now := time.monotonic()) < begun + 60 * minutes:
        same_mel = np.array_equal(stages.features(), features)
        different += not (same_mel and np.array_equal(stages.encoder(features), first))
        windows += 1
        for resident in npu.residents:
            resident.check()
        if now - said >= 60:
            said = now
            yield f"{(now - begun) / 60:.0f} min: {windows} windows, {different} of them different"
    yield f"end: {windows} windows, {different} of them different, self-tests passed after each"


def main() -> None:
    """Run one of the programs and print its lines as they come."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", choices=("launches", "idle", "contexts", "soak"))
    parser.add_argument("--size", choices=tuple(SHAPES), default="demo", help="other sizes than demo: random weights")
    parser.add_argument("--precision", choices=("bf16", "int8"), default="bf16")
    parser.add_argument("--minutes", type=float, default=60.0, help="of soak")
    parser.add_argument("--kernels", type=Path, help="as npu.kernels")
    parser.add_argument("--simulated", action="store_true")
    arguments = parser.parse_args()
    int8 = arguments.precision == "int8"
    folders = Folders(arguments.kernels, "host" if arguments.simulated else "npu1")
    if arguments.program == "contexts":
        device = Device(Machine().pyxrt, target="host") if arguments.simulated else Device(pyxrt(), probe().index)
        _show(contexts(lambda: device.load(folders.mel(80))))
        return
    with open_npu(folders, simulated=arguments.simulated) as npu:
        if arguments.program == "launches":
            _show(launches(npu, arguments.size, int8=int8))
        elif arguments.program == "idle":
            _show(idle(npu))
        else:
            _show(soak(npu, arguments.size, arguments.minutes, int8=int8))


def _show(lines: Iterator[str]) -> None:
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    main()
