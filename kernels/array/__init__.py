"""A design for the AIE2 array as plain data (``design``), and its readers: ``check``, ``lower`` and ``simulate``."""
