"""From a training table to a specification that can be applied as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import numpy as np
from pydantic import ValidationError

from detectors.columns.class_names import class_names
from detectors.columns.text_columns import vocabularies
from detectors.duration import format_duration, parse_duration
from detectors.errors import SettingsError
from detectors.event_batch import Column, Float64, Int64
from detectors.panes.layout import Layout
from detectors.profile import CategoricalProfile, NumericProfile, Profile
from detectors.references.anomaly_reference import MIN_ROWS as MIN_ROWS_OF_ANOMALIES
from detectors.references.anomaly_reference import anomaly_profile
from detectors.references.columns_given_others import columns_given_others
from detectors.references.correlation_reference import MIN_ROWS
from detectors.references.declared_hours import declared_hours, swing_of
from detectors.references.hours_of_week import HOUR, WEEK
from detectors.references.reference import correlations_of, performance_profile, profile_of
from detectors.references.reference_outcomes import outcome_profile
from detectors.references.repetitions import with_repetitions
from detectors.scans.window_bank import MIN_REFERENCE
from detectors.settings.feature import Feature
from detectors.settings.watching import Detectors, Quality, QualityMonitor, Service, ServiceMonitor
from detectors.specification import MOST_CORRELATED, MonitorSpecification, Task
from detectors.statistics.sampling import by_hash
from detectors.unlabelled.class_shares import FEWEST
from streams.feature_types import features_of
from streams.file_events import fractions_of, table_columns
from streams.settings_file import stories_of
from streams.tables import Table

_MOST_CLASSES = 20  # a whole-numbered target with more distinct values is a quantity
_PANES = tuple(parse_duration(text) for text in ("10s", "1m", "10m", "1h", "1d"))
_ENOUGH = 0.5  # events in a pane; hourly rows with some hours missing belong into panes of an hour
_WINDOWS = (60, 360)  # panes: 10 min and 1 h of the default pane
ALL = "all"
SERVICE = tuple(name for name in get_args(ServiceMonitor) if name != "saturation")
"""What is watched of the service where nobody says otherwise: all but what has a limit that only its operator knows."""

QUALITY = Quality(monitors=tuple(name for name in get_args(QualityMonitor) if name != "anomalies"))
"""What is watched of the inputs where nobody says otherwise."""
_SELDOM = 0.01  # missing values of a column whose correlations are watched: a row counts where none is missing
_ROW_BYTES = 64  # of a waiting prediction besides its features: id, times, offset, version, output, score


def infer(
    table: Table,
    *,
    model: str,
    label: str | None = None,
    prediction: str | None = None,
    score: str | None = None,
    time: str | None = None,
    time_format: str | None = None,
    ignore: Sequence[str] = (),
    segments: Sequence[str] = (),
    periods: Sequence[int] = (),
    task: Task | None = None,
    positive: str | None = None,
    correlation: Sequence[str] = (),
    anomalies: bool = False,
    hours: bool = False,
    sampling_fraction: str | None = None,
    base: MonitorSpecification | None = None,
    tell: Callable[[str], None] = lambda note: None,  # noqa: ARG005  silence
) -> MonitorSpecification:
    """A specification with the table's profile inlined.

    Parameters
    ----------
    table : training rows, best those that the model was not fitted to, so that its performance there is what to expect.
    model : the model's name.
    label, prediction, score, time : names of the columns of the outcome, the model's output, the probability of the positive class, the event time. The label's
        profile stands in for the prediction's where there is no prediction.
    time_format : see `Table.times`.
    ignore : columns to leave out.
    segments : columns to report separately by; they stay features, too.
    periods : cycles to learn, in milliseconds; without a time column a row lasts a second, as in a replay.
    task : default: regression for a target with fractions or more than 20 whole numbers, classification otherwise.
    positive : the class of `score`; default: the last of two.
    correlation : features whose correlations are watched; `ALL` alone for all that can be: numeric ones with many values, without a cycle, that seldom miss a value.
    anomalies : whether single events are judged, by how unlike the table's rows they are.
    hours : whether every hour of the week has a reference of its own; needs a time column.
    sampling_fraction : column with the share of the traffic that each row is of; the profile is then of `plain_sample`, and events will be weighed by theirs.
    base : a specification whose other settings are kept: pane, budget, floors, and what it declares of features, their types too. Without one the pane is 10 s, or longer where
        events are rarer. Its segments, cycles and correlations are those that are not given here.
    tell : gets a sentence for each decision that a person should know of: columns left out, a task that was guessed.

    Raises
    ------
    SettingsError
        If a named column does not exist or does not hold what it should; the message says which columns there are. If what is asked for does not go together.
    """
    for name in (label, prediction, score, time, *ignore, *segments):
        if name is not None:
            table.column(name)
    if sampling_fraction is not None:
        table = plain_sample(table, sampling_fraction, tell)
        ignore = (*ignore, sampling_fraction)
    times = None if time is None else table.times(time, time_format)
    target = label if label is not None else prediction
    chosen = task or ("classification" if target is None else _task(table.column(target)))
    if task is None and target is not None:
        tell(f"task: {chosen}, by the {len(np.unique(class_names(table.column(target)).astype(str)))} distinct values of {target!r}")
    features = features_of(table, leave_out={label, prediction, score, time, *ignore}, declared={} if base is None else base.features, tell=tell)
    outcomes, outputs = (None if name is None else table.texts(name) if chosen == "classification" else table.numbers(name) for name in (label, prediction))
    start = base or _with_pane(MonitorSpecification(model=model, service=Service(monitors=SERVICE), quality=QUALITY), times, tell)
    if sampling_fraction is not None:
        start = start.model_copy(update={"sampling": "weighted"})
    periods, correlation, segments = periods or start.detectors.cycles, correlation or start.correlation, segments or start.segments
    columns, features_watched = table_columns(features, table), MonitorSpecification(model=model, features=features).columns
    profile = profile_of(
        columns,
        features=features_watched,
        task=chosen,
        prediction=outputs,
        label=outcomes,
        performance=None if outputs is None or outcomes is None else performance_profile(outputs, outcomes, chosen),
        time=table.row_times() if times is None else times,
        cycles=periods,
        max_bins=start.detectors.max_bins,
        max_levels=start.detectors.max_levels,
        max_known_levels=start.detectors.max_known_levels,
        vocabularies=vocabularies(name for name, feature in features.items() if feature.type == "text"),
    )
    if "constant" in start.quality.monitors:
        order = slice(None) if times is None else np.argsort(times, kind="stable")
        profile = with_repetitions(profile, {name: column[order] for name, column in columns.items()})
    _tell_of_many_levels(profile, tell)
    together = _correlated(columns, profile, tell) if tuple(correlation) == (ALL,) else tuple(correlation)
    strange = [name for name in together if name not in columns]
    if strange:
        raise SettingsError(f"correlations are of watched columns, got {strange[0]!r}; there are: {', '.join(columns)}")
    if together:
        profile = profile.model_copy(update={"correlation": correlations_of({name: columns[name] for name in together}, profile.features)})
    if periods:
        profile = _with_given_others(profile, columns, tell)
    profile = _with_hours(profile, columns, None if times is None or periods else times, outputs, outcomes, features_watched, start, asked=hours, tell=tell)
    if target is None:
        tell("without a label or a prediction column only the features are watched; name one with --label or --prediction")
    quality = _ignoring(start.quality, tuple(name for name in table.columns if name not in features))
    if anomalies or "anomalies" in quality.monitors:
        profile, quality = _with_anomalies(profile, columns, quality)
    settings = {name: getattr(start, name) for name in MonitorSpecification.model_fields}
    probability = None if score is None or chosen == "regression" else _probabilities(table, score)
    reference = start.reference.model_copy(update={"source": table.source} | ({"kind": "hour_of_week"} if hours else {}))
    hourly = reference.kind == "hour_of_week"
    profile, estimate = (profile, False) if hourly else _with_outcomes(profile, (outputs, outcomes, probability), columns, times, positive or start.positive, start, tell)
    if estimate:
        tell("performance is estimated where labels are missing (estimate_performance: true)")
    settings |= {
        "model": model,
        "task": chosen,
        "positive": positive or start.positive,
        "events_per_pane": start.events_per_pane if times is None else events_per_pane(times, start.pane),
        "features": features,
        "correlation": together,
        "segments": tuple(segments),
        "estimate_performance": estimate,
        "reference": reference.model_copy(update={"profile": profile}),
        "quality": quality,
    }
    return _checked(settings, start.detectors, tuple(periods))


def _checked(settings: dict[str, Any], detectors: Detectors, cycles: tuple[int, ...]) -> MonitorSpecification:
    """The specification, as a file that said the same would be read."""
    try:
        return MonitorSpecification(**settings | {"detectors": Detectors(**dict(detectors) | {"cycles": cycles})})
    except ValidationError as error:
        raise SettingsError(stories_of(error)) from None


def _with_anomalies(profile: Profile, columns: Mapping[str, Column], quality: Quality) -> tuple[Profile, Quality]:
    """The profile with what single events are judged by, and the monitor of them."""
    if profile.rows < MIN_ROWS_OF_ANOMALIES or not profile.features:
        raise SettingsError(f"anomalies of single events need {MIN_ROWS_OF_ANOMALIES} rows and a feature, got {profile.rows} and {len(profile.features)}; leave --anomalies out")
    profile = profile.model_copy(update={"anomalies": anomaly_profile({name: columns[name] for name in profile.features}, profile.features)})
    return profile, quality.model_copy(update={"monitors": tuple(dict.fromkeys((*quality.monitors, "anomalies")))})


def _ignoring(quality: Quality, others: tuple[str, ...]) -> Quality:
    """With the table's other columns, which events may carry as well."""
    return quality.model_copy(update={"ignored": others}) if "schema" in quality.monitors and not quality.ignored else quality


