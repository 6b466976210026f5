"""One request as the scheduler sees it."""

from __future__ import annotations

from server.engine.messages import Submit
from server.pipeline.batches import Work
from server.pipeline.session import Session
from server.pipeline.stages.decode import claimed_seconds

SHORT_SECONDS = 60.0
SHORT_BYTES = 480_000  # the same at 64 kbit/s, for files that do not say how long they are: browsers write such


class Request:
    """``urgent`` ones, interactive or short, go first; ``undelivered`` counts windows cut and not delivered yet."""

    def __init__(self, submit: Submit, session: Session) -> None:
        self.id = submit.request
        self.path = submit.path
        self.session = session
        self.solo = submit.solo
        self.diarize = submit.options.diarize is not None
        self.seconds: float | None = None
        self.urgent = submit.interactive
        self.probed = self.opened = self.read_whole = self.over = False
        self.undelivered = 0

    def probe(self) -> None:
        """Look at how long the file claims to be."""
        self.seconds = claimed_seconds(self.path)
        short = self.path.stat().st_size <= SHORT_BYTES if self.seconds is None else self.seconds <= SHORT_SECONDS
        self.urgent = self.urgent or short
        self.probed = True

    def encoder_key(self) -> object:
        """Equal for requests whose windows may share an encoder batch."""
        return self.id if self.solo else None


class Item:
    """A window in the queues."""

    __slots__ = ("request", "work")

    def __init__(self, request: Request, work: Work) -> None:
        self.request = request
        self.work = work

    def encoder_key(self) -> object:
        return self.request.encoder_key()

    def decoder_key(self) -> object:
        return self.request.encoder_key(), self.work.alike
