"""Write the measured half of the model card: ``python -m training.card`` copies metrics.json into MODEL_CARD.md.

Only this module writes the text between the two markers, so card and measurement cannot disagree.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from training import metrics

BEGIN, END = "<!-- measured -->\n", "<!-- end of measured -->\n"


def render(measured: dict[str, Any]) -> str:
    """Return training effort, word error rates and word times as Markdown."""
    return "\n".join([*_training(measured["training"]), *_words(measured["word_error_rate"]),
                      *_times(measured["word_times"])])  # fmt: skip


def _training(part: dict[str, Any]) -> list[str]:
    effort = f"for {part['trained_hours']} h on a shared 2-core CPU: {part['steps']:,} steps"
    size = f"{part['audio_hours']} h of varied audio, {part['parameters']:,} parameters"
    return [f"Trained {part['date']} {effort} over {size}.", ""]


def _words(part: dict[str, Any]) -> list[str]:
    rows = [
        f"| {name} | {found['clips']} | {found['words']} | {found['wer']:.1%} | {found['cer']:.1%} | {_goal(found)} |"
        for name, found in part["sets"].items()
    ]
    return [
        f"Word and character error rates, measured {part['measured']} with {part['decoder']}:",
        "",
        "| never-trained material | clips | words | WER | CER | goal (WER) |",
        "|---|---:|---:|---:|---:|---|",
        *rows,
        "",
    ]


def _goal(found: dict[str, Any]) -> str:
    if found["goal"] is None:
        return "none"
    return f"{found['goal']:.0%}, {'met' if found['wer'] <= found['goal'] else 'missed'}"


def _times(part: dict[str, Any]) -> list[str]:
    goal = f"the goal on LibriVox is a median absolute error of at most {1000 * part['goal']:.0f} ms"
    rows = [
        f"| {name} | {edge} | {q['words']} | {1000 * q['median_absolute']:.0f} ms | {1000 * q['mean_absolute']:.0f} ms "
        f"| {1000 * q['median_signed']:+.0f} ms | {q['within_50_ms']:.0%} | {q['within_100_ms']:.0%} |"
        for name, edges in part["sets"].items()
        for edge, q in edges.items()
    ]
    return [
        f"Word times by the CTC head, measured {part['measured']}; {goal}:",
        "",
        "| speech | edge | words | median abs. | mean abs. | median | within 50 ms | within 100 ms |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
        *rows,
        "",
    ]


def inserted(card: str, measured: str) -> str:
    """Return the card with its measured half replaced. Raises ValueError if a marker is missing."""
    before, begin, rest = card.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the card needs the lines {BEGIN.strip()!r} and {END.strip()!r}")
    return f"{before}{BEGIN}{measured}{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/demo"))
    folder = parser.parse_args().model
    card = folder / "MODEL_CARD.md"
    text = inserted(card.read_text(encoding="utf-8"), render(metrics.read(folder / "metrics.json")))
    card.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