def _with_given_others(profile: Profile, columns: Mapping[str, Column], tell: Callable[[str], None]) -> Profile:
    """The profile of a series, with what its columns are expected to be by what the others are."""
    numeric = {name: one for name, one in profile.features.items() if isinstance(one, NumericProfile)}
    found = columns_given_others({name: np.asarray(columns[name], np.float64) for name in numeric}, numeric)
    if found is not None:
        tell(f"watched by what the other columns say they should be, too: {', '.join(found.targets)}")
    return profile.model_copy(update={"given_others": found})


def _with_hours(
    profile: Profile,
    columns: Mapping[str, Column],
    times: Int64 | None,
    prediction: Column | None,
    label: Column | None,
    features: Mapping[str, Feature],
    start: MonitorSpecification,
    *,
    asked: bool,
    tell: Callable[[str], None],
) -> Profile:
    """The profile with its hours of the week, where they are asked for, or where the base compares hours and the table holds a week; else a hint, where they matter."""
    if times is None or int(times.max() - times.min()) < WEEK:
        if asked:
            raise SettingsError("--hours needs rows of a week at least, and their times: name the column with --time, and leave --period out, as hours hold a day and a week")
        return profile
    if asked and start.pane > HOUR:
        raise SettingsError(f"--hours needs panes of an hour at most, and for so few rows they have {format_duration(start.pane)}; leave --hours out")
    by_hour = declared_hours(profile, columns, times, features=features, prediction=prediction, label=label)
    if asked or start.reference.kind == "hour_of_week":
        return by_hour
    swings = {name: swing_of(column) for name, column in by_hour.features.items() if isinstance(column, NumericProfile)}
    largest = max(swings, key=lambda name: swings[name], default="")
    if largest and swings[largest] > start.alerts.floors.shift:
        more = sum(swing > start.alerts.floors.shift for swing in swings.values())
        tell(f"hours of the week differ in {more} of the features, most in {largest!r} ({swings[largest]:.2g} sigma); with --hours each is compared with its own")
    return profile


