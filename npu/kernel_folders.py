"""Search for kernel folders (the compiled files of an overlay, a configuration of the NPU's cores) and check them.

``whisperx-npu kernels build`` writes them as ``<directory>/npu1/<overlay>`` for the NPU and ``<directory>/host/
<overlay>`` for the simulated device. Missing folders of the simulated device are built when they are needed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from kernels.errors import KernelsError
from kernels.package.folder import build
from kernels.package.manifest import Target
from kernels.package.verify import KernelFolder
from kernels.registry import CHOICES, ENTRIES, overlay_sha256
from npu.errors import FolderRefused, NpuUnavailable
from npu.xrt.device import read

log = logging.getLogger(__name__)

APPLICATION = "whisperx-npu"
MELS = (80, 128)


def cache_directory() -> Path:
    """Return the user's cache directory of this application, for files that can be made again."""
    return Path(platformdirs.user_cache_dir(APPLICATION))


def data_directories() -> tuple[Path, ...]:
    """Return the directories that are searched for kernel folders: the user's data, then the system's.

    They are the XDG base directories: $XDG_DATA_HOME, else ~/.local/share; and $XDG_DATA_DIRS, else /usr/local/share
    and /usr/share.
    """
    users, systems = platformdirs.user_data_dir(APPLICATION), platformdirs.site_data_dir(APPLICATION, multipath=True)
    return tuple(Path(directory) / "kernels" for directory in dict.fromkeys((users, *systems.split(os.pathsep))))


class Folders:
    """A finder of kernel folders (compiled NPU kernels) for one target: "npu1", or "host" for the simulated device.

    The folders are searched in ``directory``, by default in all of ``data_directories``. ``cache`` (default:
    ``cache_directory``) receives what is built. The methods raise NpuUnavailable for a folder that does not exist, and
    FolderRefused for one that is damaged or was built from other kernels than this version's.
    """

    def __init__(self, directory: Path | None = None, target: Target = "npu1", cache: Path | None = None) -> None:
        self.directories = (directory.expanduser(),) if directory else data_directories()
        self.target = target
        self.cache = cache or cache_directory()

    @property
    def names(self) -> tuple[str, ...]:
        """The sorted names of all kernel folders that exist for the target, including damaged ones."""
        return tuple(sorted({path.name for where in self._places() for path in where.glob("*") if path.is_dir()}))

    @property
    def place(self) -> str:
        """The searched directories, joined by "or" for messages."""
        return " or ".join(map(str, self._places()))

    def mel(self, n_mels: int) -> KernelFolder:
        """Return the checked kernel folder that computes log-mel features of ``n_mels`` bands, 80 or 128."""
        if n_mels not in MELS:
            raise NpuUnavailable(f"there is no mel kernel for {n_mels} bands, only for 80 and 128")
        return self.read(f"mel_{n_mels}")

    def encoder(self, *, int8: bool) -> dict[str, KernelFolder]:
        """Return the checked kernel folders that together run Whisper's encoder, by overlay name.

        Some encoders need several overlays; the valid set with the fewest is returned. ``int8`` asks for int8 products
        in the layers instead of bf16.
        """
        choices = CHOICES[int8]
        refused: FolderRefused | None = None
        for choice in choices:
            if self.target == "host" or all(any(self._found(name)) for name in choice):
                try:
                    return {name: self.read(name) for name in choice}
                except FolderRefused as error:
                    refused = refused or error
        raise refused or self._missing(" or ".join(" and ".join(choice) for choice in choices))

    def read(self, name: str) -> KernelFolder:
        """Return the kernel folder of the overlay ``name``: the first on the search path that passes every check.

        A damaged folder in front of a good one is logged and skipped. If there is none at all for the simulated device,
        the folder is built in the cache.
        """
        fingerprint = overlay_sha256(name)
        refused: FolderRefused | None = None
        for path in self._found(name):
            try:
                folder = _checked(path, fingerprint)
            except FolderRefused as error:
                refused = refused or error
                continue
            if refused:
                log.warning("%s; %s is taken instead.", refused.reason, path)
            return folder
        if refused:
            raise refused
        if self.target != "host":
            raise self._missing(name)
        path = self.cache / "folders" / fingerprint[:16] / name
        self._build(name, path)
        return _checked(path, fingerprint)

    def _places(self) -> Iterator[Path]:
        return (directory / self.target for directory in self.directories)

    def _found(self, name: str) -> Iterator[Path]:
        return (place / name for place in self._places() if (place / name).is_dir())

    def _missing(self, what: str) -> NpuUnavailable:
        return NpuUnavailable(
            f"there is no kernel folder {what} in {self.place}",
            f"build it with `whisperx-npu kernels build --output-dir {self.directories[0]}` where mlir-aie and Peano "
            "are installed",
        )

    def _build(self, name: str, path: Path) -> None:
        """Build the overlay ``name`` for the simulated device in ``path``, unless the folder exists already."""
        if path.is_dir():
            return
        try:
            build(ENTRIES[name].make(()), ENTRIES[name].trial(), path)
        except (KernelsError, OSError) as error:
            if not path.is_dir():
                raise NpuUnavailable(f"overlay {name} cannot be built for the simulated device ({error})") from None


def _checked(path: Path, fingerprint: str) -> KernelFolder:
    try:
        folder = read(path)
    except FolderRefused as error:
        raise FolderRefused(f"kernel folder {path}: {error.reason}", error.cure) from None
    if folder.manifest.overlay_sha256 != fingerprint:
        raise FolderRefused(f"kernel folder {path} is of other kernels than this version's", "build it again")
    return folder
