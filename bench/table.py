"""Every row of the bench, in the order of its table."""

from __future__ import annotations

from bench import core_rows, join_rows, publisher_rows, replay_rows, stream_rows
from bench.figure import Row

ROWS: tuple[Row, ...] = (*stream_rows.ROWS, *core_rows.ROWS, *join_rows.ROWS, *publisher_rows.ROWS, *replay_rows.ROWS)
