"""The one file of the pipeline that meets npu/: which stages the NPU serves, and why not."""

from __future__ import annotations

from pathlib import Path

from npu.device import probe
from server.errors import ConfigurationError

NO_STAGES = "this version has no NPU stages yet: the kernels and their runtime are still being built"


def why_cpu(mode: str, node: Path) -> str:
    """Why mel and encoder run on the CPU.

    Raises ConfigurationError for ``npu.mode`` required or simulated, which this version cannot honour.
    """
    if mode == "off":
        return "npu.mode is off"
    reason = probe(node).reason or NO_STAGES
    if mode == "required":
        raise ConfigurationError(
            f"npu.mode is required, but the NPU cannot serve: {reason}.",
            param="npu.mode",
            cure="Set npu.mode to auto to serve on the CPU.",
        )
    if mode == "simulated":
        raise ConfigurationError(f"npu.mode is simulated, but {NO_STAGES}.", param="npu.mode", cure="Set it to auto.")
    return reason
