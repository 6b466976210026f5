"""The measured half of the heads' model card, copied from metrics.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training import metrics
from training.card import inserted


def write_card(folder: Path) -> None:
    """Write the figures of ``folder``/metrics.json into ``folder``/MODEL_CARD.md."""
    card = folder / "MODEL_CARD.md"
    text = inserted(card.read_text(encoding="utf-8"), render(metrics.read(folder / "metrics.json")))
    card.write_text(text, encoding="utf-8")


def render(measured: dict[str, Any]) -> str:
    """Return the errors of all heads as a Markdown table."""
    rows = [
        f"| {name} | {truth} | {edge} | {q['edges']} | {1000 * q['median']:.0f} ms "
        f"| {1000 * q['percentile_95']:.0f} ms | {1000 * q['bias']:+.0f} ms |"
        for name, part in sorted(measured.items())
        for truth, edges in part["sets"].items()
        for edge, q in edges.items()
    ]
    dates = ", ".join(f"{name} {part['measured']}" for name, part in sorted(measured.items()))
    head = [
        "| head | speech | edge | edges | median abs. | 95th percentile | median |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    return "\n".join([f"Measured: {dates}.", "", *head, *rows, "", ""])
