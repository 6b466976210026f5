"""A model of a window's time on the NPU. No figure was measured here; cited measurements of others check the model."""
