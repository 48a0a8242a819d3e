"""Whether a challenger was trained on rows that can be trusted, and answers to the same names as what serves: checks of `checks`, made when it is trained.

They compare with what is recorded of the champion's training. A world of which one column always told the label, or that always lacked values, is no fault of the challenger's;
what a champion from elsewhere was trained on is not known, and what cannot be compared blocks nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from detectors.columns.class_names import class_names
from detectors.event_batch import Column
from detectors.specification import MonitorSpecification
from retrainer.checks import Check, State, proven_worse
from retrainer.trainers import Model
from retrainer.training_set import TrainingSet, is_missing
from retrainer.versions import Version


def training_of(champion: str, records: Sequence[Version]) -> Mapping[str, Any]:
    """``trained_on`` of a version's last training; {} where nothing is known of it."""
    return next((record.trained_on for record in reversed(records) if record.version == champion and "features" in record.trained_on), {})


def training_checks(chosen: TrainingSet, model: Model, *, target: int, champion: Mapping[str, Any], specification: MonitorSpecification) -> tuple[Check, ...]:
    """Checks of a training set, and of the model that came of it.

    Parameters
    ----------
    chosen : rows that the model was fitted on.
    target : labelled rows at which the cause asked for a training.
    champion : what `training_of` tells of the version in service.
    """
    answers = model.predict(chosen.examples.features)
    found = (
        _rows(chosen, target),
        _leakage(chosen, champion),
        _missing(chosen, champion, specification),
        _features(chosen, champion, specification),
        *(() if specification.task == "regression" else (_class_rows(chosen, champion, specification), _answers(chosen, answers, champion, specification))),
    )
    return tuple(check for check in found if check is not None)


def _rows(chosen: TrainingSet, target: int) -> Check:
    """No more rows left out than kept, of those that a cause waited for."""
    n, asked = len(chosen.examples), min(target, chosen.selection.rows)
    state: State = "failed" if 2 * n < asked else "passed"
    why = f"; {chosen.warnings[0]}" if state == "failed" and chosen.warnings else ""
    return Check(name="training rows", state=state, value=n, limit=asked, n=n, reason=f"training rows: {n} of {asked} that the cause asked for{why}")


def _leakage(chosen: TrainingSet, champion: Mapping[str, Any]) -> Check | None:
    """A column that alone tells the label, where none did when the champion was trained."""
    n, names = len(chosen.examples), ", ".join(chosen.told_by)
    if not names:
        return None
    before = champion.get("told_by")
    state: State = "insufficient" if before is None else "passed" if before else "failed"
    told = {
        "failed": "no column did in the champion's: is it known before the label?",
        "passed": f"as {', '.join(before or ())} did in the champion's",
        "insufficient": "whether a column did in the champion's is not known",
    }[state]
    reason = f"training leakage: {names} alone tells the label of all {n} training rows; {told}"
    return Check(name="training leakage", state=state, value=len(chosen.told_by), limit=0, n=n, reason=reason)


def _missing(chosen: TrainingSet, champion: Mapping[str, Any], specification: MonitorSpecification) -> Check | None:
    """In no column proven more values missing than the champion's training rows lacked, by more than the margin; the columns share alpha."""
    gate, n = specification.retrain.gate, len(chosen.examples)
    known = _expected_missing(chosen, champion, specification)
    if not known:
        return None
    worst, rise, state = "", -1.0, "insufficient"
    states: list[State] = []
    for name, expected in known.items():
        excess = is_missing(chosen.examples.features[name]) - expected
        states.append(proven_worse(excess, gate.missing_margin, len(known) / gate.alpha))
        if (states[-1] == "failed", float(excess.mean())) > (state == "failed", rise):
            worst, rise, state = name, float(excess.mean()), states[-1]
    whole: State = "failed" if "failed" in states else "insufficient" if "insufficient" in states else "passed"
    reason = f"training values: {worst} lacks {known[worst] + rise:.1%} of its {n} values, {known[worst]:.1%} were expected, and {gate.missing_margin:.1%} more are allowed"
    return Check(name="training values", state=whole, value=rise, limit=gate.missing_margin, n=n, reason=reason)


def _expected_missing(chosen: TrainingSet, champion: Mapping[str, Any], specification: MonitorSpecification) -> dict[str, float]:
    """Share of missing values by column: the larger of what is declared, and of what the champion was trained on."""
    found = {}
    for name in chosen.examples.features:
        declared = specification.features[name].max_missing if name in specification.features else None
        shares = [share for share in (declared, champion.get("features", {}).get(name)) if share is not None]
        if shares:
            found[name] = float(max(shares))
    return found


def _features(chosen: TrainingSet, champion: Mapping[str, Any], specification: MonitorSpecification) -> Check | None:
    """The columns that the monitor declares; the champion's where it declares none."""
    mine = set(chosen.examples.features)
    needed = {name for name, feature in specification.inputs.items() if feature.type in {"numeric", "categorical"}} or set(champion.get("features", ()))
    if not needed:
        return None
    allowed = needed | set(specification.features) | set(specification.columns)
    lacking, more = sorted(needed - mine), sorted(mine - allowed)
    whose = "the monitor" if specification.features else "the champion"
    told = [f"without {', '.join(lacking)} of {whose}"] if lacking else []
    told += [f"with {', '.join(more)}, which {whose} does not have"] if more else []
    reason = f"schema features: trained {' and '.join(told)}" if told else f"schema features: the {len(needed)} of {whose}"
    state: State = "failed" if told else "passed"
    return Check(name="schema features", state=state, value=len(lacking) + len(more), limit=0, n=len(chosen.examples), reason=reason)


def _class_rows(chosen: TrainingSet, champion: Mapping[str, Any], specification: MonitorSpecification) -> Check | None:
    """No class that the champion learnt from ``min_per_class`` rows, and the challenger from fewer."""
    least = max(1, specification.retrain.min_per_class)
    known = {name: rows for name, rows in champion.get("classes", {}).items() if rows >= least}
    if not known:
        return None
    counts = chosen.classes
    name = min(known, key=lambda one: (counts.get(one, 0), one))
    fewest = counts.get(name, 0)
    reason = f"training classes: {fewest} rows of class {name}, at least {least} are asked for, as the champion had {known[name]}"
    return Check(name="training classes", state="failed" if fewest < least else "passed", value=fewest, limit=least, n=len(chosen.examples), reason=reason)


def _answers(chosen: TrainingSet, answers: Column, champion: Mapping[str, Any], specification: MonitorSpecification) -> Check:
    """Answers are classes that the monitor or the champion knows; where neither knows any, those of the labels."""
    known = {*specification.classes, *champion.get("classes", ())} or set(chosen.classes)
    strange = sorted({str(name) for name in class_names(answers).tolist()} - known)
    shown = ", ".join(strange[:8])
    reason = f"schema classes: answers {shown}, known to neither the monitor nor the champion" if strange else f"schema classes: among the {len(known)} that are known"
    return Check(name="schema classes", state="failed" if strange else "passed", value=len(strange), limit=0, n=len(answers), reason=reason)


def recorded(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """Checks as a version's record tells them."""
    return [{name: getattr(check, name) for name in Check.__struct_fields__} for check in checks]


def those_recorded(gate: Mapping[str, Any]) -> tuple[Check, ...]:
    """Checks that a version's record tells of; () for one that has none."""
    return tuple(Check(**told) for told in gate.get("checks", ()))
