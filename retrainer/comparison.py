"""Two versions side by side: what differs in their rows, parameters, figures, code and environment, and what is the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectors.rfc3339 import format_time
from retrainer.model_card import ON_TRAINING_ROWS
from retrainer.versions import Version

TRAINING_ROWS = "training rows"
RESTS_ON = dict.fromkeys(ON_TRAINING_ROWS, TRAINING_ROWS) | dict.fromkeys(("difference", "interval", "wealth", "steadiness", "wealth_against", "worse_lately"), "labels")
"""What says how many rows a figure rests on, and is told where the figure differs, be it the same."""

SECTIONS = ("training", "parameters", "metrics", "verdict", "code and environment", "packages")


def comparison(first: Sequence[Version], second: Sequence[Version]) -> dict[str, Any]:
    """What two versions have in common, and what not.

    Parameters
    ----------
    first, second : records of each version, in the order of their topic; at least one each.

    Returns
    -------
    ``a`` and ``b`` (names), ``same_artifact``, ``rows`` (shared offsets of their training sets), and ``differences``: section to key to the two values, None where one has none;
    with a figure that differs go the rows that it rests on, be they as many.

    Examples
    --------
    >>> one = Version(model="churn", version="1", status="registered", at=0, parameters={"depth": 3, "seed": 0}, trained_on={"offsets": {"0": [10, 19]}})
    >>> two = Version(model="churn", version="2", status="registered", at=0, parameters={"depth": 4, "seed": 0}, trained_on={"offsets": {"0": [15, 30]}})
    >>> told = comparison([one], [two])
    >>> told["differences"]["parameters"], told["rows"]
    ({'depth': [3, 4]}, {'shared_offsets': 5, 'of_a': 10, 'of_b': 16})
    """
    sides = [_sections(records) for records in (first, second)]
    differences = {section: _different(sides[0][section], sides[1][section]) for section in SECTIONS}
    of = [records[0].trained_on.get("offsets", {}) for records in (first, second)]
    same_topic = first[0].trained_on.get("topic") == second[0].trained_on.get("topic")
    return {
        "a": f"{first[0].model}@{first[0].version}",
        "b": f"{second[0].model}@{second[0].version}",
        "same_artifact": bool(first[-1].digest) and first[-1].digest == second[-1].digest,
        "rows": {"shared_offsets": _shared(*of) if same_topic else 0, "of_a": _count(of[0]), "of_b": _count(of[1])},
        "differences": {section: values for section, values in differences.items() if values},
    }


def _sections(records: Sequence[Version]) -> dict[str, dict[str, Any]]:
    first, last = records[0], records[-1]
    environment = {key: value for key, value in first.provenance.items() if key != "packages"}
    return {
        "training": {
            "at": format_time(first.at),
            "cause": first.cause,
            "parent": first.parent,
            "rows": first.trained_on.get("rows"),
            "rows' digest": first.trained_on.get("digest"),
        },
        "parameters": first.parameters,
        "metrics": first.metrics | ({TRAINING_ROWS: first.trained_on.get("rows")} if first.metrics.keys() & ON_TRAINING_ROWS else {}),
        "verdict": {"status": last.status.replace("_", " "), "at": format_time(last.at), "by": last.by, "digest": last.digest}
        | {key: value for key, value in last.gate.items() if key not in {"cause", "slot", "cut", "judged_after", "middle", "scale", "with_earlier"}},
        "code and environment": environment,
        "packages": first.provenance.get("packages", {}),
    }


def _different(one: dict[str, Any], other: dict[str, Any]) -> dict[str, list[Any]]:
    found = {key: [one.get(key), other.get(key)] for key in [*one, *(key for key in other if key not in one)] if one.get(key) != other.get(key)}
    rest_on = {RESTS_ON[key] for key in found if key in RESTS_ON}
    return found | {key: [one.get(key), other.get(key)] for key in sorted(rest_on - found.keys()) if key in one or key in other}


def _shared(one: dict[str, list[int]], other: dict[str, list[int]]) -> int:
    return sum(max(0, min(one[part][1], other[part][1]) - max(one[part][0], other[part][0]) + 1) for part in one if part in other)


def _count(offsets: dict[str, list[int]]) -> int:
    return sum(last - first + 1 for first, last in offsets.values())
