"""The steps of a runtime sequence for each op of an encoder: the transfers of each shim channel, and waits for them.

Every op starts with its command, the first A object of each core. Row blocks pass in groups of four, one for each core
row. A group's tasks are queued while at most ``IN_FLIGHT`` groups are unfinished, so that neither a channel's queue of
four tasks nor a shim's sixteen descriptors are overrun. An op ends when all of its results are in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from kernels.array.sequence import Await, Free, Start, Step, Transfer
from kernels.encoder.overlay import rows_of
from kernels.encoder.regions import BLOCK, ROWS, Matrix, Residual, RowBlocks, transfer

IN_FLIGHT = 2
GROUP = ROWS * BLOCK  # elements of one column block of a group
ROW_SCALES = 64  # float32, at the start of a block of scales
COMMANDS, WEIGHTS = "commands", "weights"


@dataclass(frozen=True, slots=True)
class Weights:
    """The place and size of a packed weight matrix in the launch argument ``weights``, from element ``offset`` on.

    Each array column has its table of biases, then its blocks, those of the inner dimension K fastest.
    """

    offset: int
    tiles: int  # column tiles of 64 for each column of the array
    steps: int  # blocks of K
    table_objects: int

    @property
    def per_column(self) -> int:
        """The number of bf16 elements for each column of the array."""
        return (self.table_objects + self.tiles * self.steps) * BLOCK


class Steps:
    """A builder of a runtime sequence: each op's method appends the op's steps to ``steps``.

    ``ops`` has, for each op, the number of its command and that of its first step.
    """

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.steps: list[Step] = []
        self.ops: list[tuple[int, int]] = []
        self._count = 0

    def matmul(
        self,
        command: int,
        sources: tuple[Matrix, ...],
        weights: Weights,
        out: Matrix | RowBlocks,
        first: int = 0,
        scales: Matrix | None = None,
    ) -> None:
        """Append the steps of the product out[:, first * 64 ...] = sources (side by side in K) @ weights.

        ``command`` is the number of the op's command. Each group of rows uses all weights. ``scales`` are the scales of
        the rows of int8 sources: an object in front of each group.
        """
        groups = sources[0].groups
        kept = [] if scales else self._command(command)
        if scales:
            self.ops.append((command, len(self.steps)))
        for col in range(self.columns):
            kept += self._weights(col, weights, groups)

        def start(group: int) -> None:
            for col in range(self.columns):
                self._tiles(col, out, group, first, weights.tiles)
                if scales:  # the command is part of the first task: a fifth task would not fit the queue
                    ahead = () if group else (self._command_object(col, command),)
                    self._start(f"a_in{col}", *ahead, self._panel(col, scales, group, 1))
                panel = tuple(self._panel(col, source, group, weights.steps // len(sources)) for source in sources)
                self._start(f"a_in{col}", *panel, repeat=weights.tiles - 1)

        self._groups(groups, start)
        self._free(kept)

    def attention(self, command: int, qkv: RowBlocks, out: Matrix, heads: int, key_tiles: int) -> None:
        """Append the steps of out = softmax(Q K^T) V for ``heads`` heads, as many at once as the array has columns.

        ``command`` is the number of the op's command. ``qkv`` holds the column blocks of every head's Q, then K and V
        of each head in turn.
        """
        kept = self._command(command)

        def start(first: int) -> None:
            for col in range(self.columns):
                head = first * self.columns + col
                context = transfer(out.argument, out.at(0, head), (out.groups, out.width * GROUP), run=GROUP)
                self._start(f"c_out{col}", context, token=True)
                self._queries(col, qkv, first * self.columns)
                keys = (key_tiles, qkv.width * BLOCK)
                pairs = transfer(qkv.argument, qkv.at(0, heads + 2 * head), keys, run=2 * BLOCK)
                self._start(f"b_in{col}", pairs, repeat=qkv.groups - 1)

        self._groups(heads // self.columns, start)
        self._free(kept)

    def rows(self, command: int, x: Residual, y: Matrix, total: Residual, norm: Matrix) -> None:
        """Append the steps of total = x + y and norm = layer norm of total.

        ``command`` is the number of the op's command. ``total`` must not overlap ``x``, which is read twice.
        """
        kept = self._command(command)
        part = BLOCK // self.columns  # one core's rows of a block
        passes = x.width // self.columns  # a C object holds these rows of ``columns`` blocks

        def start(group: int) -> None:
            for col in range(self.columns):
                planes = (
                    self._parts(total.argument, total.at(group, 0, plane) + col * part, 2 * GROUP, passes)
                    for plane in range(2)
                )
                self._start(f"c_out{col}", *planes, repeat=passes - 1)
                out = self._parts(norm.argument, norm.at(group) + col * part, GROUP, passes)
                self._start(f"c_out{col}", out, repeat=passes - 1, token=True)
                rows = rows_of(col, self.columns)
                both = (2 * x.width, GROUP)
                start_x = x.at(group, 0, 0, rows.start)
                self._start(f"a_in{col}", transfer(x.argument, start_x, both, run=len(rows) * BLOCK), repeat=1)
                added = transfer(y.argument, y.at(group) + col * part, (y.width, GROUP), (ROWS, BLOCK), run=part)
                self._start(f"b_in{col}", added, repeat=1)

        self._groups(x.groups, start)
        self._free(kept)

    def quantise(self, command: int, source: Matrix, steps: int, out: Matrix, scales: Matrix) -> None:
        """Append the steps that quantise the first ``steps`` column blocks of ``source`` to int8 in ``out``.

        ``scales`` receives the scales of the rows. Rows pass twice, the second time filled up to whole objects of eight
        blocks with blocks that are never read. The array's columns interleave their output in ``scales``, four blocks
        wide, so that all 64 scales of a row block are at the start of its first block; the rest is waste. ``command``
        is the number of the op's command.
        """
        kept = self._command(command)
        part, objects = BLOCK // self.columns, out.width // 4
        run = 2 * ROW_SCALES // self.columns  # the scales of one core's rows, then the rest of its object
        spread = ((scales.width, GROUP), (BLOCK // run // self.columns, run * self.columns))

        def start(group: int) -> None:
            for col in range(self.columns):
                at = scales.at(group) + col * run
                kept_scales = transfer(scales.argument, at, *spread, run=run, iteration=(ROWS, BLOCK))
                self._start(f"c_out{col}", kept_scales, repeat=ROWS - 1)
                packed = self._parts(out.argument, out.at(group) + col * part, GROUP, objects)
                self._start(f"c_out{col}", packed, repeat=objects - 1, token=True)
                panel = self._panel(col, source, group, steps)
                filling = self._panel(col, source, group, 8 * objects - steps) if 8 * objects > steps else None
                self._start(f"a_in{col}", panel, panel, *([filling] if filling else []))

        self._groups(source.groups, start)
        self._free(kept)

    def _command(self, command: int) -> list[str]:
        """Append the tasks that send command number ``command`` of the plan to the cores; return their names."""
        self.ops.append((command, len(self.steps)))
        return [self._start(f"a_in{col}", self._command_object(col, command)) for col in range(self.columns)]

    def _command_object(self, col: int, command: int) -> Transfer:
        return transfer(COMMANDS, command * GROUP, run=len(rows_of(col, self.columns)) * BLOCK)

    def _weights(self, col: int, weights: Weights, passes: int) -> list[str]:
        at, table = weights.offset + col * weights.per_column, weights.table_objects * BLOCK
        blocks = Transfer(WEIGHTS, at + table, weights.per_column - table)
        tables = [self._start(f"b_in{col}", Transfer(WEIGHTS, at, table))] if table else []
        return [*tables, self._start(f"b_in{col}", blocks, repeat=passes - 1)]

    def _panel(self, col: int, source: Matrix, group: int, steps: int) -> Transfer:
        rows = rows_of(col, self.columns)
        at = source.at(group, 0, rows.start)
        return transfer(source.argument, at, (steps, GROUP), run=len(rows) * BLOCK)

    def _tiles(self, col: int, out: Matrix | RowBlocks, group: int, first: int, tiles: int) -> None:
        """Append the output task of a group: tile t of array column col is column block first + t * columns + col."""
        if isinstance(out, Matrix):
            at = out.at(group, first + col)
            tile = transfer(out.argument, at, (tiles, self.columns * GROUP), run=GROUP)
            self._start(f"c_out{col}", tile, token=True)
            return
        at = out.at(group * ROWS, first + col)
        step = (tiles, self.columns * BLOCK)
        tile = transfer(out.argument, at, (ROWS, out.width * BLOCK), run=BLOCK, iteration=step)
        self._start(f"c_out{col}", tile, repeat=tiles - 1, token=True)

    def _queries(self, col: int, qkv: RowBlocks, head: int) -> None:
        """Append the input task of Q for the next ``columns`` heads: every core gets all of them and keeps one."""
        rows = rows_of(col, self.columns)
        tiles = (qkv.groups, ROWS * qkv.width * BLOCK)
        if len(rows) == 1:
            run = self.columns * BLOCK
            queries = [transfer(qkv.argument, qkv.at(rows.start, head), run=run, iteration=tiles)]
        else:
            below = (len(rows), qkv.width * BLOCK)
            queries = [
                transfer(qkv.argument, qkv.at(rows.start, head + i), below, run=BLOCK, iteration=tiles)
                for i in range(self.columns)
            ]
        self._start(f"a_in{col}", *queries, repeat=qkv.groups - 1)

    def _parts(self, argument: str, offset: int, stride: int, passes: int) -> Transfer:
        """Return the transfer of one core column's rows of four row blocks: ``columns`` column blocks for each pass."""
        part, columns = BLOCK // self.columns, self.columns
        step = (passes, columns * stride)
        return transfer(argument, offset, (ROWS, BLOCK), (columns, stride), run=part, iteration=step)

    def _groups(self, groups: int, start: Callable[[int], None]) -> None:
        """Call ``start`` for each group, and append awaits that keep ``IN_FLIGHT`` groups at most unfinished."""
        running: deque[list[Start]] = deque()
        for group in range(groups):
            if len(running) == IN_FLIGHT:
                self._end(running.popleft())
            before = len(self.steps)
            start(group)
            running.append([step for step in self.steps[before:] if isinstance(step, Start)])
        for tasks in running:
            self._end(tasks)

    def _end(self, tasks: list[Start]) -> None:
        self.steps += [Await(task.task) for task in tasks if task.token]
        self._free([task.task for task in tasks if not task.token])

    def _free(self, tasks: list[str]) -> None:
        self.steps += map(Free, tasks)

    def _start(self, fifo: str, *transfers: Transfer, repeat: int = 0, token: bool = False) -> str:
        self._count += 1
        name = f"t{self._count}"
        self.steps.append(Start(name, fifo, tuple(transfers), repeat, token))
        return name
