"""Modelled cost of a window on the NPU: nothing here was measured; what it is held against was, and is cited."""
