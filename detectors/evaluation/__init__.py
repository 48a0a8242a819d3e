"""Evaluate any detector on streams whose changes are known: ours, river's, or a function.

Three figures belong together, and none says anything without the others: the delay after a change, the share of changes found, and the false alarms while
nothing changes. `delays_of` and `false_alarms_of` count them, each with an interval; `at_rate` brings detectors to one false-alarm rate, so that their
delays can be compared; `Oracle` shows what cannot be beaten. `detectors.evaluation.nab` scores alarms as the Numenta Anomaly Benchmark does.

Examples
--------
An error rate that goes from 10 % to 20 %:

>>> law = Rate(0.1, 0.2)
>>> streams = changed_streams(law, streams=40, before=2_000, after=1_000, seed=1)
>>> delays = delays_of(RateMonitor(budget=100_000).watch(streams), streams.change)
>>> delays.found(1_000) > 0.9
True
>>> nothing = null_streams(law, streams=40, events=5_000, seed=2)
>>> false_alarms_of(RateMonitor(budget=100_000).watch(nothing)).rate < 5
True
"""

from detectors.evaluation.beyond_floor import BeyondFloor
from detectors.evaluation.correlated import Correlated, CorrelationMonitor
from detectors.evaluation.delay import Delays, delays_of
from detectors.evaluation.equal_rate import Tuned, at_rate, false_alarms_on
from detectors.evaluation.false_alarms import FalseAlarms, false_alarms_of
from detectors.evaluation.labelled_streams import LabelledStreams, changed_streams, null_batches, null_streams
from detectors.evaluation.laws import Law, Levels, ManyZeros, Moved, Rate
from detectors.evaluation.monitors import CategoricalMonitor, NumericMonitor, RateMonitor
from detectors.evaluation.noise import Autoregressive, Common, Cycle, Noise, Normal, Student
from detectors.evaluation.one_by_one import Every, OneByOne, river
from detectors.evaluation.oracle import Oracle, oracle_at
from detectors.evaluation.watched import Watched, Watcher

__all__ = [
    "Autoregressive",
    "BeyondFloor",
    "CategoricalMonitor",
    "Common",
    "Correlated",
    "CorrelationMonitor",
    "Cycle",
    "Delays",
    "Every",
    "FalseAlarms",
    "LabelledStreams",
    "Law",
    "Levels",
    "ManyZeros",
    "Moved",
    "Noise",
    "Normal",
    "NumericMonitor",
    "OneByOne",
    "Oracle",
    "Rate",
    "RateMonitor",
    "Student",
    "Tuned",
    "Watched",
    "Watcher",
    "at_rate",
    "changed_streams",
    "delays_of",
    "false_alarms_of",
    "false_alarms_on",
    "null_batches",
    "null_streams",
    "oracle_at",
    "river",
]
