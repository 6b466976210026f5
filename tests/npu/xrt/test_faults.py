"""The fault table at the level of launches: each row ends in the error that says so, and nothing is left behind."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from kernels.package.verify import KernelFolder
from npu.errors import DeviceLost, FolderRefused, LaunchFailed, LaunchTimeout, NpuError, NpuUnavailable
from npu.simulated import Machine
from npu.simulated.faults import DriverTimeout, Ends, Fault, Garbage, Hang, LoadError, Lost, Memlock, Slow
from npu.xrt import device as xrt
from npu.xrt.polling import State
from tests.npu.conftest import DESIGNS, OpenFn, ReadyOverlay


def nothing_left(machine: Machine) -> bool:
    """Return whether the simulated NPU has no context, buffer or locked memory left.

    This must be true even while the error, and with it the frames of its traceback, is held.
    """
    return (machine.contexts, machine.buffers, machine.locked) == (0, 0, 0)


def load_error(text: str) -> LoadError:
    return LoadError(text=f"DRM_IOCTL_AMDXDNA_CREATE_HWCTX IOCTL failed ({text})")


ROWS: dict[str, tuple[Fault, type[NpuError], str]] = {
    "TIMEOUT": (
        DriverTimeout(),
        LaunchTimeout,
        "the driver ended the launch of scale.run, which made no progress",
    ),
    "hang": (Hang(), LaunchTimeout, "the launch of scale.run did not end in 0.3 s"),
    "ERROR": (Ends(state=State.ERROR), LaunchFailed, "the launch of scale.run ended in state ERROR"),
    "ABORT": (Ends(state=State.ABORT), LaunchFailed, "the launch of scale.run ended in state ABORT"),
    "NORESPONSE": (Ends(state=State.NORESPONSE), LaunchFailed, "the launch of scale.run ended in state NORESPONSE"),
    "SKCRASHED": (Ends(state=State.SKCRASHED), LaunchFailed, "the launch of scale.run ended in state SKCRASHED"),
    "lost in the middle": (
        Lost(),
        DeviceLost,
        r"the NPU was lost while it ran scale \(.*GET_INFO IOCTL failed \(err=-19\): No such device\)",
    ),
    "lost before": (Lost(gone=True), DeviceLost, r"the NPU was lost while .*err=-19.*"),
    "load error": (load_error("err=-5): Input/output error"), NpuUnavailable, "XRT does not make overlay scale ready"),
    "no columns": (load_error("err=28): No space left on device"), NpuUnavailable, "no columns of the NPU are free"),
    "memlock": (
        Memlock(limit=1 << 15),
        NpuUnavailable,
        r"memory for a buffer of 32,768 bytes for overlay scale may not be locked \(.*Resource temporarily",
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_fault(row: str, machine: Machine, scale: KernelFolder, open_device: OpenFn) -> None:
    fault, kind, reason = ROWS[row]
    device = open_device(machine, watchdog_s=0.3)
    machine.faults.append(copy.copy(fault))
    with pytest.raises(kind, match=reason) as caught:
        ReadyOverlay.of(device.load(scale)).launch()
    assert type(caught.value) is kind
    assert caught.value.cure
    assert not caught.value.reason.endswith(".")
    device.close()
    assert nothing_left(machine)


def test_lost_while_another_overlay_is_at_work(machine: Machine, scale: KernelFolder, open_device: OpenFn) -> None:
    device = open_device(machine, watchdog_s=0.3)
    ready = ReadyOverlay.of(device.load(scale))
    machine.faults.append(Lost(gone=True))
    for sync in (ready.buffers[0].to_device, ready.buffers[0].from_device):
        with pytest.raises(DeviceLost, match=r"the NPU was lost while a buffer was synced \(.*err=-19.*\)") as caught:
            sync()
        assert caught.value.cure
    device.close()
    del ready
    assert nothing_left(machine)


@pytest.mark.parametrize("fault", [Hang(launch=1), DriverTimeout(launch=1), Ends(launch=1, state=State.ERROR)])
def test_a_broken_overlay_launches_nothing_more_and_a_new_one_does(
    fault: Fault, machine: Machine, scale: KernelFolder, open_device: OpenFn
) -> None:
    device = open_device(machine, watchdog_s=0.3)
    machine.faults.append(fault)
    ready = ReadyOverlay.of(device.load(scale))
    ready.launch()
    assert ready.is_right()
    with pytest.raises(NpuError) as caught:
        ready.launch()
    with pytest.raises(LaunchFailed, match="overlay scale was given up: the ") as again:
        ready.launch()
    assert ready.overlay.broken == caught.value.reason
    assert again.value.state == "GIVEN UP"
    ready.overlay.close()
    assert nothing_left(machine)
    reloaded = ReadyOverlay.of(device.load(scale))
    reloaded.launch()
    assert reloaded.is_right()


def test_a_design_that_would_stand_still(machine: Machine, scale: KernelFolder, open_device: OpenFn) -> None:
    """No fault is put in: the input asks for more than the stream sends, and the driver ends that."""
    ready = ReadyOverlay.of(open_device(machine).load(scale))
    ready.buffers[0].view("i4")[2] = 100
    ready.buffers[0].to_device()
    with pytest.raises(LaunchTimeout, match="made no progress"):
        ready.launch()
    assert "launch 0: The instruction stream has ended and something is left over" in machine.log[0]


def test_garbage_on_the_third_context_is_reported_as_completed(
    machine: Machine, scale: KernelFolder, open_device: OpenFn
) -> None:
    device = open_device(machine)
    machine.faults.append(Garbage(context=2))
    loaded = [ReadyOverlay.of(device.load(scale)) for _ in range(4)]
    for ready in loaded:
        ready.launch()
    assert [ready.is_right() for ready in loaded] == [True, True, False, True]


def test_garbage_from_a_launch_on(machine: Machine, scale: KernelFolder, open_device: OpenFn) -> None:
    ready = ReadyOverlay.of(open_device(machine).load(scale))
    machine.faults.append(Garbage(launch=2, onwards=True))
    seen = []
    for _ in range(4):
        ready.launch()
        seen.append(ready.is_right())
        ready.fill()
    assert seen == [True, True, False, False]


def test_a_slow_npu_is_right_and_says_how_slow(machine: Machine, scale: KernelFolder, open_device: OpenFn) -> None:
    ready = ReadyOverlay.of(open_device(machine).load(scale))
    machine.faults.append(Slow(factor=3, seconds=0.2))
    assert ready.launch() >= 0.2
    assert ready.is_right()


def test_the_seventh_context(machine: Machine, scale: KernelFolder, open_device: OpenFn) -> None:
    device = open_device(machine)
    loaded = [ReadyOverlay.of(device.load(scale)) for _ in range(6)]
    for ready in loaded:
        ready.launch()
    with pytest.raises(NpuUnavailable, match=r"gives overlay scale no hardware context .*it has 6") as caught:
        device.load(scale)
    assert caught.value.cure == "end other programs that use the NPU"
    device.close()
    assert nothing_left(machine)
    ReadyOverlay.of(open_device(machine).load(scale)).launch()


def test_contexts_of_other_programs(scale: KernelFolder, open_device: OpenFn) -> None:
    with pytest.raises(NpuUnavailable, match="no hardware context"):
        open_device(Machine(designs=DESIGNS, contexts_elsewhere=6)).load(scale)


def test_too_little_memory_for_the_stream(machine: Machine, scale: KernelFolder, open_device: OpenFn) -> None:
    device = open_device(machine)
    machine.faults.append(Memlock(limit=100))
    with pytest.raises(NpuUnavailable, match=r"memory for stream scale.run may not be locked"):
        device.load(scale).program("run")
    device.close()
    assert nothing_left(machine)


def test_streams_that_fill_the_heap(machine: Machine, scale: KernelFolder, open_device: OpenFn) -> None:
    overlay = open_device(machine).load(scale)
    machine.heap = (64 << 20) - 500  # as if others had that much
    with pytest.raises(NpuUnavailable, match=r"the NPU has no memory left for stream scale\.run"):
        overlay.program("run")


@pytest.mark.parametrize(
    ("machine", "reason"),
    [
        (Machine(devices=0), r"XRT opens no NPU number 0 \(No such device with index '0'\)"),
        (Machine(name="RyzenAI-npu4"), "RyzenAI-npu4 is another generation than Phoenix"),
        (Machine(faults=[Lost(gone=True)]), "XRT opens no NPU number 0 .*err=-19"),
    ],
)
def test_no_device(machine: Machine, reason: str) -> None:
    with pytest.raises(NpuUnavailable, match=reason) as caught:
        xrt.Device(machine.pyxrt)
    assert caught.value.cure


@pytest.mark.parametrize("name", ["RyzenAI-npu1", "NPU Phoenix"])
def test_both_names(name: str) -> None:
    assert xrt.Device(Machine(name=name).pyxrt).name == name


def lfs_pointer(path: Path) -> None:
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 17000\n")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json: there is none; build the kernel again"),
        (lambda folder: (folder / "kernel.xclbin").unlink(), "kernel.xclbin: cannot be read"),
        (lambda folder: (folder / "kernel.xclbin").write_bytes(b"xclbin2"), "kernel.xclbin: has 7 bytes"),
        (lambda folder: lfs_pointer(folder / "kernel.xclbin"), "kernel.xclbin: is a Git LFS pointer"),
        (lambda folder: lfs_pointer(folder / "insts/run.bin"), "insts/run.bin: is a Git LFS pointer"),
    ],
)
def test_kernels_that_are_refused(
    damaged: Path, machine: Machine, open_device: OpenFn, damage: Callable[[Path], object], reason: str
) -> None:
    damage(damaged)
    with pytest.raises(FolderRefused, match=reason):
        open_device(machine).load(damaged)
    assert nothing_left(machine)


def test_a_folder_for_the_other_device(machine: Machine, scale: KernelFolder) -> None:
    with pytest.raises(FolderRefused, match="kernel folder scale is for the simulated device") as caught:
        xrt.Device(machine.pyxrt).load(scale)
    assert caught.value.cure == "build it for Phoenix and Hawk Point"


def test_a_design_that_the_simulated_device_lacks(scale: KernelFolder, open_device: OpenFn) -> None:
    with pytest.raises(NpuUnavailable, match="knows no design scale"):
        open_device(Machine(designs={})).load(scale)


def test_an_xclbin_that_went_after_it_was_read(machine: Machine, damaged: Path, open_device: OpenFn) -> None:
    folder = xrt.read(damaged)
    (damaged / "kernel.xclbin").unlink()
    with pytest.raises(NpuUnavailable, match=r"XRT does not make overlay scale ready \(No such file"):
        open_device(machine).load(folder)


def test_without_pyxrt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyxrt", None)
    with pytest.raises(NpuUnavailable, match="the Python module pyxrt cannot be used") as caught:
        xrt.pyxrt()
    assert "python3-xrt" in str(caught.value.cure)


def test_a_pyxrt_of_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyxrt", ModuleType("pyxrt"))
    with pytest.raises(NpuUnavailable, match="it has no hw_context: another program of this name"):
        xrt.pyxrt()


def test_a_pyxrt_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "libxrt_coreutil.so.2: cannot open shared object file"
    (tmp_path / "pyxrt.py").write_text(f"raise ImportError('{text}')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "pyxrt", raising=False)
    with pytest.raises(NpuUnavailable, match=text):
        xrt.pyxrt()


def test_a_pyxrt_that_is_right(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    monkeypatch.setitem(sys.modules, "pyxrt", machine.pyxrt)
    assert xrt.pyxrt() is machine.pyxrt


def test_a_process_that_ends_in_a_launch_ends(scale: KernelFolder) -> None:
    """The thread of the simulated device keeps no process alive; on the chip, the driver clears up."""
    code = f"""
from contextlib import suppress
from pathlib import Path
from npu.errors import LaunchTimeout
from npu.xrt import device as xrt
from npu.simulated import Machine
from npu.simulated.faults import Hang
from tests.npu.conftest import DESIGNS, ReadyOverlay
device = xrt.Device(Machine(designs=DESIGNS, faults=[Hang()]).pyxrt, target="host", watchdog_s=0.1)
ready = ReadyOverlay.of(device.load(Path({str(scale.path)!r})))
with suppress(LaunchTimeout):
    ready.launch()
"""
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=60, check=False).returncode == 0


@pytest.mark.parametrize(
    "error",
    [NpuUnavailable("a", "b"), LaunchFailed("a", "b", state="ABORT"), DeviceLost("a"), FolderRefused("a", "b")],
)
def test_errors_travel_between_processes(error: NpuError) -> None:
    back = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(back), str(back), back.__dict__) == (type(error), str(error), error.__dict__)
