"""An alert in one sentence, from its evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence

from detectors.monitors.silence import SILENT
from detectors.monitors.stale_columns import STALE
from detectors.monitors.traffic import TRAFFIC_MONITOR
from detectors.rfc3339 import format_time
from detectors.verdict import Evidence


def summary_of(model: str, monitors: Sequence[Evidence], change_at: int, *, more: int = 0) -> str:
    """One sentence that names the strongest change, how sure it is, and when it began; ``more`` monitors changed that are not given."""
    first, more = monitors[0], len(monitors) - 1 + more
    others = f", and {more} more" if more else ""
    if first.basis.get("detector") == SILENT:
        known = "as the monitor states" if first.basis.get("stated_minutes") is not None else f"n {first.n_reference:,.0f} pauses before"
        return f"{model}: no predictions for {first.value:.4g} minutes (told after {first.threshold:.4g}, {known}){others}, since {format_time(change_at)}"
    if first.basis.get("detector") == STALE:
        known = "as the monitor states" if first.basis.get("stated_minutes") is not None else f"n {first.n_reference:,.0f} changes before"
        return f"{model}: {first.name} without a change for {first.value:.4g} minutes (told after {first.threshold:.4g}, {known}){others}, since {format_time(change_at)}"
    low, high = first.effect.interval
    if first.basis.get("detector") == TRAFFIC_MONITOR:
        times, least, most, floor = (math.exp(one) for one in (first.effect.value, low, high, first.effect.floor))
        counted = f"n {first.n_current:,.0f} panes against {first.n_reference:,.0f}"
        return f"{model}: traffic is {times:.3g} times what is usual (95 % {least:.3g} to {most:.3g}, floor {floor:.3g}, {counted}){others}, since about {format_time(change_at)}"
    change = "became constant" if first.effect.value == -math.inf else f"changed by {first.effect.value:+.3g}"  # a ratio of deviations of which one is 0
    interval = "" if math.isinf(low) else f"; 95 % {low:+.3g} to {high:+.3g}"
    return (
        f"{model}: {first.name} {change} ({first.effect.name}{interval}, floor {first.effect.floor:.3g}, "
        f"n {first.n_current:,.0f} against {first.n_reference:,.0f}){others}, since about {format_time(change_at)}"
    )
