"""The training of the demonstration model: a small Whisper, trained from scratch on two processor cores.

The speech is our own sentences spoken by synthetic voices, and open recordings. `make train-demo` runs the steps in
order: ``corpus``, ``train``, ``splice``, ``export``, ``align_quality``, ``evaluate``, ``card``. The package is not part
of the installed program.
"""
