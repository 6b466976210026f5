"""Check a runtime sequence step by step: DMA descriptors, task queues and tokens in use at every point.

mlir-aie counts descriptors (AIEAssignRuntimeSequenceBDIDs.cpp@97962964): a start takes them and the await or free of
that task returns them, also across sequences. mlir-aie does not check the rest: a queue holds four tasks, and a fifth
is lost; a channel's tokens are counted, not named, so an await takes the oldest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from kernels.array.check.races import Touched, shared, touched
from kernels.array.check.transfers import violations as transfer_violations
from kernels.array.hardware import LAUNCH_ARGUMENTS, MAX_PASSES, QUEUED_TASKS, SHIM
from kernels.array.pattern import unfolded
from kernels.array.sequence import Await, Free, Sequence, Start
from kernels.array.tile import ITEM_BYTES, Tile
from kernels.array.wiring import End, Wiring
from kernels.errors import Violation


@dataclass(frozen=True, slots=True)
class SequenceUse:
    """The resources of a runtime sequence: its number of tasks, and the highest numbers in use at once.

    ``descriptors`` is the most DMA descriptors in use on one shim, ``queued`` the most tasks in the queue of one
    channel.
    """

    name: str
    tasks: int
    descriptors: int
    queued: int


def walk(wiring: Wiring) -> tuple[tuple[SequenceUse, ...], tuple[Violation, ...]]:
    """Check the sequences (launches) of a design step by step; return the resources of each, and all violations."""
    ends: dict[str, End] = {}
    for tile in wiring.design.tiles():
        if tile.kind == "shim":
            ends |= {end.fifo.name: end for end in wiring.at(tile)}
    walks = [_Walk(sequence, ends) for sequence in wiring.design.sequences]
    found = tuple(violation for walk in walks for violation in walk.violations())
    return tuple(walk.use for walk in walks), found


@dataclass(slots=True)
class _ChannelState:
    """The state of a shim channel: tasks that may still run, oldest first, and tasks whose token was not awaited."""

    queue: list[Start] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)


class _Walk:
    """A checker that goes through one sequence's steps and tracks the tasks, tokens and descriptors in use."""

    def __init__(self, sequence: Sequence, ends: dict[str, End]) -> None:
        self.sequence = sequence
        self.where = f"sequence {sequence.name}"
        self.ends = ends
        self.arguments = dict(sequence.arguments)
        self.channels: dict[str, _ChannelState] = {}
        self.descriptors: Counter[Tile] = Counter()
        self.tasks: dict[str, Start] = {}
        self.awaits = 0
        self.started_at: dict[str, int] = {}  # number of awaits before the start of a task
        self.held: set[str] = set()  # tasks whose descriptors are taken
        self.touched: dict[str, tuple[Touched, ...]] = {}  # the elements that the tasks in the queues visit
        self.use = SequenceUse(sequence.name, 0, 0, 0)

    def violations(self) -> Iterator[Violation]:
        """Yield the violations of the sequence's steps, in order; after the last one, ``use`` has the final counts.

        An object can be used only once, because the steps change its state.
        """
        count = len(self.sequence.arguments)
        if count > LAUNCH_ARGUMENTS:
            limit = f"an xclbin takes {LAUNCH_ARGUMENTS}"
            yield self._broken("arguments", f"{count} launch arguments", limit, "Put several into one buffer")
        if len(self.arguments) != count:
            yield self._broken("arguments", "two of one name", "names are unique", "Rename one")
        for step in self.sequence.steps:
            match step:
                case Start():
                    yield from self._start(step)
                case Await(task):
                    yield from self._await(task)
                case Free(task):
                    yield from self._free(task)
        yield from self._end()

    def _start(self, start: Start) -> Iterator[Violation]:
        if start.task in self.tasks:
            yield self._broken("tasks", f"{start.task} starts twice", "a name is one task", "Rename one", start)
            return
        self.tasks[start.task] = start
        end = self.ends.get(start.fifo)
        if end is None:
            limit = "tasks run on FIFOs that begin or end at a shim"
            yield self._broken("tasks", f"{start.fifo} meets no shim", limit, "Name a FIFO of the shim", start)
            return
        yield from self._task(start, end)
        yield from self._hazards(start, end)
        yield from self._resources(start, end)

    def _task(self, start: Start, end: End) -> Iterator[Violation]:
        if not 0 <= start.repeat < MAX_PASSES:
            found, limit = f"repeat {start.repeat}", f"0 to {MAX_PASSES - 1}"
            yield self._broken("repeat", found, limit, "Split the task", start)
        nbytes = 0
        for transfer in start.transfers:
            argument = self.arguments.get(transfer.argument)
            if argument is None:
                limit = f"the sequence has {', '.join(self.arguments) or 'none'}"
                yield self._broken("arguments", f"no argument {transfer.argument}", limit, "Declare it", start)
                continue
            yield from transfer_violations(self._at(start), transfer, argument, start.repeat)
            nbytes += transfer.length * ITEM_BYTES[argument.dtype] * (start.repeat + 1)
        if not start.transfers or nbytes % end.fifo.block.nbytes:
            found, limit = (
                f"{nbytes:,} bytes",
                f"whole objects of {end.fifo.name}, {end.fifo.block.nbytes:,} bytes each",
            )
            yield self._broken("length", found, limit, "Make the task whole objects", start)
        try:
            unfolded(start)
        except ValueError as error:
            yield self._broken("repeat", str(error), "a chain steps by other than its length", "Use own tasks", start)

    def _hazards(self, start: Start, end: End) -> Iterator[Violation]:
        self.touched[start.task] = own = touched(start)
        for fifo, channel in self.channels.items():
            if self.ends[fifo].direction != end.direction:
                for other in channel.queue:
                    argument = shared(own, self.touched[other.task])
                    if argument is not None:
                        reads, writes = ("reads", "write") if end.direction == "out" else ("writes", "read")
                        found = f"{reads} elements of {argument} that task {other.task} may still {writes}"
                        cure = "Await (or free) the other before, or use another region"
                        yield self._broken("hazard", found, "order holds on one channel only", cure, start)

    def _resources(self, start: Start, end: End) -> Iterator[Violation]:
        channel = self.channels.setdefault(start.fifo, _ChannelState())
        channel.queue.append(start)
        if start.token:
            channel.tokens.append(start.task)
        self.descriptors[end.tile] += len(start.transfers)
        self.held.add(start.task)
        self.started_at[start.task] = self.awaits
        used, queued = self.descriptors[end.tile], len(channel.queue)
        if used > SHIM.descriptors:
            found, limit = f"{used} descriptors of shim {end.tile} in use", f"it has {SHIM.descriptors}"
            yield self._broken("descriptors", found, limit, "Await or free tasks before", start)
        if queued > QUEUED_TASKS:
            running = ", ".join(task.task for task in channel.queue[:-1])
            found, limit = f"task {queued} on the channel of {start.fifo} ({running})", f"it queues {QUEUED_TASKS}"
            yield self._broken("task queue", found, limit, "Await or free an older one before", start)
        self.use = SequenceUse(
            self.use.name, len(self.tasks), max(self.use.descriptors, used), max(self.use.queued, queued)
        )

    def _await(self, task: str) -> Iterator[Violation]:
        start = self.tasks.get(task)
        if start is None or not start.token or start.fifo not in self.channels:
            found = "a task that was not started" if start is None else "a task without a token"
            yield self._broken("await", f"{task}: {found}", "only a token can be awaited", "Start it with token=True")
            return
        channel = self.channels[start.fifo]
        if task not in channel.tokens:
            yield self._broken("await", f"{task} is awaited twice", "it has one token", "Remove one")
            return
        if channel.tokens[0] != task:
            found = f"{task} before {channel.tokens[0]}, which is older on the same channel"
            limit = "an await takes the oldest token, and would return too early"
            yield self._broken("await", found, limit, f"Await {channel.tokens[0]} first, or start it without a token")
        channel.tokens.remove(task)
        self.awaits += 1
        self._retire(start)
        self._return(start)

    def _free(self, task: str) -> Iterator[Violation]:
        start = self.tasks.get(task)
        if start is None or task not in self.held:
            found = "was not started" if start is None else "has no descriptors any more"
            yield self._broken("free", f"{task} {found}", "a task is freed once", "Remove it")
            return
        running = start in self.channels[start.fifo].queue
        if running and self.awaits == self.started_at[task]:
            limit = "only the await of a later task shows that it has ended"
            yield self._broken("free", f"{task} may still run", limit, "Await what depends on it before")
        self._retire(start)
        self._return(start)

    def _retire(self, start: Start) -> None:
        """Remove a task that has ended, and all before it, from its queue: a channel runs its tasks in order."""
        queue = self.channels[start.fifo].queue
        if start in queue:
            for ended in queue[: queue.index(start) + 1]:
                del self.touched[ended.task]
            del queue[: queue.index(start) + 1]

    def _return(self, start: Start) -> None:
        if start.task in self.held:
            self.held.remove(start.task)
            self.descriptors[self.ends[start.fifo].tile] -= len(start.transfers)

    def _end(self) -> Iterator[Violation]:
        for fifo, channel in self.channels.items():
            if channel.queue and self.ends[fifo].direction == "in":
                found = f"{channel.queue[-1].task} may still write when the sequence ends"
                limit = "results are complete when the last task of each output is awaited"
                yield self._broken("end", found, limit, "Give it a token and await it")
            for task in channel.tokens:
                limit = "a token that stays would end a later wait too early"
                yield self._broken("end", f"{task} is never awaited", limit, "Await it, or start it without a token")
        for task in self.tasks:
            if task in self.held and not self.tasks[task].token:
                limit = "descriptors that stay are missing to the sequences that follow"
                yield self._broken("end", f"{task} is not freed", limit, f"Free {task} after the last await")

    def _at(self, start: Start) -> str:
        return f"{self.where}, task {start.task}"

    def _broken(self, name: str, found: str, limit: str, cure: str, start: Start | None = None) -> Violation:
        return Violation(self.where if start is None else self._at(start), name, found, limit, cure)
