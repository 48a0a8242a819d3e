"""Events that no monitor counts: what the log says of them, once for each model, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from detectors.monitor import Monitors
from detectors.rfc3339 import format_time
from detectors.summarise import OTHER_MODELS

_NAMED = 3  # models in a line; a thousand may be applied at once


class Unmonitored:
    """What one source partition has counted of such events.

    Parameters
    ----------
    monitors : which models have one.
    most : models that are counted by name.

    Examples
    --------
    >>> from detectors.monitor import Monitor
    >>> from detectors.specification import MonitorSpecification
    >>> heard = Unmonitored(Monitors([Monitor(specification=MonitorSpecification(model="churn"), effective_from=60_000)]), most=10)
    >>> heard.stories({"fraud": 7})
    []
    >>> heard.stories({"fraud": 7, "churn": 2})[0].partition(":")[0]
    "2 events are of times before the first monitor of 'churn' is in force (1970-01-01T00"
    >>> heard.stories({"fraud": 7, "churn": 9})
    []
    """

    def __init__(self, monitors: Monitors, *, most: int) -> None:
        self._monitors, self._most = monitors, most
        self._known: dict[str, int] = {}
        self._told: set[str] = set()

    def restore(self, counts: Mapping[str, int]) -> None:
        """Counts that were saved: whoever counted them has told of them."""
        self._known = dict(counts)
        self._told = set(counts) & {OTHER_MODELS}

    def stories(self, counts: Mapping[str, int]) -> list[str]:
        """What is new in the counts by model, a line each."""
        if counts == self._known:
            return []
        more = {model: count - self._known.get(model, 0) for model, count in counts.items() if model not in self._told and count > self._known.get(model, 0)}
        self._known = dict(counts)
        early = [model for model in more if self._monitors.of(model)]
        self._told.update(early)
        told = [self._of_early(early, sum(more[model] for model in early))] if early else []
        if OTHER_MODELS in more:
            self._told.add(OTHER_MODELS)
            told.append(
                f"events of more than {self._most:,} models that no monitor knows: those of further ones are counted together, as '{OTHER_MODELS}'; "
                "find out who sends such names (the points of the measurement source tell them), or set DRIFTWARDEN_WORKER_MAX_UNMONITORED_MODELS"
            )
        return told

    def _of_early(self, models: list[str], count: int) -> str:
        """Of models that have a monitor."""
        begins = [f"'{model}' is in force ({format_time(self._monitors.of(model)[0].effective_from)})" for model in models[:_NAMED]]
        others = f", and of {len(models) - _NAMED} more" if len(models) > _NAMED else ""
        return (
            f"{count:,} event{'s are' if count != 1 else ' is'} of times before the first monitor of {', '.join(begins)}{others}: counted as unmonitored, and judged by nobody. "
            "Apply a monitor before its model's events are published; what came before is looked at by driftwarden replay, over a file of it"
        )
