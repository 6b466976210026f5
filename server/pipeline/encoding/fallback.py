"""A stage that runs on the NPU, and on the CPU once the NPU has failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from npu.errors import NpuError
from npu.runtime.npu import Npu
from server.pipeline.stages.protocols import Retired

T = TypeVar("T")
R = TypeVar("R")
T_contra = TypeVar("T_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class BatchStage(Protocol[T_contra, R_co]):
    """A mel or encoder stage on any device: it computes a batch of windows."""

    @property
    def device(self) -> str: ...
    def __call__(self, batch: T_contra, /) -> R_co: ...


class StageWithFallback(Generic[T, R]):
    """A mel or encoder stage that runs on the CPU, or after ``serve`` on the NPU until that fails."""

    def __init__(self, cpu: BatchStage[T, R]) -> None:
        self.cpu = cpu
        self._npu: Npu | None = None
        self._run_on_npu: Callable[[T], R] = cpu

    def serve(self, npu: Npu, run: Callable[[T], R]) -> None:
        """Let ``run``, which computes on ``npu``, take the following batches until that NPU is retired."""
        self._npu, self._run_on_npu = npu, run

    @property
    def served(self) -> bool:
        """True once the NPU was chosen for this stage, even if it has been retired since."""
        return self._npu is not None

    @property
    def device(self) -> str:
        """The device that the next batch will run on: "cpu", or the NPU's name."""
        return self._npu.device if self._npu is not None and self._npu.retired is None else self.cpu.device

    def __call__(self, batch: T, /) -> R:
        """Run a batch on the current device.

        Raises Retired if the NPU fails, or if the batch contains results of an NPU that has failed since: the batch
        must then be computed again from the audio. ``device`` is the CPU's from then on.
        """
        serves = self._npu is not None and self._npu.retired is None
        try:
            return self._run_on_npu(batch) if serves else self.cpu(batch)
        except NpuError as error:
            reason = error.reason
        raise Retired(reason)
