"""All trials of a model: challengers in the shadow of the champion, the former champion in that of its successor, and the verdicts on them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from detectors.event_batch import Column, Int64
from detectors.rows.examples import Examples
from detectors.settings.retraining import Gate
from detectors.specification import MonitorSpecification
from retrainer import messages
from retrainer.announced import Announced
from retrainer.checks import Check, failed
from retrainer.gate import GateState, Verdict
from retrainer.learners import Learners
from retrainer.messages import Event
from retrainer.promotion_checks import promotion_checks
from retrainer.registry import DigestError, GoneError, RegistryError
from retrainer.saved import SavedTrial
from retrainer.trainers import Model
from retrainer.training_checks import those_recorded
from retrainer.trial import Shadow, Trial, scale_before
from retrainer.versions import Version

HALVED = 2
"""The tests of a former champion come one after another, and each has half of the alpha that is left: all of them together roll back by chance in a share of ``alpha`` at most."""


class Trials:
    """Trials that are under way, by version."""

    def __init__(self, announced: Announced, learners: Learners) -> None:
        self._announced, self._learners = announced, learners
        self._trials: dict[str, Trial] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._trials)

    def __len__(self) -> int:
        return len(self._trials)

    def begin(self, version: str, *, cut: int, challengers: int) -> None:
        """Score a challenger on labels that are still to come, of events that were predicted after those it learnt from."""
        model = self._announced.model_of(version)
        assert model is not None  # noqa: S101  a registered version has an artifact
        told = self._announced.registered(version).gate
        after = int(told.get("judged_after", cut))  # an earlier release did not say it
        self._trials[version] = Trial(version=version, model=model, cut=cut, after=after, challengers=challengers, scale=float(told["scale"]))

    def begin_canary(self, version: str, *, at: int) -> None:
        """Judge a challenger by what it answers itself from now on."""
        self.begin(version, cut=at, challengers=1)
        self._trials[version].served, self._trials[version].after = True, at

    def is_under_way(self, trial: Trial) -> bool:
        """Whether a trial is the one that its version is judged by: it may have ended, or begun anew."""
        return self._trials.get(trial.version) is trial

    def end(self, version: str) -> Trial | None:
        """Judge a version no further; gives the trial as it stood."""
        return self._trials.pop(version, None)

    def save(self) -> tuple[SavedTrial, ...]:
        """What `resume` needs."""
        return tuple(
            SavedTrial(version=one.version, cut=one.cut, challengers=one.challengers, scale=one.scale, state=one.state, served=one.served, before=one.before, after=one.after)
            for one in self._trials.values()
        )

    def resume(self, saved: Iterable[SavedTrial], *, judged: Collection[str]) -> None:
        """Go on from saved trials; one of a version that is not ``judged``, as a former champion is not, ends where its artifact was changed or cleared away."""
        for one in saved:
            try:
                model = self._announced.model_of(one.version)
            except (DigestError, GoneError):
                if one.version in judged:
                    raise
                continue
            assert model is not None  # noqa: S101  a version in a trial has an artifact
            self._trials[one.version] = Trial(
                version=one.version,
                model=model,
                cut=one.cut,
                after=one.cut if one.after is None else one.after,
                challengers=one.challengers,
                scale=one.scale,
                state=one.state,
                served=one.served,
                before=one.before,
            )

    def keep_warm(self, former: Version | None, promoted_at: int, rows: Examples | None, specification: MonitorSpecification) -> None:
        """Score the former champion in the shadow of the one that took its place."""
        if former is None or specification.retrain.rollback == "never":
            return
        try:
            model = self._announced.model_of(former.version)
        except RegistryError:  # its artifact was cleared away: nothing can serve again
            return
        if model is not None:
            scale = 1.0 if rows is None else scale_before(rows, specification)
            self._trials[former.version] = Trial(version=former.version, model=model, cut=promoted_at, after=promoted_at, challengers=HALVED, scale=scale)

    def watch_on(self, trial: Trial, gate: Gate) -> bool:
        """Judge a former champion that is not better now by what is still to come, unless it was judged by ``max_wait`` labels in all; whether it is judged on."""
        before = trial.before + trial.state.labels
        if before >= gate.max_wait:
            return False
        self._trials[trial.version] = replace(trial, challengers=HALVED * trial.challengers, before=before, state=GateState())
        return True

    def warm(self, open_versions: Collection[str]) -> list[str]:
        """Versions that served before: they are judged against what took their place."""
        served = {record.version for record in self._announced.records if record.status == "promoted"}
        return [version for version in self._trials if version in served and version not in open_versions]

    def let_cool(self, open_versions: Collection[str]) -> None:
        """Judge no former champion any more."""
        for version in self.warm(open_versions):
            del self._trials[version]

    def judge(self, shadow: Shadow, start: int, stop: int, *, serving: str, specification: MonitorSpecification) -> tuple[int, list[tuple[Trial, Verdict]]]:
        """Step all trials up to ``stop``, or up to the first verdict before it. Gives the rows' end and the verdicts that fell there."""
        gate = specification.retrain.gate
        champion = self._announced.model_of(serving) if serving and (shadow.rows.version[start:stop] != serving).any() else None
        current = shadow.champion(serving, None if champion is None else self._scored(shadow, serving, champion, start, stop, specification))
        pairs = {}
        for version, trial in self._trials.items():
            answers = shadow.answered(version) if trial.served else self._scored(shadow, version, trial.model, start, stop, specification)
            old, new = shadow.losses(current, trial.scale), shadow.losses(answers, trial.scale)
            judged = shadow.served_by(version) if trial.served else shadow.judged(trial.after)
            known = np.isfinite(old)
            pairs[version] = (np.flatnonzero(judged & known), old, new, judged & ~known)

        def advance(end: int) -> list[tuple[Trial, GateState, Verdict, Int64]]:
            stepped = []
            for version, trial in self._trials.items():
                usable, old, new, unknown = pairs[version]
                judged = usable[(usable >= start) & (usable < end)]
                settled = shadow.settled(trial.cut, trial.after, specification)[judged]
                stepped.append((trial, *trial.step(old[judged], new[judged], gate, settled, left_out=int(unknown[start:end].sum())), judged))
            return stepped

        stepped = advance(stop)
        ends = [int(judged[verdict.used - 1]) + 1 for _, _, verdict, judged in stepped if verdict.outcome != "undecided"]
        if ends and min(ends) < stop:
            stop = min(ends)
            stepped = advance(stop)
        for trial, state, _, _ in stepped:
            trial.state = state
        return stop, [(trial, verdict) for trial, _, verdict, _ in stepped if verdict.outcome != "undecided"]

    def told(self, trial: Trial, verdict: Verdict, *, at: int, rows: Examples, serving: str, specification: MonitorSpecification) -> Event:
        """A verdict on a challenger as what happened; one that is better is asked the other checks, too, before it serves anybody."""
        found = evidence(verdict)
        model, version = self._announced.model, trial.version
        if trial.served and verdict.outcome != "promoted":
            return messages.CanaryRefused(model=model, at=at, version=version, reason=f"on the events that it answered, {verdict.reason}", evidence=found)
        if trial.served:
            return messages.CanaryPassed(model=model, at=at, version=version, evidence=found)
        if verdict.outcome != "promoted":
            return messages.GateRefused(model=model, at=at, version=version, reason=verdict.reason, evidence=found)
        checks = self._checks(trial, rows, serving, specification)
        found["checks"] = msgspec.json.decode(msgspec.json.encode(checks))
        if failed(checks):
            return messages.GateRefused(model=model, at=at, version=version, reason=f"{failed(checks)}; {verdict.reason}", evidence=found)
        return messages.GatePassed(model=model, at=at, version=version, evidence=found)

    def _checks(self, trial: Trial, rows: Examples, serving: str, specification: MonitorSpecification) -> Sequence[Check]:
        """What else is asked of a challenger that is better; of a pool, that has learnt from the very rows that judged it, only what was found when it was trained.

        For the same reason a champion that is one is known by what it answered alone.
        """
        found = those_recorded(self._announced.registered(trial.version).gate)
        if trial.version in self._learners:
            return found
        champion = self._announced.model_of(serving) if serving and serving not in self._learners else None
        judged = promotion_checks(rows, serving=serving, champion=champion, challenger=trial.model, after=trial.after, scale=trial.scale, specification=specification)
        return (*found, *judged)

    def _scored(self, shadow: Shadow, version: str, model: Model, start: int, stop: int, specification: MonitorSpecification) -> Column:
        """(n,) what a version answers; an adaptive one to these rows alone, by its revision of their time, as those to come will find another."""
        learner = self._learners.of(version, specification.retrain)
        if learner is None:
            return shadow.predicted(version, model)
        said = learner.predicted(shadow.rows.take(slice(start, stop)))
        answers: Column = np.full(len(shadow.rows), np.nan if said.dtype != object else None, said.dtype)
        answers[start:stop] = said
        return answers


def evidence(verdict: Verdict) -> dict[str, Any]:
    """A verdict as a version announces it: nan becomes null, and how much of a batch was used is no evidence."""
    told = msgspec.json.decode(msgspec.json.encode(verdict))
    del told["used"]
    return dict(told)


def so_far(trial: Trial, specification: MonitorSpecification) -> dict[str, Any]:
    """Evidence of a trial that ends without a verdict."""
    return evidence(trial.step(np.empty(0), np.empty(0), specification.retrain.gate)[1])
