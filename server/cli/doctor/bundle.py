"""The bundle of ``whisperx-npu doctor``: one file with all about this machine and its NPU that explains a problem.

It holds no audio and no secrets. Each file that is read is named here or was given with ``--attach``; none is found by
a pattern.
"""

from __future__ import annotations

import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kernels.errors import KernelsError
from kernels.package.manifest import NAME as MANIFEST
from kernels.package.verify import read
from npu.kernel_folders import Folders
from npu.probe import DRIVER, probe
from server.cli.doctor.npu_selftests import run_selftests
from server.cli.doctor.redaction import Redaction
from server.errors import InvalidInput
from server.settings.load import Settings

LARGEST = 4 << 20  # bytes of one file
SECONDS = 10  # longest run of a program
ATTRIBUTES = (
    *("vbnv", "fw_version", "device_type", "vendor", "device", "revision", "class", "subsystem_vendor"),
    *("subsystem_device", "current_link_speed", "current_link_width", "numa_node", "power/control"),
    *("power/runtime_status", "power/autosuspend_delay_ms"),
)
SYSTEM_PACKAGES = (
    *("xrt", "libxrt2", "libxrt-npu2", "libxrt-utils", "libxrt-utils-npu", "python3-xrt", "xrt-npu"),
    *("xrt_plugin-amdxdna", "amdxdna-dkms", "linux-firmware", "firmware-amd-graphics", "firmware-misc-nonfree"),
)
QUERIES = (
    ("dpkg-query", "--show", "--showformat=${Package} ${Version} ${db:Status-Abbrev}\n"),
    ("rpm", "--query"),
    ("pacman", "--query"),
)
CONTENTS = """What `whisperx-npu doctor --bundle` collected. Names of user and host, the home directory and secrets were
taken out; recordings, transcripts and environment variables were not collected. Look into it before you send it.

doctor.json     the report of `whisperx-npu doctor --json`
machine.json    operating system, kernel, processor, memory, Python
packages.json   versions of Python packages, XRT and firmware
settings.json   settings in force
npu.json        the driver's attributes in /sys
dmesg.txt       the driver's lines in the kernel's log
kernels/        manifests of kernel folders, and whether each folder is whole
selftests.json  results of their self-tests on the NPU
attached/       files that you named with --attach
"""


def write_bundle(
    path: Path, settings: Settings, report: Mapping[str, Any], attached: Sequence[Path] = (), root: Path = Path("/")
) -> list[str]:
    """Write ``path``, a .tar.gz that only its owner may read, and return the names of the files in it.

    ``root`` is the directory that contains /sys and /proc. Raises InvalidInput if ``path`` exists or cannot be written,
    and for a file that cannot be attached.
    """
    token = settings.diarize.hf_token_file
    redaction = Redaction.of_this_process([token.expanduser()] if token else [])
    files = dict(_files(settings, report, root, redaction)) | dict(_attached(attached, redaction))
    try:
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            _pack(file, files)
    except OSError as error:
        cure = "Name a file that is not there yet, in a folder that you may write to."
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.", param="bundle", cure=cure) from None
    return list(files)


def _pack(file: Any, files: Mapping[str, str]) -> None:
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, text in files.items():
            data = text.encode()
            member = tarfile.TarInfo(f"whisperx-npu/{name}")  # owner and times stay empty
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def _files(
    settings: Settings, report: Mapping[str, Any], root: Path, redaction: Redaction
) -> Iterator[tuple[str, str]]:
    node = settings.npu.device
    data: dict[str, Any] = {
        "doctor": report,
        "machine": _machine(root),
        "packages": {"python": _python_packages(), "system": _system_packages(), "pyxrt": _pyxrt()},
        "settings": settings.model_dump(mode="json"),
        "selftests": run_selftests(settings.npu),
        "npu": {str(npu): _attributes(npu, root) for npu in sorted({node, *probe(node, root).npus})} | _module(root),
    }
    yield "README.txt", CONTENTS
    for name, value in data.items():
        yield f"{name}.json", json.dumps(redaction.data(value), indent=1, ensure_ascii=False) + "\n"
    yield "dmesg.txt", redaction.text(_kernel_log())
    for name, text in _kernel_folders(settings):
        yield redaction.text(name), redaction.text(text)


