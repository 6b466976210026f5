"""The memory plan of a mel launch: its frames by columns and objects, and the sizes of its arguments."""

from __future__ import annotations

from dataclasses import dataclass

from kernels.mel.audio import HOP_LENGTH, MEL_FRAMES, N_FFT
from kernels.mel.shares import CORES, GROUP, shares

PLANES = 2  # int16 values of a sample
FRAMES_PER_OBJECT = 4  # one sub-tile of the DFT


@dataclass(frozen=True, slots=True)
class MelPlan:
    """The division of ``frames`` frames of ``n_mels`` bands by columns and objects of ``per_object`` frames.

    Each column takes a run of objects. If they do not divide evenly, frames past the end are computed and thrown away.
    """

    n_mels: int
    columns: int = 4
    per_object: int = FRAMES_PER_OBJECT
    frames: int = MEL_FRAMES

    @property
    def objects(self) -> int:
        """The number of objects of one column."""
        return -(-self.frames // (self.columns * self.per_object))

    @property
    def computed_frames(self) -> int:
        """The frames of all objects, those past the end among them."""
        return self.columns * self.objects * self.per_object

    @property
    def object_samples(self) -> int:
        """The int16 elements of an object of samples: a run of the audio, as its frames overlap."""
        return PLANES * (HOP_LENGTH * (self.per_object - 1) + N_FFT)

    @property
    def object_hop(self) -> int:
        """The int16 elements from the start of one object of samples to the start of the next."""
        return PLANES * HOP_LENGTH * self.per_object

    @property
    def input_samples(self) -> int:
        """The int16 elements of the launch's first argument."""
        return PLANES * (HOP_LENGTH * (self.computed_frames - 1) + N_FFT)

    @property
    def frame_groups(self) -> int:
        """The number of groups of four frames in an object."""
        return -(-self.per_object // GROUP)

    @property
    def band_groups(self) -> int:
        """The number of groups of four bands in an object of energies: that of the core with most of them."""
        return max(share.groups for share in shares(self.n_mels))

    @property
    def core_energies(self) -> int:
        """The bf16 elements of a core's object of energies."""
        return self.frame_groups * self.band_groups * GROUP * GROUP

    @property
    def object_energies(self) -> int:
        """The bf16 elements of a column's object of energies, which joins those of its four cores."""
        return CORES * self.core_energies

    @property
    def column_energies(self) -> int:
        """The bf16 elements that a column writes in a launch."""
        return self.objects * self.object_energies

    @property
    def output_energies(self) -> int:
        """The bf16 elements of the launch's second argument, column by column."""
        return self.columns * self.column_energies
