"""The demo encoder's window on the simulated array, driven without the runtime, after the mel kernel in loops."""

from __future__ import annotations

import numpy as np

from kernels.array.encode import encode
from kernels.array.simulate import Simulation
from kernels.encoder.overlay import overlay
from kernels.encoder.pack import pack_commands, pack_mel, pack_weights, unpack
from kernels.encoder.plan import plan
from kernels.encoder.shapes import SHAPES
from kernels.encoder.window import window
from kernels.mel.reference import kernel_log_mel
from kernels.registry import OPS
from server.pipeline.types import Float32
from tests.kernels.demo import demo_encoder


class SimulatedNpu:
    """Samples of a window -> float32 [1, 1500, 256], to the bit what the array would compute."""

    def __init__(self, precision: str) -> None:
        shape = SHAPES["demo"]
        self.encoder = demo_encoder()
        self.plan = plan(shape, int8=precision == "int8")
        sequence = window(self.plan)
        design = overlay("encoder", OPS["encoder_int8" if self.plan.int8 else "encoder"], (sequence,))
        self.simulation = Simulation(design)
        self.stream = encode(design, sequence)
        self.activations = np.zeros(self.plan.activation_elements, np.uint16)
        self.constants = (pack_weights(self.plan, self.encoder), pack_commands(self.plan))

    def __call__(self, samples: Float32) -> Float32:
        pack_mel(self.plan, kernel_log_mel(samples, self.plan.shape.n_mels), self.activations)
        arguments = (self.activations, *self.constants)
        self.simulation.run(self.stream, [argument.view(np.uint8) for argument in arguments])
        return unpack(self.plan, self.activations, self.encoder.norm)[None]
