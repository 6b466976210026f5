"""How the frames of a launch are divided over columns and objects, and what a launch argument holds."""

from __future__ import annotations

from dataclasses import dataclass

from kernels.mel.audio import HOP_LENGTH, MEL_FRAMES, N_FFT
from kernels.mel.filters import CORES, GROUP, shares

PLANES = 2  # int16 values of a sample
FRAMES_PER_OBJECT = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """``frames`` frames of ``n_mels`` bands in one launch: columns take runs of objects of ``per_object`` frames.

    Where they do not divide evenly there are frames past the end, computed and thrown away.
    """

    n_mels: int
    columns: int
    per_object: int = FRAMES_PER_OBJECT
    frames: int = MEL_FRAMES

    @property
    def objects(self) -> int:
        """Objects of one column."""
        return -(-self.frames // (self.columns * self.per_object))

    @property
    def computed_frames(self) -> int:
        return self.columns * self.objects * self.per_object

    @property
    def object_samples(self) -> int:
        """Int16 elements of an object of samples: its frames overlap, so it is a run of the audio."""
        return PLANES * (HOP_LENGTH * (self.per_object - 1) + N_FFT)

    @property
    def object_hop(self) -> int:
        """Int16 elements from one object of samples to the next."""
        return PLANES * HOP_LENGTH * self.per_object

    @property
    def input_samples(self) -> int:
        """Int16 elements of the launch's first argument."""
        return PLANES * (HOP_LENGTH * (self.computed_frames - 1) + N_FFT)

    @property
    def frame_groups(self) -> int:
        """Groups of four frames in an object."""
        return -(-self.per_object // GROUP)

    @property
    def band_groups(self) -> int:
        """Groups of four bands that an object of energies has room for: those of the core that has most."""
        return max(share.groups for share in shares(self.n_mels))

    @property
    def core_energies(self) -> int:
        """bf16 elements of a core's object of energies."""
        return self.frame_groups * self.band_groups * GROUP * GROUP

    @property
    def object_energies(self) -> int:
        """bf16 elements of a column's object of energies: those of its four cores, joined."""
        return CORES * self.core_energies

    @property
    def column_energies(self) -> int:
        """bf16 elements that a column writes in a launch."""
        return self.objects * self.object_energies

    @property
    def output_energies(self) -> int:
        """bf16 elements of the launch's second argument: column by column."""
        return self.columns * self.column_energies
