"""What happens in the demonstration: a stream of loan applications in which the world changes four times, or a user's own file.

The applications are river's Agrawal generator (Agrawal, Imielinski and Swami 1993), which is published and known to the field; what is added to it
(a season, a harmless shift, a drift that does not hurt) is written down here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from river.datasets.synth import Agrawal

from detectors.duration import parse_duration
from detectors.errors import SettingsError
from detectors.event_batch import Column, Int64
from detectors.settings.retraining import Gate, Retrain
from detectors.settings.watching import Labels
from detectors.specification import MonitorSpecification
from streams.file_events import feature_columns, outcome_column
from streams.infer import infer
from streams.tables import Table, read_table

MODEL = "loans"
SECOND = 1_000
START = 1_767_225_600_000  # 2026-01-01T00:00:00Z: the demonstration runs in the past, as any history does
SEASON = 5_000  # seconds; the reference spans two of them, a row a second
REFERENCE_ROWS = 2 * SEASON + 1
LABEL_DELAY = 100  # rows
NOISE = 0.05  # share of labels that are wrong, so that no model is perfect


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A stretch of the stream, and what to expect of it."""

    name: str
    start: int  # row
    told: str


@dataclass(frozen=True, kw_only=True)
class Story:
    """A reference to train on, a stream to live through, and what happens when.

    ``time`` is (n,) epoch milliseconds, ``label`` (n,) class names or numbers; rows are those of the stream.
    """

    specification: MonitorSpecification
    reference: Table
    target: str
    time: Int64
    features: dict[str, Column]
    label: Column
    scenes: tuple[Scene, ...]
    label_delay: int = LABEL_DELAY
    kill_at: int
    request_at: int | None = None
    request_rows: int = 0
    own_data: Path | None = None

    def __len__(self) -> int:
        return len(self.time)

    def start_of(self, scene: str) -> int:
        """First row of a scene; the stream's end if there is none of that name."""
        return next((one.start for one in self.scenes if one.name == scene), len(self))

    def scene_at(self, row: int) -> Scene:
        """The scene that a row belongs to."""
        return [scene for scene in self.scenes if scene.start <= row][-1]


def loans(seed: int) -> Story:
    """The loan applications.

    Parameters
    ----------
    seed : of everything that is drawn.
    """
    scenes = (
        Scene(name="quiet", start=0, told="a season swings, salaries rise by a twentieth of a sigma: nobody should alarm"),
        Scene(name="covariate", start=12_000, told="larger loans are asked for, which does not hurt the model: reported, not retrained"),
        Scene(name="concept", start=20_000, told="the bank decides by other rules: alert, retraining, a better model"),
    )
    rows = 31_000
    table, label = _agrawal(seed, REFERENCE_ROWS + rows, change_at=REFERENCE_ROWS + scenes[2].start)
    time = START + np.arange(REFERENCE_ROWS + rows, dtype=np.int64) * SECOND
    table["hvalue"] = table["hvalue"] * (1 + 0.4 * np.sin(2 * np.pi * np.arange(len(label)) / SEASON))
    table["salary"] = table["salary"] + np.where(np.arange(len(label)) >= REFERENCE_ROWS + 6_000, 0.05 * table["salary"].std(), 0.0)
    table["loan"] = table["loan"] + np.where(np.arange(len(label)) >= REFERENCE_ROWS + scenes[1].start, 0.6 * table["loan"].std(), 0.0)
    whole = Table(source="Agrawal loan applications", columns={**table, "granted": label, "time": time})
    reference = whole.take(slice(0, REFERENCE_ROWS))
    base = MonitorSpecification(
        model=MODEL,
        pane=parse_duration("30s"),
        windows=(parse_duration("30m"), parse_duration("2h")),
        labels=Labels(delay=LABEL_DELAY * SECOND, timeout=parse_duration("6h")),
        retrain=Retrain(gate=Gate(min_validation_time=parse_duration("10m"))),  # with an application a second an hour would be a third of the story
    )
    specification = infer(reference, model=MODEL, label="granted", time="time", periods=(SEASON * SECOND,), base=base)
    stream = whole.take(slice(REFERENCE_ROWS, None))
    return Story(
        specification=specification,
        reference=reference,
        target="granted",
        time=stream.times("time"),
        features=feature_columns(specification, stream),
        label=outcome_column(specification, stream, "granted"),
        scenes=scenes,
        kill_at=16_000,
        request_at=1_000,
        request_rows=200,
    )


def _agrawal(seed: int, rows: int, *, change_at: int) -> tuple[dict[str, Column], Column]:
    """Applications, decided by rule 3 (age and education) and later by rule 1 (age alone); the applicants are the same whatever the rule."""
    before, after = (Agrawal(classification_function=rule, seed=seed).take(rows) for rule in (2, 0))
    applicants, labels = [], np.empty(rows, dtype=object)
    flipped = np.random.default_rng(seed).random(rows) < NOISE
    for row, ((applicant, old), (_, new)) in enumerate(zip(before, after, strict=True)):
        applicants.append(applicant)
        labels[row] = "yes" if (old if row < change_at else new) ^ bool(flipped[row]) else "no"
    columns: dict[str, Column] = {name: np.array([float(applicant[name]) for applicant in applicants]) for name in applicants[0]}
    for name in ("car", "zipcode"):
        codes = np.empty(rows, dtype=object)
        codes[:] = [f"{name} {int(value)}" for value in columns[name]]
        columns[name] = codes
    return columns, labels


def own_file(path: Path, target: str) -> Story:
    """A user's file as a stream: the first fifth is the reference, the rest is lived through, a row a second.

    Raises
    ------
    SettingsError
        If the file is too short for that.
    """
    table = read_table(path)
    first = len(table) // 5
    if first < 500:
        raise SettingsError(f"{path} has {len(table)} rows; the demonstration trains on the first fifth and needs 500 rows for that, so at least 2500")
    reference = table.take(slice(0, first))
    base = MonitorSpecification.model_validate(
        {"model": path.name.split(".")[0], "pane": "30s", "false_alarms": "1 per 100000 events", "events_per_pane": 30, "labels": {"delay": LABEL_DELAY * SECOND, "timeout": "6h"}}
    )
    specification = infer(reference, model=base.model, label=target, base=base)
    stream = table.take(slice(first, None))
    rows = len(stream)
    return Story(
        specification=specification,
        reference=reference,
        target=target,
        time=START + np.arange(rows, dtype=np.int64) * SECOND,
        features=feature_columns(specification, stream),
        label=outcome_column(specification, stream, target),
        scenes=(Scene(name="own data", start=0, told=f"{rows:,} rows of {path.name}; nobody knows what happens"),),
        kill_at=rows // 2,
        own_data=path,
    )