def _machine(root: Path) -> dict[str, Any]:
    release = dict(line.partition("=")[::2] for line in _text(root / "etc/os-release").splitlines())
    lines = _text(root / "proc/cpuinfo").splitlines()
    processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return {
        "system": release.get("PRETTY_NAME", "unknown").strip('"'),
        "kernel": f"{platform.release()} {platform.version()}",
        "architecture": platform.machine(),
        "processor": processor,
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "python": sys.version,
        "product": _text(root / "sys/class/dmi/id/product_name"),
        "firmware": _text(root / "sys/class/dmi/id/bios_version"),
    }


def _python_packages() -> dict[str, str]:
    """Return the installed versions of this package and of those that it requires."""
    wanted = ["whisperx-npu", *(line for line in requires("whisperx-npu") or () if "extra ==" not in line)]
    return {name: _version(name) for name in (re.split(r"[^\w.-]", line)[0] for line in wanted)}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _system_packages() -> list[str]:
    """Return the versions of XRT, driver and firmware as lines of the first package manager that is installed."""
    for query, *options in QUERIES:
        if shutil.which(query):
            return [line for line in _output(query, *options, *SYSTEM_PACKAGES).splitlines() if " " in line]
    return []


def _pyxrt() -> str:
    found = find_spec("pyxrt")
    return Path(found.origin).name if found and found.origin else "not importable"


def _attributes(node: Path, root: Path) -> dict[str, str]:
    device = root / "sys/class/accel" / node.name / "device"
    found = {name: _text(device / name) for name in ATTRIBUTES}
    place = {"place": device.resolve().name, "driver": (device / "driver").resolve().name} if device.exists() else {}
    return place | {name: text for name, text in found.items() if text}


def _module(root: Path) -> dict[str, Any]:
    """Return the version and the parameters of the NPU's driver, from /sys/module."""
    module = root / "sys/module" / DRIVER
    parameters = sorted((module / "parameters").iterdir()) if (module / "parameters").is_dir() else []
    found = {name: _text(module / name) for name in ("version", "srcversion")}
    return {DRIVER: found | {"parameters": {path.name: _text(path) for path in parameters}}} if module.is_dir() else {}


def _kernel_log() -> str:
    if not shutil.which("dmesg"):
        return "There is no dmesg.\n"
    lines = [line for line in _output("dmesg").splitlines() if DRIVER in line]
    return "\n".join(lines) + "\n" if lines else f"No line of {DRIVER}, or dmesg may not be read: try it as root.\n"


def _kernel_folders(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield (name in the bundle, text): the manifest of each kernel folder, and a list that says which are complete.

    Names of the second and later directories begin with a number.
    """
    verdicts = {}
    for number, directory in enumerate(Folders(settings.npu.kernels).directories):
        for path in sorted(directory.glob(f"*/*/{MANIFEST}")):
            folder = path.parent
            name = f"{f'{number}/' if number else ''}{folder.parent.name}/{folder.name}"
            yield f"kernels/{name}.json", _text(path)
            try:
                read(folder)
                verdicts[name] = "whole"
            except KernelsError as error:
                verdicts[name] = str(error)
    yield "kernels/folders.json", json.dumps(verdicts, indent=1) + "\n"


def _attached(paths: Sequence[Path], redaction: Redaction) -> Iterator[tuple[str, str]]:
    for given in paths:
        for path in sorted(given.iterdir()) if given.is_dir() else [given]:
            try:
                if path.stat().st_size > LARGEST:
                    raise InvalidInput(f"{path} is larger than {LARGEST >> 20} MiB.", param="attach")
                yield redaction.text(f"attached/{path.name}"), redaction.text(path.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError) as error:
                cure = "Only files of text can be attached."
                raise InvalidInput(f"{path} cannot be attached: {error}.", param="attach", cure=cure) from None


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)  # noqa: S603  fixed words only
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}: {error}\n"
    return done.stdout.decode(errors="replace")


def _text(path: Path) -> str:
    """Return the first LARGEST characters of a text file; the empty string if it cannot be read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(LARGEST).strip()
    except OSError:
        return ""
