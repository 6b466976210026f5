"""The computation that turns audio into text: its stages, and the Session that takes one request through them."""

import os

# onnxruntime reports to its makers since 1.29, from the moment it is loaded; this is its full opt-out
# (microsoft/onnxruntime#27379).
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
