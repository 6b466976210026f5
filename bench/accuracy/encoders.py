"""The encoders of this pipeline that the bench judges, each before the same decoder in int8."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from server.checkpoints.encoder_weights import encoder_weights
from server.pipeline.encoding.ct2_encoder import Ct2Encoder
from server.pipeline.encoding.openvino_encoder import OpenVinoEncoder, Precision
from server.pipeline.stages.protocols import Encoder
from server.pipeline.stages.whisper import Checkpoint


def _openvino(precision: Precision, checkpoint: Checkpoint) -> Encoder:
    return OpenVinoEncoder(encoder_weights(checkpoint.directory / "model.bin"), precision, checkpoint.threads)


EXACT = "openvino-float32"  # the yardstick: its states are 4e-6 from those of CTranslate2 in float32
ENCODERS: dict[str, Callable[[Checkpoint], Encoder]] = {
    EXACT: partial(_openvino, "float32"),
    "openvino-bfloat16": partial(_openvino, "bfloat16"),
    "ctranslate2-int8": Ct2Encoder,
}
