"""Quality of the inputs: missing, out-of-range and unseen rates, from a summary vector or a sum of several."""

from __future__ import annotations

import numpy as np

from detectors.columns.other_levels import unseen_reference
from detectors.event_batch import Float64
from detectors.metric import Metric
from detectors.panes.layout import Layout
from detectors.statistics.intervals import metrics_of, rates
from detectors.statistics.sampling import effective_rate


def quality(layout: Layout, vector: Float64) -> tuple[Metric, ...]:
    """``missing:NAME`` for each watched feature, ``unseen:NAME`` for a categorical one with a reference or declared categories, ``out_of_range:NAME`` where a range is declared.

    ``missing`` is a share of all rows; the others are shares of the rows that have a value. Where they are asked for, ``type:NAME``, ``undeclared:`` and ``anomalous:`` (of no
    feature) are shares of all rows, too.
    """
    names, shares = _shares(layout, vector)
    if not names:
        return ()
    worth = np.array(shares).T
    if layout.weighs:
        worth = np.array(effective_rate(*worth, *np.array(_shares(layout, layout.squares(vector))[1]).T))
    return metrics_of(tuple(names), rates(*worth))


def _shares(layout: Layout, vector: Float64) -> tuple[list[str], list[tuple[float, float]]]:
    """Names of the rates, and the hits and rows of each; of half a vector where events are weighed."""
    names, shares = _irregular(layout, vector)
    _add_expected(layout, vector, names, shares)
    if not layout.columns:
        return names, shares
    blocks = [layout.blocks[f"feature:{name}"] for name in layout.columns]
    bounds = [bound for block in blocks for bound in (block.start, block.stop - 2, block.stop - 1)]
    counted = np.add.reduceat(vector[: blocks[-1].stop], bounds).reshape(-1, 3).tolist()
    for (name, profile), (valued, last_but_one, last) in zip(layout.columns.items(), counted, strict=True):
        if profile.kind == "numeric":
            present, missing, flagged = valued, last_but_one, last
            watched, kind = layout.features[name].has_range, "out_of_range"
        else:
            present, missing, flagged = valued + last_but_one, last, last_but_one
            watched, kind = layout.features[name].categories is None and unseen_reference(profile) is not None, "unseen"
        names.append(f"missing:{name}")
        shares.append((missing, present + missing))
        if watched:
            names.append(f"{kind}:{name}")
            shares.append((flagged, present))
    return names, shares


def _add_expected(layout: Layout, vector: Float64, names: list[str], shares: list[tuple[float, float]]) -> None:
    """What is missing of columns without a profile, and what breaks a range or categories that were declared."""
    if not layout.expected:
        return
    counted = vector[layout.blocks["expected"]].reshape(len(layout.expected), -1).tolist()
    for (name, feature), (values, missing, broken) in zip(layout.expected.items(), counted, strict=True):
        if name not in layout.columns:
            names.append(f"missing:{name}")
            shares.append((missing, values + missing))
        if feature.has_range or feature.categories is not None:
            names.append(f"{'unseen' if feature.categories is not None else 'out_of_range'}:{name}")
            shares.append((broken, values))


def _irregular(layout: Layout, vector: Float64) -> tuple[list[str], list[tuple[float, float]]]:
    """Values of another type, events with columns that nobody declared, and strange events."""
    quality, found = layout.specification.quality, {}
    if quality.forgives:
        block = vector[layout.blocks["irregular"]]
        if "type" in quality.monitors:
            found = {f"type:{name}": (float(block[1 + place]), float(block[0])) for place, name in enumerate(layout.specification.features)}
        if "schema" in quality.monitors:
            found["undeclared:"] = (float(block[1 + len(layout.specification.features)]), float(block[0]))
    if "anomalies" in quality.monitors:
        events, strange = vector[layout.blocks["anomalies"]].tolist()
        found["anomalous:"] = (strange, events)
    return [*found], [*found.values()]
