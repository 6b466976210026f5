"""Functions that compute a stage for a batch of windows: mel and encoder, and decoder.

A batch may mix windows of several requests; a Work holds one window and all that these functions know of its request.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from kernels.mel.audio import Float32
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.stages.hallucination import Failure
from server.pipeline.stages.protocols import Retired
from server.pipeline.work import Watch, Work, charged, stacked


def encode(model: LoadedModel, works: Sequence[Work], watch: Watch = charged) -> None:
    """Compute the encoder states of windows, mel included, and store them in their Works.

    If the NPU fails in either stage, both run again on the CPU, and each request gets a warning. ``watch`` surrounds
    every run of a stage, to measure it.
    """
    while True:
        try:
            states = _encoded(model, works, watch)
            break
        except Retired as retired:
            for warn in {work.request: work.warn for work in works}.values():
                warn(f"The NPU failed and was retired: {retired}. The CPU did its work.")
    for work, row in zip(works, states, strict=True):
        work.encoded(row)


def _encoded(model: LoadedModel, works: Sequence[Work], watch: Watch) -> Sequence[Float32]:
    with watch("mel", model.mel.device, works):
        features = model.mel([work.window.samples for work in works])
    with watch("encoder", model.encoder.device, works):
        if model.encoder.device != "cpu":  # the NPU's programs are made for full windows
            return list(model.encoder(features))
        return [model.encoder(features[number][None, :, : 2 * work.frames])[0] for number, work in enumerate(works)]


def decode(model: LoadedModel, works: Sequence[Work], watch: Watch = charged) -> list[Failure | None]:
    """Decode windows once, at the next temperature that each of them has left to try.

    All ``works`` must have equal ``decoder_key``. Returns for each the check that its text failed, so that it must be
    decoded at a further temperature, or None if its window is decoded. A text that repeats itself or is unlikely may
    come from a window that was encoded short: such a window waits for the encoder again.
    """
    [temperature] = {work.temperature for work in works}
    assert temperature is not None, "decoded already"  # noqa: S101
    with watch("decoder", model.decoder.device, works):
        results = model.decoder.generate(stacked(works), [work.attempts.search for work in works], temperature)
    failures = [work.attempts.add(result) for work, result in zip(works, results, strict=True)]
    for work in works:
        if work.short and work.attempts.doubtful:
            work.widen()
    return failures


def decode_completely(model: LoadedModel, works: Sequence[Work], watch: Watch = charged) -> None:
    """Decode windows at one temperature after the other, until all have their texts or wait for the encoder."""
    while pending := [work for work in works if work.temperature is not None]:
        for _, batch in groupby(sorted(pending, key=_decoder_key), key=_decoder_key):
            decode(model, list(batch), watch)


def _decoder_key(work: Work) -> tuple[float, ...]:
    return work.decoder_key or ()
