"""The smallest complete kernel, which multiplies every row of a matrix by 256 gains: a template, not registered."""
