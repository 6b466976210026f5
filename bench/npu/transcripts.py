"""The demo model's transcripts with mel and encoder on the simulated NPU, beside those with a float32 encoder.

    python -m bench.npu.transcripts --clips 200 --precision bf16 --workers 2 --out FILE

Decoder and settings are the same for both: CTranslate2 on the CPU, beam 5, temperature 0 only; once in int8, as served,
and once in float32, which does not round the encoder states. ``--precision npu-bf16`` runs on the NPU of this machine;
bench/npu/variants.py has the other values. Results are appended to FILE as lines of JSON, clip by clip; clips that are
already in FILE are skipped.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from hashlib import sha256
from pathlib import Path

import numpy as np

from bench.benchmark_audio import ROOT
from bench.npu.clips import EnglishClip, clips
from bench.npu.results import ClipResult, Transcripts, read, report
from bench.npu.variants import VARIANTS, checkpoint, on_cpu, variant
from kernels.mel.audio import Float32
from server.pipeline.encoding.ct2_encoder import Ct2Encoder
from server.pipeline.stages.decoder import Attempts, Ct2Decoder, Decoded
from server.pipeline.stages.search import Search, prompt_tokens
from server.pipeline.stages.whisper import Checkpoint, storage
from server.settings.stages import DecodeSettings

AUDIO = ROOT.parent / "shared" / "audio"
BEAM = 5
DECODERS = ("int8", "float32")


class TextDecoder:
    """A deterministic decoder: the same encoder states give the same text."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        tokenizer = checkpoint.tokenizer("en", "transcribe")
        self.search = Search(tokenizer, prompt_tokens(tokenizer, None, None), BEAM, temperatures=(0.0,))
        self.settings = DecodeSettings.model_validate({"beam_size": BEAM, "temperatures": (0.0,)})
        self.decoder = Ct2Decoder(checkpoint, self.settings)

    def compare(self, cpu: Float32, npu: Float32) -> Transcripts:
        """Decode the encoder states of CPU and NPU, float32 [1, 1500, d]; return both texts and their ``gap``."""
        mine, theirs = self.decode(cpu), self.decode(npu)
        same = mine.text == theirs.text
        gap = None if same else self.likelihood(cpu, mine) - self.likelihood(cpu, theirs)
        return Transcripts(mine.text.strip(), theirs.text.strip(), gap)

    def decode(self, states: Float32) -> Decoded:
        """Decode one window's encoder states, float32 [1, 1500, d]."""
        attempts = Attempts(self.search, self.settings)
        attempts.add(self.decoder.generate(states, [self.search], 0.0)[0])
        return attempts.result()

    def likelihood(self, states: Float32, text: Decoded) -> float:
        """Return the mean log probability of a token of ``text``, each given those before it; 0 for no text."""
        if not text.tokens:
            return 0.0
        start = list(self.search.tokenizer.sot_sequence)
        found = self.checkpoint.whisper.align(storage(states), start, [list(text.tokens)], [states.shape[1] * 2])[0]
        return float(np.log(found.text_token_probs[: len(text.tokens)]).mean())


class ClipComparison:
    """The transcription of clips with the CPU's encoder and with a variant of it, in one process on one core.

    ``precision`` is the name of the variant, a key of VARIANTS.
    """

    def __init__(self, precision: str) -> None:
        checkpoints = {name: checkpoint(name) for name in DECODERS}
        self.precision = precision
        self.cpu = on_cpu(Ct2Encoder(checkpoints["float32"]))
        self.npu = variant(precision)
        self.decoders = {name: TextDecoder(checkpoint) for name, checkpoint in checkpoints.items()}

    def compare(self, clip: EnglishClip) -> ClipResult:
        """Transcribe a clip with both encoders, and return the texts and the difference of the encoder states."""
        begun = time.process_time()
        cpu, npu = self.cpu(clip.samples), self.npu(clip.samples)
        return ClipResult(
            clip=clip.name,
            group=clip.group,
            precision=self.precision,
            truth=clip.text,
            error=float(np.linalg.norm(npu - cpu) / np.linalg.norm(cpu)),
            decoders={name: decoder.compare(cpu, npu) for name, decoder in self.decoders.items()},
            seconds=round(time.process_time() - begun, 2),
            digest=sha256(npu.tobytes()).hexdigest()[:16],
        )


_comparison: list[ClipComparison] = []  # of this worker process


def _start(precision: str) -> None:
    _comparison.append(ClipComparison(precision))


def _compare(clip: EnglishClip) -> ClipResult:
    return _comparison[0].compare(clip)


def run(todo: Sequence[EnglishClip], precision: str, workers: int, out: Path) -> None:
    """Compare the clips in ``workers`` processes of one thread each; append the results to ``out`` as JSON lines."""
    context = multiprocessing.get_context("spawn")
    with (
        out.open("a", encoding="utf-8") as file,
        ProcessPoolExecutor(workers, context, initializer=_start, initargs=(precision,)) as pool,
    ):
        for number, done in enumerate(as_completed([pool.submit(_compare, clip) for clip in todo]), 1):
            found = done.result()
            file.write(found.line() + "\n")
            file.flush()
            same = " ".join(f"{name} {texts.identical}" for name, texts in found.decoders.items())
            print(f"{number}/{len(todo)} {found.clip}: {same}, {found.error:.4f}, {found.seconds} s", flush=True)


def main() -> None:
    """Compare the clips that are not yet in the file ``--out``, and print the report on all results in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=200, help="number of clips, from the front of a mixed order")
    parser.add_argument("--precision", choices=tuple(VARIANTS), default="bf16")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--audio", type=Path, default=AUDIO, help="folder with MANIFEST.tsv and the recordings")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    done = {result.clip for result in read(arguments.out)}
    wanted = clips(arguments.audio)[: arguments.clips]
    if todo := [clip for clip in wanted if clip.name not in done]:
        run(todo, arguments.precision, arguments.workers, arguments.out)
    print("\n".join(report(read(arguments.out))))


if __name__ == "__main__":
    main()
