"""The requests for one model: those that wait, those that its process works on, and what it says of them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from time import monotonic

from server.engine.contract import Observer, QueueTime
from server.engine.messages import Diarizing, Done, Failed, Known, Opened, WindowDone
from server.engine.supervisor.ticket import Ticket
from server.errors import EngineFailure

FromRequest = Known | Opened | WindowDone | Diarizing | Done | Failed


class Requests:
    """``last_used`` is when the model last had something to do, by ``monotonic``."""

    def __init__(self, model: str, observe: Observer, transcribed: Callable[[float], None]) -> None:
        self.tickets: dict[int, Ticket] = {}
        self.last_used = monotonic()
        self._model = model
        self._observe = observe
        self._transcribed = transcribed

    def add(self, ticket: Ticket) -> None:
        self.last_used = monotonic()
        self.tickets[ticket.number] = ticket

    def remove(self, ticket: Ticket) -> None:
        """Its client has what it wanted, or is gone."""
        self.last_used = monotonic()
        self.tickets.pop(ticket.number, None)

    @property
    def submitted(self) -> list[Ticket]:
        """Those that the process knows of."""
        return [ticket for ticket in self.tickets.values() if ticket.submitted]

    @property
    def waiting(self) -> list[Ticket]:
        """Those that it does not."""
        return [ticket for ticket in self.tickets.values() if not ticket.submitted]

    def handle(self, message: FromRequest) -> None:
        ticket = self.tickets.get(message.request or 0)
        if ticket is None:  # its client has left
            return
        match message:
            case Known(_, seconds):
                ticket.seconds = seconds
            case Opened():
                if (waited := ticket.opened()) is not None:
                    self._observe(QueueTime(self._model, waited))
            case WindowDone():
                self._transcribed(message.end - ticket.done)
                ticket.window(message)
            case Diarizing():
                ticket.diarizing()
            case Done(_, transcript):
                self._settle(ticket).finish(transcript)
            case Failed(_, error):
                self._settle(ticket).fail(error)

    def interrupted(self, at_work: Collection[int], how: str) -> None:
        """The process ended, and this is how; those that it worked on are tried once more at most."""
        for ticket in self.submitted:
            if not ticket.interrupted(suspect=ticket.number in at_work):
                error = EngineFailure(f"The process of model {self._model} {how} while it worked on this recording.")
                self._settle(ticket).fail(error)

    def fail_all(self, error: Exception) -> None:
        for ticket in list(self.tickets.values()):
            self._settle(ticket).fail(error)

    def _settle(self, ticket: Ticket) -> Ticket:
        """Nothing more comes of it: a process that ends now does not matter to it."""
        ticket.submitted = False
        self.remove(ticket)
        return ticket
