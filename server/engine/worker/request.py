"""A request in a worker process, from its submission to its end."""

from __future__ import annotations

from server.engine.messages import Submit
from server.pipeline.session import Session
from server.pipeline.stages.decode import claimed_seconds

SHORT_SECONDS = 60.0
SHORT_BYTES = 480_000  # SHORT_SECONDS at 64 kbit/s, for files without a length, as browsers write them


class Request:
    """A submitted request and its state in the worker.

    ``probed``: the length that the file claims was looked up. ``urgent``: the request is interactive or short, so it
    goes first. ``read_whole``: all windows were cut. ``undelivered`` counts windows cut and not delivered yet.
    """

    def __init__(self, submit: Submit) -> None:
        self.id = submit.request
        self.submit = submit
        self.seconds: float | None = None
        self.urgent = submit.interactive
        self.probed = self.read_whole = False
        self.undelivered = 0
        self._session: Session | None = None

    @property
    def diarize(self) -> bool:
        """True if the request asks for speaker labels."""
        return self.submit.options.diarize is not None

    def probe(self) -> None:
        """Look up the length that the file claims, in seconds, and decide from it whether the request is urgent."""
        path = self.submit.path
        self.seconds = claimed_seconds(path, self.submit.options.audio)
        short = path.stat().st_size <= SHORT_BYTES if self.seconds is None else self.seconds <= SHORT_SECONDS
        self.urgent = self.urgent or short
        self.probed = True

    def begin(self, session: Session) -> None:
        """Store the session that was opened for this request, which begins it."""
        self._session = session

    @property
    def begun(self) -> bool:
        """True once a session was opened for the request, so that its audio is being or has been read."""
        return self._session is not None

    @property
    def session(self) -> Session:
        """The open session, which transcribes the request's file; the request must have begun."""
        assert self._session, "a request begins before it is computed"  # noqa: S101
        return self._session

    def close(self) -> None:
        """Close the request's session, and with it the audio file, if one was opened."""
        if self._session:
            self._session.close()
