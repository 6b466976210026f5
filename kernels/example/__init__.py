"""The smallest complete kernel: multiply every row of a matrix by the same gains. A template, not registered."""