def plain_sample(table: Table, fraction: str, tell: Callable[[str], None]) -> Table:
    """Rows of a sampled table in the proportions of all of the traffic: those of the smallest fraction all, of others as much as of those, by the hash of the row's number."""
    published = np.nan_to_num(fractions_of(table, fraction), nan=1.0)
    row = (table.first_row + np.arange(len(table))).astype(np.uint64)
    kept = np.flatnonzero(by_hash(row) < published.min() / published)
    if len(kept) < len(table):
        tell(f"{fraction!r}: {len(kept)} of {len(table)} rows are the reference, in the proportions of all of the traffic")
    return table.take(kept)


def _probabilities(table: Table, score: str) -> Float64:
    """The column of scores, of which every one is a probability or missing."""
    found = table.numbers(score)
    if np.nanmin(found, initial=0.0) < 0 or np.nanmax(found, initial=1.0) > 1:
        raise SettingsError(
            f"{table.source}: the score is a probability, from 0 to 1, got column {score!r} with {np.nanmin(found):g} to {np.nanmax(found):g}; "
            "name the column of the positive class's probability, or leave --score out"
        )
    return found


def _with_outcomes(
    profile: Profile,
    given: tuple[Column | None, Column | None, Column | None],
    columns: Mapping[str, Column],
    times: Int64 | None,
    positive: str | None,
    start: MonitorSpecification,
    tell: Callable[[str], None],
) -> tuple[Profile, bool]:
    """The profile with what performance can be estimated by; and whether to estimate it: where outputs say more than one of two classes does."""
    prediction, label, score = given
    if prediction is None or label is None or not isinstance(profile.label, CategoricalProfile):
        return profile, False
    classes = profile.label.levels
    order = slice(None) if times is None else np.argsort(times, kind="stable")
    outcomes = outcome_profile(
        prediction[order],
        label[order],
        None if score is None else score[order],
        classes=classes,
        positive=positive or (classes[-1] if len(classes) == 2 else None),
        columns={name: column[order] for name, column in columns.items()},
        profiles=profile.features,
    )
    wanted = outcomes is not None and (start.estimate_performance or outcomes.scored or len(classes) > 2)
    if outcomes is not None and wanted:
        of_class = np.bincount(outcomes.labels, weights=outcomes.counts)
        wanted = bool(of_class.sum() >= MIN_REFERENCE and of_class.max() >= FEWEST)
        if not wanted:
            tell(
                f"performance is not estimated where labels are missing: that takes {MIN_REFERENCE} rows with a label and a prediction, {FEWEST} of them of one class; "
                f"there are {of_class.sum():,.0f}, and at most {of_class.max():,.0f} of a class"
            )
    if outcomes is not None and not wanted:
        outcomes = outcomes.model_copy(update={"means": {}, "deviations": {}})
    return profile.model_copy(update={"outcomes": outcomes}), wanted


