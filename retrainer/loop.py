"""The closed loop of one model: alerts, requests and labelled rows in, announced versions and decisions out.

It carries out what `decide` says, with the trainer and the registry that it is given. It reads no clock: time comes with the alerts and the rows. Decisions fall at the very row
that they are due at, so the same sequence gives the same versions however the rows were batched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from detectors.alerts.alert import Alert
from detectors.event_batch import NO_TIME, Bool, Column, Int64
from detectors.rows.examples import Examples
from detectors.specification import MonitorSpecification
from retrainer import messages
from retrainer.adaptive import Learner, is_adaptive, learnt_until, member, started
from retrainer.checks import Check, failed
from retrainer.decide import due, step
from retrainer.decision import Decision
from retrainer.gate import GateState, Verdict
from retrainer.messages import Cause, Event, Instruction
from retrainer.promotion_checks import promotion_checks
from retrainer.registry import Registry, RegistryError
from retrainer.row_buffer import RowBuffer
from retrainer.saved import MOST_ALERTS, SavedLoop, SavedTrial
from retrainer.stage import LONG_AGO, State, restore
from retrainer.trainers import Candidate, Model, Trainer, TrainingContext, TrainingError, check
from retrainer.training_checks import recorded, those_recorded, training_checks, training_of
from retrainer.training_set import TrainingSet, choose, row_times, wanted
from retrainer.trial import Shadow, Trial, fixed_scale
from retrainer.versions import Request, Version, champion, digest_of_specification, former_champion, next_number

Told = Decision | Version


class RetrainLoop:
    """Retraining of one model.

    Parameters
    ----------
    specification : its ``retrain`` part rules.
    trainer, registry : make and keep models. An error of the registry is raised, as nothing may be announced without it; one of the trainer becomes a rejected version.
    records : versions announced so far, in their order. Finished causes are not trained again, and challengers without a verdict are judged further.
    topic : name of the topic that the rows' offsets belong to, for the lineage.
    seed : of every training.
    keep : is given each training set with its lineage, before it is trained on.
    meter : processor seconds used so far; for quotas, and told with each version. Default: not measured.
    provenance : tells, for the name of a trainer, the code and the environment that versions are made with.
    """

    def __init__(
        self,
        specification: MonitorSpecification,
        trainer: Trainer,
        registry: Registry,
        *,
        records: Sequence[Version] = (),
        topic: str = "inference.events",
        seed: int = 0,
        keep: Callable[[TrainingSet, dict[str, Any]], None] = lambda *_: None,
        meter: Callable[[], float] = lambda: 0.0,
        provenance: Callable[[str], Mapping[str, Any]] = lambda _: {},
    ) -> None:
        self.specification = specification
        self.records: list[Version] = []
        self.state = State(model=specification.model)
        self._trainer, self._registry, self._topic, self._seed, self._meter, self._keep = trainer, registry, topic, seed, meter, keep
        self._provenance = provenance
        self._buffer = RowBuffer(specification.retrain.quotas.max_rows)
        self._models: dict[str, Model] = {}
        self._failed: dict[str, Version] = {}
        self._trials: dict[str, Trial] = {}
        self._learners: dict[str, Learner] = {}
        self._sequences: dict[str, int] = {}
        self._counted: tuple[Cause | None, int] = (None, 0)
        self._idle = 0  # labelled rows since the last cause ended
        self._clock = LONG_AGO
        self._live = False
        for record in records:
            self.on_version(record)

    @property
    def champion(self) -> Version | None:
        """The version in service; None before the first promotion."""
        return champion(self.records)

    def follow(self, specification: MonitorSpecification, trainer: Trainer) -> None:
        """Go on under a later specification: of the trainings and decisions from now on."""
        self.specification, self._trainer = specification, trainer
        self._buffer.capacity = specification.retrain.quotas.max_rows

    def on_version(self, record: Version) -> list[Told]:
        """Take an announced version: history before the first alert or row, somebody else's decision after. Our own, read back, changes nothing."""
        if any(_same(record, old) for old in self.records):
            return []
        before = self.champion
        self.records.append(record)
        after = self.champion
        if not self._live or after is None or (before is not None and before.version == after.version):
            return []
        self._let_cool()
        return self._settle(messages.ChampionChanged(model=self.state.model, at=max(self._clock, record.at), version=after.version))

    def on_alert(self, alert: Alert, now: int) -> list[Told]:
        """Take a record of an alert; ``now`` is event time, epoch milliseconds."""
        self._go_live()
        if alert.sequence <= self._sequences.get(alert.alert_id, -1):
            return []
        self._sequences.pop(alert.alert_id, None)  # the order is that of their last records
        self._sequences[alert.alert_id] = alert.sequence
        model, at = self.state.model, max(now, self._clock)
        if alert.status == "resolved":
            return self._settle(messages.AlertResolved(model=model, at=at, alert_id=alert.alert_id))
        kind = messages.AlertOpened if alert.status == "opened" else messages.AlertUpdated
        change_at = alert.opened_at if alert.change_at == NO_TIME else alert.change_at
        return self._settle(kind(model=model, at=at, alert_id=alert.alert_id, kind=alert.kind, change_at=change_at, sequence=alert.sequence))

    def on_request(self, request: Request, now: int) -> list[Told]:
        """Take a person's or a pipeline's request; ``now`` is event time, epoch milliseconds."""
        self._go_live()
        at = max(now, self._clock)
        asked = messages.RetrainRequested(
            model=self.state.model, at=at, request_id=request.request_id, by=request.cause, why=request.reason, mode=request.mode, since=request.since, until=request.until
        )
        return self._settle(asked)

    def on_examples(self, examples: Examples) -> list[Told]:
        """Take labelled rows, in the order of their topic; rows that were taken before are skipped."""
        self._go_live()
        rows = examples.take(np.flatnonzero(self._buffer.unseen(examples)))
        clock = np.maximum(np.maximum.accumulate(row_times(rows, "outcome")), self._clock) if len(rows) else np.empty(0, np.int64)
        watched = bool(self._trials) or bool(due(self.state, self.specification.retrain))  # else no trial can begin within these rows
        learners = self._learning()
        first_sight = self._buffer.first_sight(rows) if watched or learners else np.ones(len(rows), np.bool_)
        shadow = Shadow(rows, first_sight, self.specification.task) if watched else None
        told: list[Told] = []
        start = 0
        while start < len(rows):
            learners = self._learning()
            stop = self._revised_row(learners, rows, first_sight, start, self._due_row(rows, clock, start))
            verdicts: list[tuple[Trial, Verdict]] = []
            if self._trials and shadow is not None:
                stop, verdicts = self._judge(shadow, start, stop)
            passed = rows.take(slice(start, stop))
            self._buffer.append(passed)
            self._clock = int(clock[stop - 1])
            if self.state.cause is None:
                self._idle += len(passed)
            else:
                self._counted = (self.state.cause, self._count_before() + int(wanted(passed, self.state.cause).sum()))
            told += self._learn(learners, rows, first_sight, start, stop)
            for trial, verdict in sorted(verdicts, key=lambda pair: (pair[1].outcome != "promoted", -pair[1].wealth)):
                if trial.version in self.state.open:
                    told += self._settle(self._verdict_event(trial, verdict))
                elif trial.version in self._warm():
                    told += self._stay_or_roll_back(trial, verdict)
            told += self._settle()
            start = stop
        return told

    def save(self) -> SavedLoop:
        """What `resume` needs besides the rows and the announced versions."""
        self._go_live()
        trials = tuple(SavedTrial(version=one.version, cut=one.cut, challengers=one.challengers, scale=one.scale, state=one.state) for one in self._trials.values())
        while len(self._sequences) > MOST_ALERTS:
            del self._sequences[next(iter(self._sequences))]
        return SavedLoop(state=self.state, trials=trials, sequences=dict(self._sequences), clock=self._clock, idle=self._idle, counted=self._count())

    def resume(self, saved: SavedLoop, rows: Sequence[Examples]) -> list[Told]:
        """Go on from a saved state, before any live input; gives what follows from a champion that somebody else chose since.

        Parameters
        ----------
        rows : those that were taken before, as many as are to be at hand.
        """
        self._live = True
        self.state, self._clock, self._idle = saved.state, saved.clock, saved.idle
        self._sequences, self._counted = dict(saved.sequences), (saved.state.cause, saved.counted)
        for part in rows:
            self._buffer.append(part.take(np.flatnonzero(self._buffer.unseen(part))))
        self._buffer.forget_what_was_before()
        for one in saved.trials:
            model = self._model(one.version)
            assert model is not None  # noqa: S101  a version in a trial has an artifact
            self._trials[one.version] = Trial(version=one.version, model=model, cut=one.cut, challengers=one.challengers, scale=one.scale, state=one.state)
        self._learn_again()
        serving = self.champion
        if serving is None or serving.version == self.state.champion:
            return []
        return self._settle(messages.ChampionChanged(model=self.state.model, at=max(self._clock, serving.at), version=serving.version))

    def _learn_again(self) -> None:
        """Adaptive versions learn from the rows at hand that came after their last announced revision."""
        rows = self._buffer.latest()
        if rows is None:
            return
        for learner in self._learning().values():
            while (mine := np.flatnonzero(learner.new(rows))[: learner.left]).size:
                learner.learn(rows.take(mine))
                if learner.left == 0:
                    learner.hold(self._clock)

    def _go_live(self) -> None:
        """The first live input ends the history: take up what it left open."""
        if self._live:
            return
        self._live = True
        self.state = restore(self.state.model, self.records)
        for version in self.state.open:
            gate = self._registered(version).gate
            model = self._model(version)
            assert model is not None and self.state.cause is not None  # noqa: S101, PT018  a registered version has an artifact and a cause
            self._trials[version] = Trial(version=version, model=model, cut=int(gate["cut"]), challengers=len(self.state.cause.targets), scale=float(gate["scale"]))
        self._keep_warm(*former_champion(self.records))

    def _settle(self, *events: Event) -> list[Told]:
        """Decide on events, carry out, and go on with what follows from it, until nothing is due at this time."""
        queue = deque(events)
        told: list[Told] = []
        while True:
            if not queue:
                count = self._count()
                if not any(count >= enough and self._clock >= at for enough, at in due(self.state, self.specification.retrain)):
                    return told
                queue.append(messages.LabelsArrived(model=self.state.model, at=self._clock, count=count))
            event = queue.popleft()
            self.state, instructions = step(self.state, event, self.specification.retrain)
            if self.state.cause is not None:
                self._idle = 0
            for instruction in instructions:
                told.append(self._decision(event, instruction))
                announced, follows = self._carry_out(instruction, event.at)
                told += announced
                queue += follows

    def _count_before(self) -> int:
        """Rows counted for the current cause so far, those of the rows just appended left out."""
        cause, count = self._counted
        return count if cause == self.state.cause else self._count()

    def _count(self) -> int:
        """Labelled rows that the current cause can train on; without one, those that came since the last."""
        if self.state.cause is None:
            return self._idle
        if self._counted[0] != self.state.cause:
            rows = self._buffer.latest()
            self._counted = (self.state.cause, 0 if rows is None else int(wanted(rows, self.state.cause).sum()))
        return self._counted[1]

    def _due_row(self, rows: Examples, clock: Int64, start: int) -> int:
        """End of the rows that can be taken at once: behind the first at which labels are due."""
        pairs = due(self.state, self.specification.retrain)
        if not pairs:
            return len(rows)
        more = np.ones(len(rows) - start, np.bool_) if self.state.cause is None else wanted(rows.take(slice(start, None)), self.state.cause)
        count = self._count() + np.cumsum(more)
        ready = np.logical_or.reduce([(count >= enough) & (clock[start:] >= at) for enough, at in pairs])
        return start + int(np.argmax(ready)) + 1 if ready.any() else len(rows)

    def _judge(self, shadow: Shadow, start: int, stop: int) -> tuple[int, list[tuple[Trial, Verdict]]]:
        """Step all trials up to ``stop``, or up to the first verdict before it. Gives the rows' end and the verdicts that fell there."""
        gate = self.specification.retrain.gate
        serving = self.state.champion
        current = shadow.champion(serving, self._model(serving) if serving and (shadow.rows.version[start:stop] != serving).any() else None)
        pairs = {}
        for version, trial in self._trials.items():
            old, new = shadow.losses(current, trial.scale), shadow.losses(self._challenged(shadow, trial, start, stop), trial.scale)
            usable = shadow.judged(trial.cut) & np.isfinite(old)
            pairs[version] = (np.flatnonzero(usable), old, np.where(np.isfinite(new), new, 1.0))

        def advance(end: int) -> list[tuple[Trial, GateState, Verdict, Int64]]:
            stepped = []
            for version, trial in self._trials.items():
                usable, old, new = pairs[version]
                judged = usable[(usable >= start) & (usable < end)]
                stepped.append((trial, *trial.step(old[judged], new[judged], gate, shadow.settled(trial.cut, self.specification)[judged]), judged))
            return stepped

        stepped = advance(stop)
        ends = [int(judged[verdict.used - 1]) + 1 for _, _, verdict, judged in stepped if verdict.outcome != "undecided"]
        if ends and min(ends) < stop:
            stop = min(ends)
            stepped = advance(stop)
        for trial, state, _, _ in stepped:
            trial.state = state
        return stop, [(trial, verdict) for trial, _, verdict, _ in stepped if verdict.outcome != "undecided"]

    def _verdict_event(self, trial: Trial, verdict: Verdict) -> Event:
        evidence = _evidence(verdict)
        if verdict.outcome == "promoted":
            checks = self._checks(trial)
            evidence["checks"] = msgspec.json.decode(msgspec.json.encode(checks))
            if failed(checks):
                return messages.GateRefused(model=self.state.model, at=self._clock, version=trial.version, reason=f"{failed(checks)}; {verdict.reason}", evidence=evidence)
            return messages.GatePassed(model=self.state.model, at=self._clock, version=trial.version, evidence=evidence)
        return messages.GateRefused(model=self.state.model, at=self._clock, version=trial.version, reason=verdict.reason, evidence=evidence)

    def _warm(self) -> list[str]:
        """Versions in a trial that served before: they are judged against what took their place."""
        served = {record.version for record in self.records if record.status == "promoted"}
        return [version for version in self._trials if version in served and version not in self.state.open]

    def _keep_warm(self, former: Version | None, promoted_at: int) -> None:
        """Score the former champion in the shadow of the one that took its place."""
        if former is None or self.specification.retrain.rollback == "never":
            return
        try:
            model = self._model(former.version)
        except RegistryError:  # its artifact was cleared away: nothing can serve again
            return
        if model is not None:
            rows = self._buffer.latest()
            scale = 1.0 if rows is None else self._scale(rows)
            self._trials[former.version] = Trial(version=former.version, model=model, cut=promoted_at, challengers=1, scale=scale)

    def _let_cool(self) -> None:
        for version in self._warm():
            del self._trials[version]

    def _stay_or_roll_back(self, trial: Trial, verdict: Verdict) -> list[Told]:
        """The verdict on the former champion: where it is better, it serves again, and what took its place is out for good."""
        self._let_cool()
        serving = self.state.champion
        event = Decision(
            model=self.state.model,
            at=self._clock,
            event=f"Gate{verdict.outcome.capitalize()}",
            stage=self.state.stage.value,
            instruction="RollBack" if verdict.outcome == "promoted" else "DoNothing",
            cause=self._registered(serving).cause,
            reason=f"version {trial.version}, which served before, is {verdict.reason}",
            version=serving,
        )
        if verdict.outcome != "promoted":
            return [event]
        last = next(record for record in reversed(self.records) if record.version == serving)
        gate = _evidence(verdict) | {"reason": event.reason}
        record = msgspec.structs.replace(last, status="rolled_back", at=self._clock, by="retrainer", gate=gate)
        self.records.append(record)
        self._registry.set_alias(self.state.model, "champion", trial.version)
        return [event, record, *self._settle(messages.ChampionChanged(model=self.state.model, at=self._clock, version=trial.version))]

    def _checks(self, trial: Trial) -> tuple[Check, ...]:
        """What else is asked of a challenger that is better; of a pool, that has learnt from the very rows that judged it, only what was found when it was trained."""
        found = those_recorded(self._registered(trial.version).gate)
        if trial.version in self._learners:
            return found
        rows, serving = self._buffer.latest(), self.state.champion
        assert rows is not None  # noqa: S101  those that judged it
        champion = self._model(serving) if serving else None
        judged = promotion_checks(rows, serving=serving, champion=champion, challenger=trial.model, cut=trial.cut, scale=trial.scale, specification=self.specification)
        return (*found, *judged)

    def _decision(self, event: Event, instruction: Instruction) -> Decision:
        cause = instruction.cause.cause if isinstance(instruction, messages.Train) else instruction.cause
        reason = getattr(instruction, "reason", "") or f"version {getattr(instruction, 'version', '')} is scored in the shadow of the champion"
        return Decision(
            model=self.state.model,
            at=event.at,
            event=type(event).__name__,
            stage=self.state.stage.value,
            instruction=type(instruction).__name__,
            cause=cause,
            reason=reason,
            version=getattr(instruction, "version", ""),
        )

    def _carry_out(self, instruction: Instruction, at: int) -> tuple[list[Version], list[Event]]:
        """Do what was decided. Gives the versions to announce, and what happened."""
        if isinstance(instruction, messages.Train):
            return self._train(instruction, at)
        if isinstance(instruction, messages.StartGate):
            gate = self._registered(instruction.version).gate
            model = self._models[instruction.version]
            self._trials[instruction.version] = Trial(
                version=instruction.version, model=model, cut=instruction.cut, challengers=instruction.challengers, scale=float(gate["scale"])
            )
            self._registry.set_alias(self.state.model, "challenger", instruction.version)
        elif isinstance(instruction, messages.AskApproval):
            self._trials.pop(instruction.version, None)
        elif isinstance(instruction, messages.Publish):
            self._trials.pop(instruction.version, None)
            self._let_cool()
            self._keep_warm(self.champion, at)
            self._registry.set_alias(self.state.model, "champion", instruction.version)
            promoted = [self._announce(instruction.version, "promoted", at, instruction.evidence)]
            if instruction.version in self._learners:  # what it has learnt while it was judged
                self._learners[instruction.version].hold(at)
                promoted.append(self._revise(instruction.version, at))
            return promoted, []
        elif isinstance(instruction, messages.Reject):
            trial = self._trials.pop(instruction.version, None)
            self._models.pop(instruction.version, None)
            self._learners.pop(instruction.version, None)
            evidence = instruction.evidence or ({} if trial is None else _evidence(trial.step(np.empty(0), np.empty(0), self.specification.retrain.gate)[1]))
            return [self._announce(instruction.version, "rejected", at, evidence | {"reason": instruction.reason})], []
        return [], []

    def _announce(self, version: str, status: Literal["promoted", "rejected"], at: int, gate: dict[str, Any]) -> Version:
        failed = self._failed.pop(version, None)  # announced now for the first time, so its record is to say which target of the cause it was for
        record = msgspec.structs.replace(failed or self._registered(version), status=status, at=at, gate=gate if failed is None else failed.gate | gate)
        self.records.append(record)
        return record

    def _train(self, instruction: messages.Train, at: int) -> tuple[list[Version], list[Event]]:
        retrain, cause = self.specification.retrain, instruction.cause
        rows = self._buffer.latest()
        assert rows is not None  # noqa: S101  a target is at least one row
        most = retrain.quotas.rows(len(rows.features) + 1)
        chosen = choose(rows, cause, window=retrain.window, max_rows=most, min_per_class=retrain.min_per_class, replay=retrain.replay)
        self._keep(chosen, chosen.lineage(self._topic) | {"model": self.state.model, "cause": cause.cause, "at": at})
        draft = Version(
            model=self.state.model,
            version=str(next_number(self.records)),
            status="registered",
            at=at,
            parent=self.state.champion,
            cause=cause.cause,
            trained_on=chosen.lineage(self._topic),
            gate={"cause": msgspec.to_builtins(cause), "slot": instruction.slot, "cut": chosen.cut, "scale": self._scale(rows)},
            provenance={"seed": self._seed, "specification": digest_of_specification(self.specification), **self._provenance(retrain.trainer)},
        )
        pooled = retrain.champion == "adaptive"
        learner = self._learner(self.state.champion) if pooled else None
        serving = self._model(self.state.champion) if pooled and learner is None else None
        parent = self._model(self.state.champion) if cause.mode == "online" and self.state.champion else None
        spent = self._meter()
        try:
            if not len(chosen.examples):
                raise TrainingError("; ".join(chosen.warnings) or "there are no rows to train on")
            candidate = self._trainer.train(chosen.examples, self.specification, TrainingContext(seed=self._seed, cause=cause.cause, mode=cause.mode, parent=parent))
            check(candidate, chosen.examples, self.specification)
            before, target = training_of(self.state.champion, self.records), cause.targets[instruction.slot]
            checks = training_checks(chosen, candidate.model, target=target, champion=before, specification=self.specification)
            draft = msgspec.structs.replace(draft, gate=draft.gate | {"checks": recorded(checks)})
            joining = None if learner is None else member(f"{cause.cause}/{instruction.slot}", candidate, chosen.cut)
            if pooled and learner is None:
                candidate = started(candidate, chosen.examples, self.specification, cut=chosen.cut, seed=self._seed, champion=serving)
                draft = msgspec.structs.replace(draft, trained_on=draft.trained_on | {"learnt": learnt_until(rows)})
            artifact = candidate.model.artifact() if joining is None else b""
        except Exception as error:  # whatever a trainer does, the champion stays
            reason = str(error) if isinstance(error, TrainingError) else f"{type(error).__name__}: {error}"
            spent = self._meter() - spent
            self._failed[draft.version] = msgspec.structs.replace(draft, metrics=_cost(spent))
            return [], [messages.TrainingFailed(model=draft.model, at=at, version=draft.version, cause=cause.cause, reason=reason, cpu_seconds=spent)]
        spent = self._meter() - spent
        if learner is not None and joining is not None:
            learner.join(joining)
            return self._joined(draft, candidate, at, spent)
        draft = msgspec.structs.replace(draft, parameters=candidate.parameters, metrics=candidate.metrics | _cost(spent))
        uri, digest = self._registry.register(artifact, draft)
        registered = msgspec.structs.replace(draft, uri=uri, digest=digest)
        self.records.append(registered)
        self._models[registered.version] = candidate.model
        return [registered], [messages.CandidateTrained(model=draft.model, at=at, version=draft.version, cause=cause.cause, cut=chosen.cut, cpu_seconds=spent)]

    def _learner(self, version: str) -> Learner | None:
        """An adaptive version as it learns; None of any other."""
        if version not in self._learners:
            record = next((record for record in reversed(self.records) if record.version == version and record.uri), None)
            if record is None or not is_adaptive(record):
                return None
            pool, settings = self._registry.fetch(record.uri, record.digest), self.specification.retrain
            since, learnt = int(record.gate.get("cut", record.at)), record.trained_on.get("learnt", {})
            self._learners[version] = Learner(pool, since=since, learnt=learnt, update_every=settings.update_every, most_members=settings.members)  # type: ignore[arg-type]  # by `is_adaptive`
        return self._learners[version]

    def _learning(self) -> dict[str, Learner]:
        """Adaptive versions that serve or are judged."""
        found = {version: self._learner(version) for version in (self.state.champion, *self._trials)}
        return {version: learner for version, learner in found.items() if learner is not None}

    def _revised_row(self, learners: dict[str, Learner], rows: Examples, first_sight: Bool, start: int, stop: int) -> int:
        """End of the rows that can be taken at once: behind the first at which a revision is due."""
        for learner in learners.values():
            mine = start + np.flatnonzero((first_sight & learner.new(rows))[start:stop])
            if len(mine) >= learner.left:
                stop = int(mine[learner.left - 1]) + 1
        return stop

    def _learn(self, learners: dict[str, Learner], rows: Examples, first_sight: Bool, start: int, stop: int) -> list[Told]:
        """Adaptive versions learn; gives the champion's next revision, where it is due."""
        told: list[Told] = []
        for version, learner in learners.items():
            learner.learn(rows.take(start + np.flatnonzero((first_sight & learner.new(rows))[start:stop])))
            if learner.left == 0:
                learner.hold(self._clock)
                if version == self.state.champion:
                    told.append(self._revise(version, self._clock))
        return told

    def _challenged(self, shadow: Shadow, trial: Trial, start: int, stop: int) -> Column:
        """(n,) what a challenger answers; an adaptive one to these rows alone, as those to come will find another revision."""
        learner = self._learner(trial.version)
        if learner is None:
            return shadow.predicted(trial.version, trial.model)
        said = learner.predicted(shadow.rows.take(slice(start, stop)))
        answers: Column = np.full(len(shadow.rows), np.nan if said.dtype != object else None, said.dtype)
        answers[start:stop] = said
        return answers

    def _joined(self, draft: Version, candidate: Candidate, at: int, spent: float) -> tuple[list[Version], list[Event]]:
        """Announce an adaptive champion that has a member more."""
        champion = self.state.champion
        self._learners[champion].hold(at)
        gate = {name: draft.gate[name] for name in ("cause", "slot", "cut")} | {"reason": f"a model trained on {draft.trained_on['rows']} rows joined the pool"}
        revision = self._revise(
            champion,
            at,
            cause=draft.cause,
            trained_on=draft.trained_on,
            gate=gate,
            member=msgspec.structs.replace(draft, parameters=candidate.parameters, metrics=candidate.metrics | _cost(spent)),
        )
        return [revision], [messages.MemberTrained(model=draft.model, at=at, version=champion, cause=draft.cause, cut=int(gate["cut"]), cpu_seconds=spent)]

    def _revise(
        self, version: str, at: int, *, cause: str = "", trained_on: dict[str, Any] | None = None, gate: dict[str, Any] | None = None, member: Version | None = None
    ) -> Version:
        """The next revision of an adaptive champion, registered and recorded."""
        learner, before = self._learners[version], [record for record in self.records if record.version == version][-1]
        weights = {f"weight of {one.name}": float(weight) for one, weight in zip(learner.pool.members, learner.pool.weights, strict=False)}
        record = msgspec.structs.replace(
            before,
            revision=max(one.revision for one in self.records if one.version == version) + 1,
            status="updated",
            at=at,
            by="retrainer",
            cause=cause,
            trained_on=(trained_on or {"topic": self._topic}) | {"learnt": {str(partition): list(place) for partition, place in learner.learnt.items()}},
            provenance=before.provenance if member is None else member.provenance,
            parameters=before.parameters | ({} if member is None else {"member": member.parameters}),
            metrics=weights | {"weight of the online forest": float(learner.pool.weights[-1])} | ({} if member is None else member.metrics),
            gate=gate or {},
        )
        uri, digest = self._registry.register(learner.artifact(), record)
        record = msgspec.structs.replace(record, uri=uri, digest=digest)
        self.records.append(record)
        return record

    def _scale(self, rows: Examples) -> float:
        """Absolute error that counts as 1 in the trial to come, fixed by what the champion did before it."""
        if self.specification.task == "classification":
            return 1.0
        recent = rows.take(slice(-self.specification.retrain.window, None))
        return fixed_scale(recent.prediction, recent.label)

    def _registered(self, version: str) -> Version:
        """First record of a version: with its artifact, or of a training that failed."""
        return next((record for record in self.records if record.version == version), None) or self._failed[version]

    def _model(self, version: str) -> Model | None:
        """A version's model; None where it was never registered with us."""
        if version not in self._models:
            record = next((record for record in self.records if record.version == version and record.uri), None)
            if record is None:
                return None
            self._models[version] = self._registry.fetch(record.uri, record.digest)
        return self._models[version]


def _cost(cpu_seconds: float) -> dict[str, float]:
    """Among a version's metrics; where nothing is measured, nothing is told."""
    return {"cpu_seconds": round(cpu_seconds, 3)} if cpu_seconds else {}


def _same(record: Version, other: Version) -> bool:
    """Whether two records tell of the same event; a version may be promoted again after it was rolled back."""
    return (record.version, record.status, record.revision, record.at, record.by) == (other.version, other.status, other.revision, other.at, other.by)


def _evidence(verdict: Verdict) -> dict[str, Any]:
    """A verdict as a version announces it: nan becomes null, and how much of a batch was used is no evidence."""
    told = msgspec.json.decode(msgspec.json.encode(verdict))
    del told["used"]
    return dict(told)
