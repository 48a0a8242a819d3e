"""What the detect stage says of a history with everything in it stays what it was: made faster, it says the same numbers."""

from __future__ import annotations

import json
import math

from tests.detectors.detect_history import SAID, kept, plain, said

OF_FOLDED_NORMALS = ("_by_chance", "total_variation_low", "total_variation_high", "wasserstein_low", "wasserstein_high")
"""Fields that rest on `detectors.statistics.folded_normal`, whose sums in 32 bits are exact to 1e-6: processors add them up in orders of their own."""


def differences(now: object, before: object, path: str = "") -> list[str]:
    """Where two contents differ by more than the rounding of a sum in another order."""
    if isinstance(now, dict) and isinstance(before, dict) and now.keys() == before.keys():
        return [found for key in now for found in differences(now[key], before[key], f"{path}.{key}")]
    if isinstance(now, list) and isinstance(before, list) and len(now) == len(before):
        return [found for place, pair in enumerate(zip(now, before, strict=True)) for found in differences(*pair, f"{path}[{place}]")]
    near = 1e-6 if path.endswith(OF_FOLDED_NORMALS) else 1e-12
    if isinstance(now, float) and isinstance(before, float) and math.isclose(now, before, rel_tol=near, abs_tol=1e-12):
        return []
    return [] if now == before else [f"{path}: {now!r}, before {before!r}"]


def test_points_and_alerts_of_a_history_with_everything_in_it_are_those_that_were_said_before() -> None:
    points, alerts = said()
    before = json.loads(SAID.read_text())
    now = plain(kept(points), alerts)
    for kind in ("points", "alerts"):
        now[kind].sort(key=repr_of_place)
        before[kind].sort(key=repr_of_place)
        assert differences(now[kind], before[kind], kind)[:5] == []


def repr_of_place(item: object) -> str:
    """Points by measurement, time and tags; alerts by id and sequence."""
    return repr(item[:3] if isinstance(item, list) else (item["alert_id"], item["sequence"]) if isinstance(item, dict) else item)


def test_the_history_holds_alerts_of_all_kinds_that_open_and_resolve() -> None:
    alerts = json.loads(SAID.read_text())["alerts"]
    assert {(alert["model"], alert["kind"]) for alert in alerts} == {(model, kind) for model in ("loans", "prices") for kind in ("drift", "performance", "quality")}
    assert {alert["status"] for alert in alerts} == {"opened", "updated", "resolved"}
    named = {monitor["name"] for alert in alerts for monitor in alert["monitors"]}
    assert named >= {"feature:even", "feature:zeros", "feature:constant", "feature:city", "error_rate", "loss", "missing:even", "unseen:city", "out_of_range:skewed"}
