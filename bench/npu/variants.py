"""Variants of mel and encoder to compare with the CPU's float32 encoder: the NPU, simulated or real, and smaller steps.

A variant turns the samples of a window, float32 [n <= 480,000], into encoder states, float32 [1, 1500, 256].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.npu.demo import demo_encoder
from kernels.array.lower.encode import encode
from kernels.array.simulate.simulate import Simulation
from kernels.encoder.overlay import overlay
from kernels.encoder.pack import pack_commands, pack_mel, pack_weights, unpack
from kernels.encoder.plan import plan
from kernels.encoder.shapes import SHAPES
from kernels.encoder.window_ops import window
from kernels.matmul.blocks import from_bf16, to_bf16
from kernels.mel.audio import Float32
from kernels.mel.reference import kernel_log_mel
from kernels.registry import OPS
from npu.kernel_folders import Folders
from npu.runtime.npu import open_npu
from npu.stages.encoder import NpuEncoder
from npu.stages.mel import NpuMel
from server.checkpoints.catalog import DEMO_DIR
from server.checkpoints.encoder_weights import encoder_weights
from server.pipeline.encoding.cpu_mel import CpuMel
from server.pipeline.encoding.ct2_encoder import Ct2Encoder
from server.pipeline.encoding.openvino_encoder import OpenVinoEncoder, Precision
from server.pipeline.stages.protocols import Encoder
from server.pipeline.stages.whisper import Checkpoint
from server.settings.stages import ModelSettings

Variant = Callable[[Float32], Float32]


class NpuVariant:
    """The server's own NPU stages, mel and encoder, on the NPU of this machine or on the simulated one."""

    def __init__(self, *, int8: bool, simulated: bool) -> None:
        npu = open_npu(Folders(target="host" if simulated else "npu1"), simulated=simulated)
        self.mel = NpuMel(npu, SHAPES["demo"].n_mels)
        self.encoder = NpuEncoder(npu, demo_encoder(), int8=int8)

    def __call__(self, samples: Float32) -> Float32:
        return self.encoder(self.mel([samples]))


class DirectKernels:
    """A variant without the server's stages: mel by its kernel in plain loops, the encoder on the array's simulator.

    The result is that of the NPU's array to the bit.
    """

    def __init__(self, *, int8: bool) -> None:
        self.encoder = demo_encoder()
        self.plan = plan(SHAPES["demo"], int8=int8)
        sequence = window(self.plan)
        design = overlay("encoder", OPS["encoder_int8" if int8 else "encoder"], (sequence,))
        self.simulation = Simulation(design)
        self.stream = encode(design, sequence)
        self.activations = np.zeros(self.plan.activation_elements, np.uint16)
        self.constants = (pack_weights(self.plan, self.encoder), pack_commands(self.plan))

    def __call__(self, samples: Float32) -> Float32:
        pack_mel(self.plan, kernel_log_mel(samples, self.plan.shape.n_mels), self.activations)
        arguments = (self.activations, *self.constants)
        self.simulation.run(self.stream, [argument.view(np.uint8) for argument in arguments])
        return unpack(self.plan, self.activations, self.encoder.norm)[None]


def checkpoint(compute_type: str) -> Checkpoint:
    """Return the demo model in CTranslate2, on one thread."""
    return Checkpoint(DEMO_DIR, ModelSettings.model_validate({"compute_type": compute_type, "threads": 1}))


def variant(name: str) -> Variant:
    """Make the variant of this name, one of VARIANTS."""
    return VARIANTS[name]()


def on_cpu(encoder: Encoder) -> Variant:
    """Return a variant that computes the mel spectrogram on the CPU and the states with ``encoder``."""
    mel = CpuMel(SHAPES["demo"].n_mels)
    return lambda samples: encoder(mel([samples]))


def _npu_mel() -> Variant:
    encoder = Ct2Encoder(checkpoint("float32"))
    return lambda samples: encoder(kernel_log_mel(samples, SHAPES["demo"].n_mels)[None])


def _rounded() -> Variant:
    exact = on_cpu(Ct2Encoder(checkpoint("float32")))
    return lambda samples: from_bf16(to_bf16(exact(samples)))


def _openvino(precision: Precision) -> Variant:
    return on_cpu(OpenVinoEncoder(encoder_weights(DEMO_DIR / "model.bin"), precision, 1))


VARIANTS: dict[str, Callable[[], Variant]] = {
    "bf16": lambda: NpuVariant(int8=False, simulated=True),
    "int8": lambda: NpuVariant(int8=True, simulated=True),
    "npu-bf16": lambda: NpuVariant(int8=False, simulated=False),
    "npu-int8": lambda: NpuVariant(int8=True, simulated=False),
    "direct-bf16": lambda: DirectKernels(int8=False),
    "direct-int8": lambda: DirectKernels(int8=True),
    "mel": _npu_mel,  # the kernel's mel before the float32 encoder
    "rounded": _rounded,  # the float32 encoder's result rounded to bf16
    "openvino-float32": lambda: _openvino("float32"),  # the same arithmetic, sums in another order
    "openvino-bfloat16": lambda: _openvino("bfloat16"),  # a server's choice on a processor with AMX
    "ctranslate2-int8": lambda: on_cpu(Ct2Encoder(checkpoint("int8"))),
}
