"""The training of the heads for word times of real checkpoints: small networks on the states of a frozen encoder.

All speech is synthetic, because its word times are known exactly. `make train-heads` runs ``python -m training.heads``
for each checkpoint: ``speech`` makes windows, ``states`` encodes them, ``fit`` trains, ``measure`` calibrates and
measures on readers that training never heard.
"""
