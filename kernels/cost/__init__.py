"""The modelled cost of a window on the NPU. No figure was measured here; cited measurements check the model."""
