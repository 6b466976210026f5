"""Where kernel folders lie, and which of them a stage takes; those of the simulated device are built where missing.

``<directory>/npu1/<overlay>`` and ``<directory>/host/<overlay>``, as ``whisperx-npu kernels build`` lays them out.
"""

from __future__ import annotations

from pathlib import Path

import platformdirs

from kernels.build.folder import build, overlay_hash
from kernels.build.manifest import Target
from kernels.build.verify import KernelFolder
from kernels.errors import KernelsError
from kernels.registry import CHOICES, ENTRIES
from npu.errors import FolderRefused, NpuUnavailable
from npu.xrt import read

DIRECTORY = Path(platformdirs.user_data_dir("whisperx-npu")) / "kernels"
MELS = (80, 128)


def cache_directory() -> Path:
    """Where what can be made again is kept."""
    return Path(platformdirs.user_cache_dir("whisperx-npu"))


class Folders:
    """The kernel folders for one target in ``directory``.

    Raises from its methods NpuUnavailable for a folder that is not there, FolderRefused for one that is not whole, or
    not of the kernels of this version.
    """

    def __init__(self, directory: Path = DIRECTORY, target: Target = "npu1", cache: Path | None = None) -> None:
        self.directory = directory
        self.target = target
        self.cache = cache or cache_directory()

    def mel(self, n_mels: int) -> KernelFolder:
        if n_mels not in MELS:
            raise NpuUnavailable(f"there is no mel kernel for {n_mels} bands, only for 80 and 128")
        return self.read(f"mel_{n_mels}")

    def encoder(self, *, int8: bool) -> dict[str, KernelFolder]:
        """What a window runs on, the fewest overlays first: the first choice whose folders are there, by name."""
        choices = CHOICES[int8]
        for choice in choices:
            if self.target == "host" or all(self._path(name).is_dir() for name in choice):
                return {name: self.read(name) for name in choice}
        raise self._missing(" or ".join(" and ".join(choice) for choice in choices))

    def read(self, name: str) -> KernelFolder:
        """The folder of an overlay, every part held against the others."""
        design = ENTRIES[name].make(())
        fingerprint = overlay_hash(design)
        path = self._path(name)
        if self.target == "host" and not path.is_dir():
            path = self.cache / "folders" / fingerprint[:16] / name
            self._build(name, path)
        elif not path.is_dir():
            raise self._missing(name)
        folder = read(path)
        if folder.manifest.overlay_sha256 != fingerprint:
            raise FolderRefused(f"kernel folder {path} is of other kernels than this version's", "build it again")
        return folder

    def _path(self, name: str) -> Path:
        return self.directory.expanduser() / self.target / name

    def _missing(self, what: str) -> NpuUnavailable:
        where = self.directory.expanduser()
        return NpuUnavailable(
            f"there is no kernel folder {what} in {where / self.target}",
            f"build it with `whisperx-npu kernels build --output-dir {where}` where mlir-aie and Peano are installed",
        )

    def _build(self, name: str, path: Path) -> None:
        """Build for the simulated device, unless another process just has."""
        if path.is_dir():
            return
        try:
            build(ENTRIES[name].make(()), ENTRIES[name].trial(), path)
        except (KernelsError, OSError) as error:
            if not path.is_dir():
                raise NpuUnavailable(f"overlay {name} cannot be built for the simulated device ({error})") from None
