"""pyxrt as it was recorded, release by release: what a stand-in is held against. Not derived from the stand-in.

Names and forms: src/python/pybind11/src/pyxrt.cpp of Xilinx/XRT at the tags 202520.2.20.197 (the same file at
202610.2.21.21), 202610.2.23.244, and on the branches XRT-2.21 and XRT-2.25. Error texts, what cannot be called though
pyxrt.pyi has it, and what ends the process: tried with Debian's python3-xrt 1:2.25.0-4~bpo13+1, without an NPU, which
test_real_pyxrt.py does again wherever there is a pyxrt. Of 2.23, where ext.access_mode is, is a guess.
"""

from __future__ import annotations

VERSIONS = ("2.20", "2.21", "XRT-2.21", "2.23", "2.25")
LATER = ("2.23", "2.25")
UP_TO_2_21 = ("2.20", "2.21", "XRT-2.21")

NAMES = [
    "XCL_BO_FLAGS_NONE",
    "enumerate_devices",
    "log_message",
    "xclBOSyncDirection",
    "ert_cmd_state",
    "xrt_info_device",
    "xrt_msg_level",
    "emergency",
    "alert",
    "critical",
    "error",
    "warning",
    "notice",
    "info",
    "debug",
    "uuid",
    "device",
    "xclbin",
    "hw_context",
    "kernel",
    "run",
    "runlist",
    "bo",
    "elf",
    "module",
    "program",
    "ext",
    "xclbinip_vector",
    "xclbinkernel_vector",
    "xclbinmem_vector",
]

