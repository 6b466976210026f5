"""The weights of Whisper's encoder, read from a CTranslate2 model.bin; the CPU and NPU encoders are built from them.

Tensors are views of the file, mapped into memory: the kernel reads a tensor when it is first used, and only once.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.encoder.weights import EncoderLayer, EncoderWeights, Linear, Norm, StoredTensor
from kernels.mel.audio import ENCODER_FRAMES, Float32
from server.checkpoints.files import Variable, read_layout
from server.errors import ModelUnavailable

STORED = {"float32": "<f4", "int8": "i1", "int16": "<i2", "int32": "<i4", "float16": "<f2", "bfloat16": "<u2"}
KERNEL = 3  # both convolutions; the second has stride 2


def read_tensors(model_bin: Path) -> dict[str, StoredTensor]:
    """Return every tensor of a model.bin by name, aliases included; ``<name>_scale`` is attached to ``<name>`` as well.

    Raises ModelUnavailable, naming the file, for anything that is not a whole CTranslate2 model.
    """
    layout = read_layout(model_bin)
    try:
        data = np.memmap(model_bin, np.uint8, mode="r")
    except OSError as error:
        raise ModelUnavailable(f"{model_bin} cannot be read: {error}.", param="model") from error
    stored = {name: _view(data, variable) for name, variable in layout.variables.items()}
    return {name: _tensor(model_bin, name, stored) for name in stored}


def encoder_weights(model_bin: Path) -> EncoderWeights:
    """Return the encoder of a Whisper model.bin.

    Raises ModelUnavailable where a tensor is missing or its shape does not fit the others.
    """
    return _EncoderReader(model_bin, read_tensors(model_bin)).weights()


def encoder_digest(model_bin: Path) -> str:
    """Return the SHA-256 of the encoder's tensors and their names, read as float16, in hexadecimal.

    It names an encoder whatever decoder it has and whether its file holds float16 or float32 of the same values, as the
    published weights of Whisper are. Raises ModelUnavailable for anything that is not a whole CTranslate2 model.
    """
    digest = sha256()
    for name, tensor in sorted(read_tensors(model_bin).items()):
        if name.startswith("encoder/") and tensor.values.ndim:
            halves = tensor.values if tensor.dtype == "float16" else tensor.float32().astype("<f2")
            digest.update(f"{name} {list(tensor.shape)}".encode())
            digest.update(np.ascontiguousarray(halves).data)
    return digest.hexdigest()


def _view(data: NDArray[np.uint8], variable: Variable) -> StoredTensor:
    values: NDArray[Any] = np.ndarray(
        variable.shape, np.dtype(STORED[variable.dtype]), buffer=data, offset=variable.offset
    )
    return StoredTensor(values, variable.dtype)


def _tensor(model_bin: Path, name: str, stored: Mapping[str, StoredTensor]) -> StoredTensor:
    tensor, scale = stored[name], stored.get(f"{name}_scale")
    if scale is None:
        return tensor
    rows = tensor.shape[0] if tensor.shape else 1
    values = scale.float32()
    if values.size not in (1, rows) or not np.isfinite(values).all() or not values.all():
        raise _wrong(model_bin, f"{name}_scale does not fit {name}")
    return StoredTensor(tensor.values, tensor.dtype, values)


class _EncoderReader:
    """Picks the encoder's tensors and checks each shape."""

    def __init__(self, model_bin: Path, tensors: Mapping[str, StoredTensor]) -> None:
        self.model_bin = model_bin
        self.tensors = tensors
        conv1 = self._get("encoder/conv1/weight")
        if len(conv1.shape) != 3 or 0 in conv1.shape:
            raise _wrong(model_bin, f"encoder/conv1/weight has the shape {conv1.shape}")
        self.d_model, self.n_mels = conv1.shape[:2]

    def weights(self) -> EncoderWeights:
        """Return the encoder. Raises ModelUnavailable for a tensor that is missing or of a wrong shape."""
        d = self.d_model
        count = 0
        while f"encoder/layer_{count}/self_attention/linear_0/weight" in self.tensors:
            count += 1
        if not count:
            raise _wrong(self.model_bin, "the encoder has no layers")
        return EncoderWeights(
            conv1=self._linear("encoder/conv1", (d, self.n_mels, KERNEL)),
            conv2=self._linear("encoder/conv2", (d, d, KERNEL)),
            positions=self._floats("encoder/position_encodings/encodings", (ENCODER_FRAMES, d)),
            layers=tuple(self._layer(f"encoder/layer_{index}") for index in range(count)),
            norm=self._norm("encoder/layer_norm"),
            heads=self._heads(),
        )

    def _layer(self, name: str) -> EncoderLayer:
        d = self.d_model
        hidden = self._get(f"{name}/ffn/linear_0/weight").shape[:1]
        return EncoderLayer(
            attention_norm=self._norm(f"{name}/self_attention/layer_norm"),
            qkv=self._linear(f"{name}/self_attention/linear_0", (3 * d, d)),
            out=self._linear(f"{name}/self_attention/linear_1", (d, d)),
            ffn_norm=self._norm(f"{name}/ffn/layer_norm"),
            up=self._linear(f"{name}/ffn/linear_0", (*hidden, d)),
            down=self._linear(f"{name}/ffn/linear_1", (d, *hidden)),
        )

    def _heads(self) -> int:
        heads = int(self._get("encoder/num_heads", ()).values)
        if heads < 1 or self.d_model % heads:
            raise _wrong(self.model_bin, f"{heads} heads do not divide {self.d_model} dimensions")
        return heads

    def _linear(self, name: str, shape: tuple[int, ...]) -> Linear:
        weight = self._get(f"{name}/weight", shape)
        if weight.dtype.startswith("int") and weight.scale is None:
            raise _wrong(self.model_bin, f"{name}/weight is {weight.dtype} without a scale")
        return Linear(weight, self._floats(f"{name}/bias", shape[:1]))

    def _norm(self, name: str) -> Norm:
        return Norm(self._floats(f"{name}/gamma", (self.d_model,)), self._floats(f"{name}/beta", (self.d_model,)))

    def _floats(self, name: str, shape: tuple[int, ...]) -> Float32:
        return self._get(name, shape).float32()

    def _get(self, name: str, shape: tuple[int, ...] | None = None) -> StoredTensor:
        tensor = self.tensors.get(name)
        if tensor is None:
            raise _wrong(self.model_bin, f"{name} is missing")
        if shape is not None and tensor.shape != shape:
            raise _wrong(self.model_bin, f"{name} has the shape {tensor.shape}, not {shape}")
        return tensor


def _wrong(model_bin: Path, why: str) -> ModelUnavailable:
    return ModelUnavailable(f"{model_bin} does not hold a Whisper encoder: {why}.", cure="Fetch the model again.")
