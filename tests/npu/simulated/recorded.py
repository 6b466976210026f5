"""The part of pyxrt that ``npu`` uses, as it was recorded. Not derived from the simulation, which is held to it.

Names and argument lists: src/python/pybind11/src/pyxrt.cpp of Xilinx/XRT at the tags 202520.2.20.197 (the same file at
202610.2.21.21), 202610.2.23.244, and on the branches XRT-2.21 and XRT-2.25; they are the same in all of these. Error
texts, and what cannot be called though pyxrt.pyi has it: tried with Debian's python3-xrt 1:2.25.0-4~bpo13+1, without
an NPU, which test_real_pyxrt.py does again wherever there is a pyxrt.
"""

from __future__ import annotations

CLASSES = {  # public names
    "": ["xclBOSyncDirection", "xrt_info_device", "device", "xclbin", "hw_context", "kernel", "run", "bo"],
    "xrt_info_device": ["name"],
    "xclBOSyncDirection": ["XCL_BO_SYNC_BO_TO_DEVICE", "XCL_BO_SYNC_BO_FROM_DEVICE"],
    "device": ["register_xclbin", "get_info"],
    "xclbin": [],
    "hw_context": [],
    "kernel": ["group_id"],
    "run": ["set_arg", "start", "state"],
    "bo": ["write", "sync", "map", "host_only", "cacheable"],
}

ENUMS = {  # all members, with those that npu does not use
    "xclBOSyncDirection": {
        "XCL_BO_SYNC_BO_TO_DEVICE": 0,
        "XCL_BO_SYNC_BO_FROM_DEVICE": 1,
        "XCL_BO_SYNC_BO_GMIO_TO_AIE": 2,
        "XCL_BO_SYNC_BO_AIE_TO_GMIO": 3,
    },
    "ert_cmd_state": {
        "ERT_CMD_STATE_NEW": 1,
        "ERT_CMD_STATE_QUEUED": 2,
        "ERT_CMD_STATE_COMPLETED": 4,
        "ERT_CMD_STATE_ERROR": 5,
        "ERT_CMD_STATE_ABORT": 6,
        "ERT_CMD_STATE_SUBMITTED": 7,
        "ERT_CMD_STATE_TIMEOUT": 8,
        "ERT_CMD_STATE_NORESPONSE": 9,
        "ERT_CMD_STATE_SKERROR": 10,
        "ERT_CMD_STATE_SKCRASHED": 11,
    },
    "bo.flags": {
        "normal": 0,
        "cacheable": 0x1000000,
        "device_only": 0x10000000,
        "host_only": 0x20000000,
        "p2p": 0x40000000,
        "svm": 0x8000000,
    },
}

# Constructors and methods, whether they take the arguments, and the arguments: literals, or attributes of Objects.
CALLS: list[tuple[str, bool, tuple[object, ...]]] = [
    ("device", True, (0,)),
    ("device", False, (0, 0)),
    ("device", False, (-1,)),
    ("device", False, (0.0,)),
    ("xclbin", True, ("$path",)),
    ("xclbin", False, (7,)),
    ("hw_context", True, ("$device", "$uuid")),
    ("hw_context", False, ("$device",)),
    ("hw_context", False, ("$device", "$path", "$path")),
    ("kernel", True, ("$context", "MLIR_AIE")),
    ("kernel", False, ("$context",)),
    ("run", True, ("$kernel",)),
    ("run", False, ("$context",)),
    ("bo", True, ("$device", 64, "$host_only", "$group")),
    ("bo", False, ("$device", 64, 0x20000000, "$group")),
    ("bo", False, ("$device", 64, "$host_only")),
    ("bo", False, ("$device", -1, "$host_only", "$group")),
    ("$device.register_xclbin", True, ("$xclbin",)),
    ("$device.register_xclbin", False, ("$path",)),
    ("$device.get_info", True, ("$name_key",)),
    ("$device.get_info", False, ("name",)),
    ("$kernel.group_id", True, (3,)),
    ("$run.set_arg", True, (0, 3)),
    ("$run.set_arg", True, (3, "$bo")),
    ("$run.set_arg", False, (0, 1 << 31)),
    ("$run.set_arg", False, (0, 3.0)),
    ("$run.set_arg", False, (0, None)),
    ("$run.set_arg", False, (3, "$array")),
    ("$run.state", True, ()),
    ("$bo.write", True, (b"abcd", 0)),
    ("$bo.write", False, ("abcd", 0)),
    ("$bo.write", False, (b"abcd",)),
    ("$bo.sync", True, ("$to_device", 16, 0)),
    ("$bo.sync", False, ("$to_device", 16)),
    ("$bo.sync", False, (0,)),
    ("$bo.map", True, ()),
]
