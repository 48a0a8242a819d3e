"""Quality of the inputs: missing, out-of-range and unseen rates, from a summary vector or a sum of several."""

from __future__ import annotations

from detectors.event_batch import Float64
from detectors.layout import Layout
from detectors.metric import Metric, rate


def quality(layout: Layout, vector: Float64) -> tuple[Metric, ...]:
    """``missing:NAME`` for each watched feature, ``unseen:NAME`` for a categorical one, ``out_of_range:NAME`` where a range is declared.

    ``missing`` is a share of all rows; the others are shares of the rows that have a value.
    """
    metrics: list[Metric] = []
    for name, profile in layout.columns.items():
        counts = vector[layout.blocks[f"feature:{name}"]]
        if profile.kind == "numeric":
            present, missing, flagged = float(counts[:-2].sum()), float(counts[-2]), float(counts[-1])
            feature = layout.specification.features[name]
            watched, kind = feature.minimum is not None or feature.maximum is not None, "out_of_range"
        else:
            present, missing, flagged = float(counts[:-1].sum()), float(counts[-1]), float(counts[-2])
            watched, kind = True, "unseen"
        metrics.append(rate(f"missing:{name}", missing, present + missing))
        if watched:
            metrics.append(rate(f"{kind}:{name}", flagged, present))
    return tuple(metrics)
