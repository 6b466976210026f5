"""The log on standard error: lines for people, or one JSON object per line."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Literal

CONSOLE = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
TALKATIVE = ("httpx", "httpcore", "urllib3", "numba", "matplotlib", "speechbrain")


def log_to_stderr(level: str, line_format: Literal["console", "json"] = "console") -> None:
    """Send the log of this project and of its libraries to standard error.

    Lines of the libraries in ``TALKATIVE`` are written from warnings on.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if line_format == "json" else logging.Formatter(CONSOLE))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for talkative in TALKATIVE:
        logging.getLogger(talkative).setLevel(logging.WARNING)


class JsonLines(logging.Formatter):
    """Logging formatter that writes a record as one JSON object, with the entries of its ``fields``, if any."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
