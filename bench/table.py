"""Every row of the bench, in the order of its table."""

from __future__ import annotations

from bench import chart_row, core_rows, fleet_row, join_rows, live_rows, peer_rows, publisher_rows, replay_rows, restart_row, sink_row, stream_rows, two_workers_row
from bench.figure import Row

ROWS: tuple[Row, ...] = (
    *stream_rows.ROWS,
    *peer_rows.ROWS,
    *core_rows.ROWS,
    *join_rows.ROWS,
    *fleet_row.ROWS,
    *publisher_rows.ROWS,
    *live_rows.ROWS,
    *chart_row.ROWS,
    *restart_row.ROWS,
    *two_workers_row.ROWS,
    *replay_rows.ROWS,
    *sink_row.ROWS,
)
