"""The computation that turns audio into text: its stages, and the Session that takes one request through them."""

import os
import sys

# onnxruntime reports to its makers since 1.29, from the moment it is loaded; this is its full opt-out
# (microsoft/onnxruntime#27379).
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# openvino imports its model converter where it can, and the converter tells openvino's makers of every import through
# the package openvino_telemetry. This server needs no converter; None lets openvino go without it.
sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]
