"""False alarms and delays of the monitor of traffic: ``python -m bench.detection.traffic`` (some minutes on one core; seeded).

Streams run side by side through the calibrated statistic itself, without a file or a log; all that the monitor does in a replay is done, learning included. A stream is
over when it alarms, so that each is counted once. The floor is 1, where nothing but the statistic stands between chance and an alarm.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from scipy.signal import lfilter

from detectors.event_batch import Float64
from detectors.monitors.traffic import TrafficChange
from detectors.scans.panel import Panel
from detectors.scans.scored_windows import Bank
from detectors.verdict import Status

PANE = 10_000
DAY = 8_640
LEVEL = 20.0
LOOKS = 100_000  # that the budget allows a false alarm in
_AT_ONCE = 64
_DELAYS = ((2.0, "twice as many"), (0.5, "half as many"), (1.2, "a fifth more"))


def poisson(panes: int, random: np.random.Generator) -> Float64:
    """Mean of each pane: always the same."""
    del random
    return np.full(panes, LEVEL)


def wandering(panes: int, random: np.random.Generator) -> Float64:
    """An autoregression of .7 from pane to pane; the level's deviation is .3."""
    noise = 0.3 * np.sqrt(1 - 0.7**2) * random.standard_normal(panes)
    return LEVEL * np.exp(lfilter([1.0], [1.0, -0.7], noise) - 0.045)


def bursts(panes: int, random: np.random.Generator) -> Float64:
    """A negative binomial of dispersion 3."""
    return LEVEL * random.gamma(3.0, 1 / 3.0, panes)


def days(panes: int, random: np.random.Generator) -> Float64:
    """A daily cycle, from a third of the mean of the logarithms to three times as much."""
    del random
    return LEVEL * np.exp(1.1 * np.sin(2 * np.pi * np.arange(panes) / DAY))


LAWS: dict[str, tuple[Callable[[int, np.random.Generator], Float64], str]] = {
    "Poisson": (poisson, "none"),
    "autoregression of .7": (wandering, "none"),
    "negative binomial, dispersion 3": (bursts, "none"),
    "daily cycle": (days, "day"),
}


def detector(cycle: str, *, ratio: float, looks: float = LOOKS) -> TrafficChange:
    """The monitor, of a cell that is alone in its vector."""
    bank = Bank(names=("traffic",), group="service", kind="service", looks=looks, pane=PANE, resolve_after=600_000)
    return TrafficChange(bank, predictions=0, cycle=cycle, ratio=ratio)


def first_alarms(counts: Float64, cycle: str, *, ratio: float, looks: float = LOOKS) -> list[int | None]:
    """Pane of the first alarm of each stream, None without one; counts (panes, streams) are 1 at least, as streams walk side by side."""
    panes, streams = counts.shape
    banks = [detector(cycle, ratio=ratio, looks=looks) for _ in range(streams)]
    panel, states = Panel(banks), [one.initial() for one in banks]
    found: list[int | None] = [None] * streams
    for begin in range(0, panes, _AT_ONCE):
        some = counts[begin : begin + _AT_ONCE]
        starts = range(begin * PANE, (begin + len(some)) * PANE, PANE)
        walked = panel.walk([bank.way(state, some[:, [place]], starts) for place, (bank, state) in enumerate(zip(banks, states, strict=True))])
        states = [state for state, _ in walked]
        for place, (_, verdicts) in enumerate(walked):
            alarmed = np.flatnonzero(verdicts.status[:, 0] == Status.DRIFT)
            if found[place] is None and len(alarmed):
                found[place] = begin + int(alarmed[0])
    return found


def streams_of(law: str, panes: int, streams: int, seed: int, *, times: float = 1.0, changed_from: int = 0) -> Float64:
    """(panes, streams) of predictions, at least 1 in each pane; from a pane on so many times as many."""
    random = np.random.default_rng(seed)
    level = np.stack([LAWS[law][0](panes, random) for _ in range(streams)], axis=1)
    level[changed_from:] *= times
    return np.maximum(random.poisson(level), 1).astype(np.float64)


def tell_false_alarms(streams: int, panes: int) -> None:
    """Print how often nothing was told of, panes in which the cycle is learnt left out."""
    for law, (_, cycle) in LAWS.items():
        learning = 2 * DAY if cycle == "day" else 0
        found = first_alarms(streams_of(law, panes + learning, streams, 1), cycle, ratio=1.0)
        watched = sum(panes if at is None else at - learning for at in found)
        print(f"{law}: {sum(at is not None for at in found)} false alarms in {watched:,} panes, {watched / LOOKS:.1f} allowed", flush=True)


def tell_delays(streams: int) -> None:
    """Print after how many panes changes are told: a doubling and a halving with the default floor, a fifth more without one."""
    for law, (_, cycle) in LAWS.items():
        before = 3_000 + (2 * DAY if cycle == "day" else 0)
        told = []
        for times, name in _DELAYS:
            ratio = 1.5 if abs(np.log(times)) > 0.5 else 1.0
            found = first_alarms(streams_of(law, before + 2_000, streams, 2, times=times, changed_from=before), cycle, ratio=ratio)
            delays = sorted(np.inf if at is None else at - before for at in found if at is None or at >= before)
            told.append(f"{name} {np.median(delays):.0f} (of {len(delays)} {sum(np.isfinite(delays))} found, floor {ratio:g})")
        print(f"{law}: median panes until told: {'; '.join(told)}", flush=True)


def main() -> None:
    """Print both tables, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", nargs="?", choices=("alarms", "delays"))
    parser.add_argument("--panes", type=int, default=60_000, help="of each of ten streams in which nothing changes; behind two days, where a day is learnt")
    asked = parser.parse_args()
    if asked.table != "delays":
        tell_false_alarms(10, asked.panes)
    if asked.table != "alarms":
        tell_delays(20)


if __name__ == "__main__":
    main()
