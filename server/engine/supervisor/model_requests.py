"""The requests for one model: those that wait for its worker process, and those that the process works on."""

from __future__ import annotations

from collections.abc import Callable, Collection
from time import monotonic

from server.engine.contract import Observer, QueueTime
from server.engine.messages import Diarizing, Done, DurationKnown, Failed, Started, WindowDone
from server.engine.supervisor.ticket import Ticket
from server.errors import EngineFailure

FromRequest = DurationKnown | Started | WindowDone | Diarizing | Done | Failed


class ModelRequests:
    """The requests for one model, as tickets by number.

    ``last_used`` is the time of the latest activity, by ``monotonic``. ``transcribed`` is called with the seconds of
    audio of each window that is done.
    """

    def __init__(self, model: str, observe: Observer, transcribed: Callable[[float], None]) -> None:
        self.tickets: dict[int, Ticket] = {}
        self.last_used = monotonic()
        self._model = model
        self._observe = observe
        self._transcribed = transcribed

    def add(self, ticket: Ticket) -> None:
        """Add a request; it waits until it is submitted to the worker process."""
        self.last_used = monotonic()
        self.tickets[ticket.number] = ticket

    def remove(self, ticket: Ticket) -> None:
        """Forget a request whose client has its answer or has left."""
        self.last_used = monotonic()
        self.tickets.pop(ticket.number, None)

    @property
    def submitted(self) -> list[Ticket]:
        """The requests that were sent to the worker process."""
        return [ticket for ticket in self.tickets.values() if ticket.submitted]

    @property
    def waiting(self) -> list[Ticket]:
        """The requests that were not sent to the worker process yet."""
        return [ticket for ticket in self.tickets.values() if not ticket.submitted]

    def handle(self, message: FromRequest) -> None:
        """Apply a message of the worker process to the request that it is about; a request that is gone is ignored."""
        ticket = self.tickets.get(message.request or 0)
        if ticket is None:  # its client has left
            return
        match message:
            case DurationKnown(_, seconds):
                ticket.seconds = seconds
            case Started():
                if (waited := ticket.started()) is not None:
                    self._observe(QueueTime(self._model, waited))
            case WindowDone():
                self._transcribed(message.end - ticket.done)
                ticket.window(message)
            case Diarizing():
                ticket.diarizing()
            case Done(_, transcript):
                self._end(ticket).finish(transcript)
            case Failed(_, error):
                self._end(ticket).fail(error)

    def interrupted(self, at_work: Collection[int], how: str) -> None:
        """Let the submitted requests wait for another worker process, because theirs has ended.

        A request of ``at_work``, which the process was working on, fails if that was its last attempt. ``how`` says how
        the process ended, for the error.
        """
        for ticket in self.submitted:
            if not ticket.interrupted(suspect=ticket.number in at_work):
                error = EngineFailure(f"The process of model {self._model} {how} while it worked on this recording.")
                self._end(ticket).fail(error)

    def fail_all(self, error: Exception) -> None:
        """Fail every request for this model with the same error."""
        for ticket in list(self.tickets.values()):
            self._end(ticket).fail(error)

    def _end(self, ticket: Ticket) -> Ticket:
        """Forget a request and return it for its last event, so that a later end of the process does not affect it."""
        ticket.submitted = False
        self.remove(ticket)
        return ticket
