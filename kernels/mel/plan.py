"""The memory plan of a mel launch: the division of frames by columns and objects, and the sizes of the arguments."""

from __future__ import annotations

from dataclasses import dataclass

from kernels.mel.audio import HOP_LENGTH, MEL_FRAMES, N_FFT
from kernels.mel.shares import CORES, GROUP, shares

PLANES = 2  # int16 values of a sample
FRAMES_PER_OBJECT = 4  # one sub-tile of the DFT


@dataclass(frozen=True, slots=True)
class MelPlan:
    """The division of a window's frames among the columns of the array and the objects (blocks) that their FIFOs carry.

    The launch computes ``frames`` frames of ``n_mels`` bands; an object holds ``per_object`` frames, and each column
    takes a run of objects. If the frames do not divide evenly, frames past the end are computed and thrown away.
    """

    n_mels: int
    columns: int = 4
    per_object: int = FRAMES_PER_OBJECT
    frames: int = MEL_FRAMES

    @property
    def objects(self) -> int:
        """The number of objects (blocks of frames) that each column processes in a launch."""
        return -(-self.frames // (self.columns * self.per_object))

    @property
    def computed_frames(self) -> int:
        """The number of frames in all objects, including those past the end of the window."""
        return self.columns * self.objects * self.per_object

    @property
    def object_samples(self) -> int:
        """The number of int16 elements in one block of samples that a FIFO carries, which spans its frames."""
        return PLANES * (HOP_LENGTH * (self.per_object - 1) + N_FFT)

    @property
    def object_hop(self) -> int:
        """The number of int16 elements from the start of one object of samples to the start of the next."""
        return PLANES * HOP_LENGTH * self.per_object

    @property
    def input_samples(self) -> int:
        """The number of int16 elements in the launch's first argument, the samples."""
        return PLANES * (HOP_LENGTH * (self.computed_frames - 1) + N_FFT)

    @property
    def frame_groups(self) -> int:
        """The number of groups of four frames in one object (the block of frames that a FIFO carries)."""
        return -(-self.per_object // GROUP)

    @property
    def band_groups(self) -> int:
        """The number of groups of four bands in an object of energies: that of the core with most groups."""
        return max(share.groups for share in shares(self.n_mels))

    @property
    def core_energies(self) -> int:
        """The number of bf16 elements in the block of mel energies that one core produces for an object of samples."""
        return self.frame_groups * self.band_groups * GROUP * GROUP

    @property
    def object_energies(self) -> int:
        """The number of bf16 elements in a column's block of mel energies, which joins those of its four cores."""
        return CORES * self.core_energies

    @property
    def column_energies(self) -> int:
        """The number of bf16 elements that a column writes in a launch."""
        return self.objects * self.object_energies

    @property
    def output_energies(self) -> int:
        """The number of bf16 elements in the launch's second argument, the energies, column by column."""
        return self.columns * self.column_energies
