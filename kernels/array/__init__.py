"""The description of a design for the AIE2 array (``design``), and code that checks, lowers or simulates a design."""
