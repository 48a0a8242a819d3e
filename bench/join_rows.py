"""The label join by itself: labels per CPU second after decoding, and what predictions weigh that wait for theirs."""

from __future__ import annotations

import gc

import numpy as np

from bench.batches import fetch, labels
from bench.figure import CheckFailedError, Found, Row, Size, expect
from bench.processes import Stopwatch, in_a_fresh_process, resident_mebibytes
from bench.workload import CLASSES, Workload
from detectors.event_batch import Int64
from detectors.monitor import Monitor, Monitors
from detectors.rows.examples import Examples
from detectors.rows.labelled_rows import LabelledRows
from detectors.summarise import Fetch, Summarise

FETCH = 5_000
FETCHES_PER_EPOCH = 10
WORKLOAD = Workload(labels="none", beginning=1, per_pane=100_000)


def waiting(predictions: int) -> tuple[Summarise, int]:
    """One source partition in which so many predictions wait for labels, and the place up to which it has read."""
    stage, end = Summarise(0, Monitors([Monitor(specification=WORKLOAD.specifications()[0])])), 0
    while end < predictions:
        for _ in range(FETCHES_PER_EPOCH):
            whole = fetch(WORKLOAD, end, end + FETCH)
            end += FETCH
            stage.absorb(whole)
        stage.flush()
    return stage, end


def labels_per_second(size: Size) -> Found:
    """Labels of a million waiting predictions, in fetches and epochs as a worker has them."""
    count = size.of(1_000_000, multiple=FETCH * FETCHES_PER_EPOCH)
    stage, end = waiting(count)
    share = count // (2 * size.repeats) // FETCH * FETCH
    order = np.random.default_rng(2).permutation(count)
    figures = []
    for repeat in range(size.repeats):
        chosen = order[repeat * share : (repeat + 1) * share]
        fetches = []
        for start in range(0, share, FETCH):
            fetches.append(labels(WORKLOAD, chosen[start : start + FETCH], first=end))
            end += FETCH
        joined: list[LabelledRows] = []
        watch = Stopwatch()
        for number, one in enumerate(fetches, 1):
            stage.absorb(one)
            if number % FETCHES_PER_EPOCH == 0 or number == len(fetches):
                joined += stage.flush().examples
        figures.append(share / watch.seconds)
        _check([rows.examples() for rows in joined], fetches, chosen)
    return Found(figures=tuple(figures), details={"waiting": count, "labels": share})


def _check(examples: list[Examples], fetches: list[Fetch], chosen: Int64) -> None:
    """Every label has found its own prediction, with all of its features."""
    expect("joined labels", sum(len(one) for one in examples), len(chosen))
    truth = np.concatenate([one.batches[0].label.to_text() for one in fetches])  # type: ignore[union-attr]  # a classifier's labels are text
    if not np.array_equal(np.concatenate([one.label for one in examples]), truth):
        raise CheckFailedError("labels came out in another order, or as others, than they went in")
    events = WORKLOAD.events(0, int(chosen.max()) + 1)
    for place, name in enumerate(WORKLOAD.names):
        if not np.array_equal(np.concatenate([one.features[name] for one in examples]), events.matrix[chosen, place]):
            raise CheckFailedError(f"feature {name} of the joined rows is not that of their predictions")
    if not np.array_equal(np.concatenate([one.prediction for one in examples]), np.array(CLASSES, object)[events.predicted[chosen]]):
        raise CheckFailedError("the predictions of the joined rows are others than those that were made")


def memory(size: Size) -> Found:
    """Resident memory that a million waiting predictions add to a process."""
    grown, peak = zip(*[in_a_fresh_process(_growth, size.of(1_000_000, multiple=FETCH * FETCHES_PER_EPOCH)) for _ in range(size.repeats)], strict=True)
    return Found(figures=grown, details={"mebibytes_at_most_on_the_way": max(peak)})


def _growth(predictions: int) -> tuple[float, float]:
    waiting(FETCH)  # what is imported and cached at the first use is not theirs
    gc.collect()
    before = resident_mebibytes()
    stage, end = waiting(predictions)
    gc.collect()
    after = resident_mebibytes()
    expect("predictions read", (stage.covered, end), (predictions, predictions))
    return after - before, _peak_mebibytes() - before


def _peak_mebibytes() -> float:
    import resource  # noqa: PLC0415  not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


ROWS = (
    Row(name="join", what="label join after decoding, a million predictions waiting", sense="at least", target=500_000, unit="labels/CPU s", run=labels_per_second),
    Row(name="memory-waiting", what="a million predictions waiting for labels, 20 features each", sense="at most", target=400, unit="MiB", run=memory),
)