ENUMS = {
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
ENUM_NAMES = {
    "xrt_info_device": [
        "bdf",
        "interface_uuid",
        "kdma",
        "max_clock_frequency_mhz",
        "m2m",
        "name",
        "nodma",
        "offline",
        "electrical",
        "thermal",
        "mechanical",
        "memory",
        "platform",
        "pcie_info",
        "host",
        "dynamic_regions",
        "vmr",
    ],
    "xrt_msg_level": ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"],
    "kernel.cu_access_mode": ["exclusive", "shared", "none"],
    "ext.access_mode": ["none", "read", "write", "read_write", "local", "shared", "process", "hybrid"],
}

# Public names of each class, without those of enums that are exported into it.
CLASSES = {
    "uuid": ["to_string"],
    "device": ["register_xclbin", "load_xclbin", "get_xclbin_uuid", "get_info"],
    "xclbin": [
        *("get_kernels", "get_xsa_name", "get_uuid", "get_mems", "get_axlf"),
        *("xclbinip", "xclbinkernel", "xclbinmem"),
    ],
    "xclbin.xclbinkernel": ["get_name", "get_num_args"],
    "xclbin.xclbinip": ["get_name"],
    "xclbin.xclbinmem": ["get_tag", "get_base_address", "get_size_kb", "get_used", "get_index"],
    "hw_context": [],
    "kernel": ["group_id", "cu_access_mode"],
    "run": ["set_arg", "start", "wait", "wait2", "state", "add_callback"],
    "runlist": ["add", "execute", "wait"],
    "bo": ["write", "read", "sync", "map", "size", "address", "flags"],
    "elf": [],
    "program": ["get_partition_size"],
    "ext.bo": [],
    "ext.kernel": [],
}
ADDED = {
    ("hw_context", LATER): [
        *("access_mode", "exclusive", "shared"),
        *("add_config", "get_device", "get_xclbin_uuid", "get_xclbin", "get_mode"),
    ],
    ("ext.bo", UP_TO_2_21): ["access_mode", *ENUM_NAMES["ext.access_mode"]],
    ("run", ("XRT-2.21", "2.25")): ["get_ctrl_scratchpad_bo"],
    ("module", UP_TO_2_21): ["get_cfg_uuid", "get_hw_context"],
    ("module", LATER): ["get_hw_context"],
}
EXPORTED = {
    "bo": ENUMS["bo.flags"],
    "kernel": ENUM_NAMES["kernel.cu_access_mode"],
}

# Constructors and methods, the versions in which the form can be called, and the arguments: names of the fixtures of
# test_conformance, or literals.
EVERY = VERSIONS
CALLS: list[tuple[str, tuple[str, ...], tuple[object, ...]]] = [
    ("device", EVERY, ()),
    ("device", EVERY, (0,)),
    ("device", EVERY, ("0000:c7:00.1",)),
    ("device", (), (0, 0)),
    ("device", (), (-1,)),
    ("device", (), (0.0,)),
    ("xclbin", EVERY, ()),
    ("xclbin", EVERY, ("$path",)),
    ("xclbin", EVERY, ("$path_bytes",)),
    ("xclbin", (), (7,)),
    ("uuid", EVERY, ("$uuid_text",)),
    ("hw_context", EVERY, ()),
    ("hw_context", EVERY, ("$device", "$uuid")),
    ("hw_context", (), ("$device",)),
    ("hw_context", (), ("$device", "$uuid_text", "$uuid_text")),
    ("hw_context", LATER, ("$device", "$uuid", {"priority": 1})),
    ("hw_context", LATER, ("$device", "$xclbin")),
    ("hw_context", LATER, ("$device", "$path")),
    ("kernel", EVERY, ("$context", "MLIR_AIE")),
    ("kernel", (), ("$context",)),
    ("run", EVERY, ()),
    ("run", EVERY, ("$kernel",)),
    ("run", (), ("$context",)),
    ("runlist", EVERY, ()),
    ("runlist", EVERY, ("$context",)),
    ("bo", EVERY, ("$device", 64, "$host_only", "$group")),
    ("bo", (), ("$device", 64, 0x20000000, "$group")),
    ("bo", (), ("$device", 64, "$host_only")),
    ("bo", (), ("$device", -1, "$host_only", "$group")),
    ("bo", EVERY, ("$bo", 16, 16)),
    ("bo", LATER, ("$context", 64, "$host_only", "$group")),
    ("bo", LATER, ("$context", 64, "$group")),
    ("ext.bo", EVERY, ("$device", 64)),
    ("ext.bo", EVERY, ("$context", 64)),
    ("ext.kernel", EVERY, ("$context", "MLIR_AIE")),
    ("$device.register_xclbin", EVERY, ("$xclbin",)),
    ("$device.register_xclbin", (), ("$path",)),
    ("$device.get_info", EVERY, ("$name_key",)),
    ("$device.get_info", (), ("name",)),
    ("$kernel.group_id", EVERY, (3,)),
    ("$run.set_arg", EVERY, (0, 3)),
    ("$run.set_arg", EVERY, (3, "$bo")),
    ("$run.set_arg", (), (0, 1 << 31)),
    ("$run.set_arg", (), (0, 3.0)),
    ("$run.set_arg", (), (0, None)),
    ("$run.set_arg", (), (3, "$array")),
    ("$run.state", EVERY, ()),
    ("$run.wait2", (), (1000,)),
    ("$run.wait2", (), ("$second",)),
    ("$run.wait", (), ("$second",)),
    ("$run.add_callback", (), ("$state", print, None)),
    ("$runlist.wait", (), (1000,)),
    ("$runlist.wait", (), ("$second",)),
    ("$runlist.add", EVERY, ("$run",)),
    ("$bo.write", EVERY, (b"abcd", 0)),
    ("$bo.write", EVERY, ("$array", 0)),
    ("$bo.write", (), ("abcd", 0)),
    ("$bo.write", (), (b"abcd",)),
    ("$bo.read", EVERY, (4, 0)),
    ("$bo.read", (), (4,)),
    ("$bo.sync", EVERY, ("$to_device",)),
    ("$bo.sync", EVERY, ("$to_device", 16, 0)),
    ("$bo.sync", (), ("$to_device", 16)),
    ("$bo.sync", (), (0,)),
    ("$bo.map", EVERY, ()),
    ("$bo.size", EVERY, ()),
    ("$bo.address", EVERY, ()),
]