def _with_pane(specification: MonitorSpecification, times: Int64 | None, tell: Callable[[str], None]) -> MonitorSpecification:
    """With a pane that holds about an event: empty ones say nothing, and each costs a step of every detector."""
    rate = None if times is None else events_per_pane(times, specification.pane)
    if rate is None or rate >= _ENOUGH:
        return specification
    pane = next((pane for pane in _PANES if rate * pane >= _ENOUGH * specification.pane), _PANES[-1])
    windows = tuple(pane * count for count in _WINDOWS)
    tell(
        f"pane: {format_duration(pane)}, windows: {' and '.join(map(format_duration, windows))}; "
        f"in {format_duration(specification.pane)} there would be {rate:.2g} events, and empty panes cost time and tell nothing"
    )
    return specification.model_copy(update={"pane": pane, "windows": windows})


def events_per_pane(times: Int64, pane: int) -> float | None:
    """Mean number of events in a pane; None when all have the same time.

    Parameters
    ----------
    times : (n,) epoch milliseconds.
    pane : milliseconds.

    Examples
    --------
    >>> events_per_pane(np.arange(0, 600_000, 1_000), 10_000)
    10.0
    """
    if len(times) < 2 or times.max() == times.min():
        return None
    return float(f"{(len(times) - 1) * pane / int(times.max() - times.min()):.6g}")


def state_bytes(specification: MonitorSpecification, partitions: int = 1, versions: int = 1) -> int:
    """Bytes of state that a model needs at most: summaries of the panes that are open, predictions that wait for labels, and rows that a reference is learnt from.

    Parameters
    ----------
    specification : with its profile.
    partitions : of the source topic.
    versions : (version, segment) pairs with traffic at the same time.

    Examples
    --------
    >>> state_bytes(MonitorSpecification(model="churn"))  # most of it: a million predictions that may wait
    64026880
    """
    open_panes = specification.lateness // specification.pane + 2
    summaries = 8 * Layout(specification).size * open_panes * versions * partitions
    waiting = float(specification.labels.max_waiting) * partitions
    identifiers = 0.0
    if specification.events_per_pane is not None:
        waiting = min(waiting, specification.events_per_pane * specification.labels.timeout / specification.pane)
        identifiers = 8 * specification.events_per_pane * open_panes
    learning = specification.reference.learning or 0
    identifiers += 16 * learning * partitions
    return round(summaries + (waiting + 2 * learning) * (_ROW_BYTES + 8 * len(specification.columns)) + identifiers)


def _correlated(columns: Mapping[str, Column], profile: Profile, tell: Callable[[str], None]) -> tuple[str, ...]:
    """Features whose correlations can be watched; none where they are too many, or their rows too few."""
    able = [name for name, one in profile.features.items() if isinstance(one, NumericProfile) and one.can_correlate and one.missing <= _SELDOM * profile.rows]
    whole = np.count_nonzero(~np.isnan(np.stack([np.asarray(columns[name], np.float64) for name in able])).any(axis=0)) if able else 0
    if not 2 <= len(able) <= MOST_CORRELATED or whole < MIN_ROWS:
        tell(
            f"correlations are not watched: that takes 2 to {MOST_CORRELATED} numeric features with many values, without a cycle and seldom missing, and {MIN_ROWS} rows "
            f"that lack none of them; there are {len(able)} and {whole:,}. Name some: --correlation NAME --correlation NAME"
        )
        return ()
    tell(f"correlations of {len(able)} features are watched: {', '.join(able)}")
    return tuple(able)


def _task(column: Column) -> Task:
    if column.dtype == object or column.dtype.kind == "b":
        return "classification"
    known = column[~np.isnan(column)] if column.dtype.kind == "f" else column
    fractions = bool((known != np.round(known)).any())
    return "regression" if fractions or len(np.unique(known)) > _MOST_CLASSES else "classification"


def _tell_of_many_levels(profile: Profile, tell: Callable[[str], None]) -> None:
    for name, column in profile.features.items():
        if column.kind == "numeric" or column.other is None:
            continue
        own, rows = len(column.levels) - 1, sum(column.counts) + column.unseen
        share = f"{sum(column.counts[:-1]) / rows:.0%} of the rows"
        story = f"column {name!r} has {own + column.other.levels:,} levels; the {own} most frequent have {share}, the others are watched together"
        tell(story if column.other.hashes else f"{story}, and too many to tell a new one from (detectors.max_known_levels)")
