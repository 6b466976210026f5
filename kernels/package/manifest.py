"""The manifest.json of a kernel folder: everything that a loader must know before it opens a device.

The classes define the format: a field of another name or type is refused, with its place and the cure.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from kernels.array.tile import DType
from kernels.errors import KernelsError
from kernels.toolchain.compile import CoreUse

FORMAT = 1
NAME = "manifest.json"
Target = Literal["host", "npu1"]


class FolderError(KernelsError):
    """A kernel folder with a fault: ``where`` is the file or field, ``message`` has the fault and the cure."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(f"{where}: {message}")
        self.where, self.message = where, message

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.where, self.message)


@dataclass(frozen=True, slots=True)
class File:
    """A file of a kernel folder, with its size and SHA-256 (hex); ``path`` is relative to the folder."""

    path: str
    nbytes: int
    sha256: str

    @staticmethod
    def of(folder: Path, path: str) -> File:
        """Return the entry for the file at ``path`` in ``folder``, with the size and hash that the file has now."""
        data = (folder / path).read_bytes()
        return File(path, len(data), hashlib.sha256(data).hexdigest())


@dataclass(frozen=True, slots=True)
class Argument:
    """A launch argument of an instruction stream; argument i of a sequence is argument 3 + i of the xclbin's kernel."""

    name: str
    dtype: DType
    shape: tuple[int, ...]
    nbytes: int


@dataclass(frozen=True, slots=True)
class SequenceFile:
    """One instruction stream of a kernel folder, and its launch arguments in order."""

    name: str
    file: File
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """A part of a launch argument that the self-test compares: ``elements`` elements from element ``offset`` on.

    ``argument`` is the number of the launch argument; ``tolerance`` is relative to the largest magnitude of the part.
    """

    name: str
    argument: int
    dtype: DType
    offset: int
    elements: int
    tolerance: float


@dataclass(frozen=True, slots=True)
class SelfTest:
    """The self-test of a kernel folder: the sequence to launch, the files of its arguments, and the parts to compare.

    ``inputs`` are the arguments before the launch, ``expected`` the arguments after it as the host model computed them.
    """

    sequence: str
    inputs: tuple[File, ...]
    expected: tuple[File, ...]
    results: tuple[Judged, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of a kernel folder's manifest.json.

    ``design`` is the name in ``kernels.registry``, ``overlay_sha256`` the hash of the MLIR text without sequences and
    of the kernels' sources. ``parameters`` are the macros that the kernels were compiled with, ``tools`` the versions
    by name, ``caveats`` sentences that say which checks were not made.
    """

    format: int
    design: str
    target: Target
    kernel: str
    uuid: str
    columns: int
    parameters: dict[str, int]
    overlay_sha256: str
    xclbin: File
    sequences: tuple[SequenceFile, ...]
    selftest: SelfTest
    cores: tuple[CoreUse, ...]
    tools: dict[str, str]
    caveats: tuple[str, ...]

    @property
    def files(self) -> tuple[File, ...]:
        """Every file of the folder but the manifest; an input equal to its expected result comes twice."""
        streams = (sequence.file for sequence in self.sequences)
        return (self.xclbin, *streams, *self.selftest.inputs, *self.selftest.expected)


def write(manifest: Manifest, folder: Path) -> None:
    """Write the manifest to manifest.json of ``folder``, as readable JSON; equal manifests give equal text."""
    text = json.dumps(dataclasses.asdict(manifest), indent=1, sort_keys=False)
    (folder / NAME).write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> Manifest:
    """Read the manifest of a kernel folder and check its fields, but not yet the files that it names.

    Raises FolderError, whose message has the field and the cure.
    """
    path = folder / NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FolderError(str(path), "there is none; build the kernel again or name another folder.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise FolderError(str(path), f"cannot be read ({error}); build the kernel again.") from None
    if isinstance(content, dict) and content.get("format", FORMAT) != FORMAT:
        raise FolderError(NAME, f"format {content['format']!r}, where this version reads {FORMAT}; build it again.")
    manifest: Manifest = _value(Manifest, content, NAME)
    return manifest


def _value(kind: Any, content: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _fields(kind, content, where)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is tuple and isinstance(content, list):
        return tuple(_value(inner[0], item, f"{where}[{n}]") for n, item in enumerate(content))
    if origin is dict and isinstance(content, dict):
        return {key: _value(inner[1], item, f"{where}.{key}") for key, item in content.items()}
    if origin is Literal and isinstance(content, str) and content in inner:
        return content
    if kind is float and type(content) in (int, float) and math.isfinite(content):
        return float(content)
    if kind in (int, str) and type(content) is kind:
        if kind is int and content < 0:
            raise FolderError(where, f"{content} is negative; build the kernel again.")
        return content
    raise FolderError(where, f"{json.dumps(content)[:60]} is not {_name(kind)}; build the kernel again.")


def _fields(kind: type[Any], content: Any, where: str) -> Any:
    if not isinstance(content, dict):
        raise FolderError(where, f"{json.dumps(content)[:60]} is no {kind.__name__}; build the kernel again.")
    hints = get_type_hints(kind)
    missing, unknown = hints.keys() - content.keys(), content.keys() - hints.keys()
    if missing or unknown:
        what = f"lacks {sorted(missing)}" if missing else f"has unknown fields {sorted(unknown)}"
        raise FolderError(where, f"{what}; build the kernel again with this version.")
    return kind(**{name: _value(hint, content[name], f"{where}.{name}") for name, hint in hints.items()})


def _name(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    return {tuple: "a list", dict: "an object"}.get(get_origin(kind) or kind) or str(getattr(kind, "__name__", kind))
