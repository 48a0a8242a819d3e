"""The closed loop of one model: alerts, requests and labelled rows in, announced versions and decisions out.

It carries out what `decide` says, with the trainer and the registry that it is given. It reads no clock: time comes with the alerts and the rows. Decisions fall at the very row
that they are due at, so the same sequence gives the same versions however the rows were batched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from detectors.alerts.alert import Alert
from detectors.event_batch import NO_TIME, Int64
from detectors.rfc3339 import format_time
from detectors.rows.examples import Examples
from detectors.specification import MonitorSpecification
from retrainer import messages
from retrainer.announced import Announced
from retrainer.canary import end_of
from retrainer.decide import due, step
from retrainer.decision import Decision
from retrainer.first_rows import Kept
from retrainer.gate import Verdict
from retrainer.learners import Learners, Learning, due_row, learn, learn_again
from retrainer.messages import Cause, Event, Instruction
from retrainer.registry import Registry
from retrainer.remembered import story
from retrainer.row_buffer import RowBuffer
from retrainer.saved import SavedLoop
from retrainer.stage import LONG_AGO, Stage, State, restore
from retrainer.trainers import Trainer
from retrainer.training import TrainingRoom, train
from retrainer.training_set import TrainingSet, row_times, wanted
from retrainer.trial import Shadow, Trial
from retrainer.trials import Trials, evidence, so_far
from retrainer.versions import Request, Version, former_champion

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
    kept : gives a training set back: that of the first champion is what trainings know of the time before the first row.
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
        kept: Kept = lambda *_: None,
        meter: Callable[[], float] = lambda: 0.0,
        provenance: Callable[[str], Mapping[str, Any]] = lambda _: {},
    ) -> None:
        self.specification = specification
        self.announced = Announced(specification.model, registry)
        self.state = State(model=specification.model)
        self._trainer = trainer
        self._room = TrainingRoom(topic=topic, seed=seed, keep=keep, kept=kept, meter=meter, provenance=provenance)
        self._buffer = RowBuffer(specification.retrain.quotas.max_rows)
        self._learners = Learners(self.announced, topic)
        self._trials = Trials(self.announced, self._learners)
        self._sequences: dict[str, int] = {}
        self._forgotten = {"alerts": 0, "causes": 0}
        self._counted: tuple[Cause | None, int] = (None, 0)
        self._idle = 0  # labelled rows since the last cause ended
        self._labels = 0  # labelled rows so far
        self._clock = LONG_AGO
        self._live = False
        self._ended = False
        self._left_out: tuple[Cause | None, int] | None = None  # cause and slot of the training that was told last not to be begun
        for record in records:
            self.on_version(record)

    @property
    def records(self) -> list[Version]:
        """All records of versions, in their order."""
        return self.announced.records

    @property
    def forgotten(self) -> dict[str, str]:
        """What was lost where a bound of ``retrain.remembered`` was reached, in words, by the bound's name."""
        return {name: story(name, count, self.specification.retrain.remembered) for name, count in (self._forgotten | {"revisions": self._learners.unweighed}).items() if count}

    @property
    def champion(self) -> Version | None:
        """The version in service; None before the first promotion."""
        return self.announced.champion

    def follow(self, specification: MonitorSpecification, trainer: Trainer) -> None:
        """Go on under a later specification: of the trainings and decisions from now on."""
        self.specification, self._trainer = specification, trainer
        self._buffer.capacity = specification.retrain.quotas.max_rows

    def on_version(self, record: Version) -> list[Told]:
        """Take an announced version: history before the first alert or row, somebody else's decision after. Our own, read back, changes nothing."""
        if not self.announced.take(record) or not self._live:
            return []
        return self._follow_others()

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

    def on_time(self, now: int) -> list[Told]:
        """Take word of the time, where every labelled row that was known by ``now`` (event time, epoch milliseconds) has been taken.

        It ends a canary whose labels never come. Nothing else waits for time alone: what trains needs rows, and comes with them.
        """
        self._go_live()
        if not self.state.canary or now < self.state.canary_until:
            return []
        return self._settle(messages.TimePassed(model=self.state.model, at=max(now, self._clock)))

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
            stop = due_row(learners, rows, first_sight, start, self._due_row(rows, clock, start))
            verdicts: list[tuple[Trial, Verdict]] = []
            if self._trials and shadow is not None:
                stop, verdicts = self._trials.judge(shadow, start, stop, serving=self.state.champion, specification=self.specification)
            passed = rows.take(slice(start, stop))
            self._buffer.append(passed)
            self._clock = int(clock[stop - 1])
            self._labels += len(passed)
            if self.state.cause is None:
                self._idle += len(passed)
            else:
                self._counted = (self.state.cause, self._count_before() + int(wanted(passed, self.state.cause).sum()))
            revised = learn(learners, passed, first_sight[start:stop], self._clock, self._labels - len(passed))
            told += [self._learners.revise(version, self._clock) for version in revised if version in (self.state.champion, self.state.canary)]
            if self.state.champion in revised:
                told += self._settle(self._learners.standing(self.state.champion, self._clock))
            for trial, verdict in sorted(verdicts, key=lambda pair: (pair[1].outcome != "promoted", -pair[1].wealth)):
                if not self._trials.is_under_way(trial):  # a verdict before it, at the same row, put another champion in its place
                    continue
                if trial.version in self.state.open or trial.version == self.state.canary:
                    told += self._settle(self._verdict(trial, verdict))
                elif trial.version in self._trials.warm(self.state.open):
                    told += self._stay_or_roll_back(trial, verdict)
            told += self._settle()
            start = stop
        return told

    def end(self) -> None:
        """The last event was predicted, as in a replay: labels may still come, and judge what is under way, but no training begins, as its model could serve no event."""
        self._ended = True

    def save(self) -> SavedLoop:
        """What `resume` needs besides the rows and the announced versions."""
        self._go_live()
        while len(self._sequences) > self.specification.retrain.remembered.alerts:
            del self._sequences[next(iter(self._sequences))]
            self._forgotten["alerts"] += 1
        return SavedLoop(
            state=self.state,
            trials=self._trials.save(),
            sequences=dict(self._sequences),
            clock=self._clock,
            idle=self._idle,
            counted=self._count(),
            labels=self._labels,
            learnt=self._learners.unannounced(),
        )

    def resume(self, saved: SavedLoop, rows: Sequence[Examples]) -> list[Told]:
        """Go on from a saved state, before any live input; gives what follows from a champion that somebody else chose since.

        Parameters
        ----------
        rows : those that were taken before, as many as are to be at hand.
        """
        self._live = True
        self.state, self._clock, self._idle, self._labels = saved.state, saved.clock, saved.idle, saved.labels
        self._sequences, self._counted = dict(saved.sequences), (saved.state.cause, saved.counted)
        for part in rows:
            self._buffer.append(part.take(np.flatnonzero(self._buffer.unseen(part))))
        self._buffer.forget_what_was_before()
        serving = self.champion
        void = serving is not None and serving.version != self.state.champion  # somebody else chose it since
        self._trials.resume(saved.trials, judged=() if void else (*self.state.open, self.state.canary))
        learning = {**self._learners.at_hand(saved.learnt or (), self.specification.retrain), **self._learning()}
        learn_again(learning, self._buffer, self._labels, saved.learnt)
        return self._follow_others()

    def _go_live(self) -> None:
        """The first live input ends the history: take up what it left open."""
        if self._live:
            return
        self._live = True
        self.state = restore(self.state.model, self.records)
        for version in self.state.open:
            self._judge_from_now_on(version)
        if self.state.canary:
            began = next(record.at for record in reversed(self.announced.of(self.state.canary)) if record.status == "canary")
            self._trials.begin_canary(self.state.canary, at=began)
        self._keep_warm(*former_champion(self.records))

    def _follow_others(self) -> list[Told]:
        """What follows from what somebody else announced: of a canary that was taken back, and of another champion."""
        told = self._follow_withdrawal()
        serving = self.champion
        if serving is None or serving.version == self.state.champion:
            return told
        self._trials.let_cool(self.state.open)
        self._trials.end(serving.version)  # it would be judged against itself
        last = next(record for record in reversed(self.records) if record.status in {"promoted", "rolled_back"})
        back = last.version if last.status == "rolled_back" and last.version == self.state.champion else ""
        return told + self._settle(messages.ChampionChanged(model=self.state.model, at=self._event_time(serving), version=serving.version, rolled_back=back))

    def _event_time(self, announced: Version) -> int:
        """How late it is by the events, as a person's announcement is of another clock; its own time where nothing tells."""
        if self._clock > LONG_AGO:
            return self._clock
        return max((record.at for record in self.records if record.by == "retrainer"), default=announced.at)

    def _follow_withdrawal(self) -> list[Told]:
        """Where somebody took the canary back, it is judged no further; where it ended as the champion became another one, that is the reason."""
        withdrawn, serving = self.state.canary, self.champion
        end = end_of(withdrawn, self.records) if withdrawn else None
        if end is None:
            return []
        replaced = serving is not None and serving.version != self.state.champion
        if replaced and (end.version != withdrawn or end.status == "promoted"):
            return []
        self._trials.end(withdrawn)
        self._learners.forget(withdrawn)
        return self._settle(messages.CanaryWithdrawn(model=self.state.model, at=self._event_time(end), version=withdrawn, by=end.by))

    def _learning(self) -> Learning:
        """Adaptive versions that serve or are judged."""
        return self._learners.among((self.state.champion, *self._trials), self.specification.retrain)

    def _keep_warm(self, former: Version | None, promoted_at: int) -> None:
        self._trials.keep_warm(former, promoted_at, self._buffer.latest(), self.specification)

    def _verdict(self, trial: Trial, verdict: Verdict) -> Event:
        rows = self._buffer.latest()
        assert rows is not None  # noqa: S101  those that judged it
        return self._trials.told(trial, verdict, at=self._clock, rows=rows, serving=self.state.champion, specification=self.specification)

    def _settle(self, *events: Event) -> list[Told]:
        """Decide on events, carry out, and go on with what follows from it, until nothing is due at this time."""
        queue = deque(events)
        told: list[Told] = []
        while True:
            if not queue:
                if self._clock == LONG_AGO:  # nothing is due before a row has told the time
                    return told
                count = self._count()
                if not any(count >= enough and self._clock >= at for enough, at in due(self.state, self.specification.retrain)):
                    return told
                if self._is_over():
                    return told + self._not_trained(count)
                queue.append(messages.LabelsArrived(model=self.state.model, at=self._clock, count=count, labels=self._labels))
            event = queue.popleft()
            before = self.state.finished
            self.state, instructions = step(self.state, event, self.specification.retrain)
            if before is not self.state.finished:
                self._forgotten["causes"] += len(set(before).difference(self.state.finished))
            if self.state.cause is not None:
                self._idle = 0
            for instruction in instructions:
                told.append(self._decision(event, instruction))
                announced, follows = self._carry_out(instruction, event.at)
                told += announced
                queue += follows

    def _is_over(self) -> bool:
        """Whether what is due would be a training for a stream that has ended; of a canary it is its own end."""
        return self._ended and self.state.stage is not Stage.CANARY

    def _not_trained(self, count: int) -> list[Told]:
        """The decision not to train for a stream that has ended; once for each training."""
        cause, slot = self.state.cause, self.state.slot
        if self._left_out == (cause, slot):
            return []
        self._left_out = (cause, slot)
        name = "" if cause is None else cause.cause
        why = f"the stream has ended: {count} labelled events would be enough to train on, but a model of labels that came after the last event could serve none"
        return [Decision(model=self.state.model, at=self._clock, event="LabelsArrived", stage=self.state.stage.value, instruction="DoNothing", cause=name, reason=why)]

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
        if not pairs or self._is_over():
            return len(rows)
        more = np.ones(len(rows) - start, np.bool_) if self.state.cause is None else wanted(rows.take(slice(start, None)), self.state.cause)
        count = self._count() + np.cumsum(more)
        ready = np.logical_or.reduce([(count >= enough) & (clock[start:] >= at) for enough, at in pairs])
        return start + int(np.argmax(ready)) + 1 if ready.any() else len(rows)

    def _stay_or_roll_back(self, trial: Trial, verdict: Verdict) -> list[Told]:
        """The verdict on the former champion: where it is better, it serves again, and what took its place is rolled back; else it is watched on, since the world may turn."""
        self._trials.let_cool(self.state.open)
        watched_on = verdict.outcome == "rejected" and self._trials.watch_on(trial, self.specification.retrain.gate)
        serving = self.state.champion
        event = Decision(
            model=self.state.model,
            at=self._clock,
            event=f"Gate{verdict.outcome.capitalize()}",
            stage=self.state.stage.value,
            instruction="RollBack" if verdict.outcome == "promoted" else "DoNothing",
            cause=self.announced.registered(serving).cause,
            reason=f"version {trial.version}, which served before, is {verdict.reason}" + ("; it is judged on" if watched_on else ""),
            version=serving,
        )
        if verdict.outcome != "promoted":
            return [event]
        record = self.announced.roll_back(serving, self._clock, evidence(verdict) | {"reason": event.reason})
        self.announced.call("champion", trial.version)
        return [event, record, *self._settle(messages.ChampionChanged(model=self.state.model, at=self._clock, version=trial.version, rolled_back=serving))]

    def _decision(self, event: Event, instruction: Instruction) -> Decision:
        cause = instruction.cause.cause if isinstance(instruction, messages.Train) else instruction.cause
        reason = getattr(instruction, "reason", "") or f"version {getattr(instruction, 'version', '')} is scored in the shadow of the champion"
        if isinstance(instruction, messages.Postpone) and instruction.until > event.at:
            reason += f", until {format_time(instruction.until)}"
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
            self._trials.begin(instruction.version, cut=instruction.cut, challengers=instruction.challengers)
            self.announced.call("challenger", instruction.version)
        elif isinstance(instruction, messages.JudgeAnew):
            self._judge_from_now_on(instruction.version)
        elif isinstance(instruction, messages.AskApproval):
            self._trials.end(instruction.version)
        elif isinstance(instruction, messages.Publish):
            self._trials.end(instruction.version)
            self._trials.let_cool(self.state.open)
            self._keep_warm(self.champion, at)
            self.announced.call("champion", instruction.version)
            return self._with_revision(self.announced.tell(instruction.version, "promoted", at, instruction.evidence), at), []
        elif isinstance(instruction, messages.StartCanary):
            self._trials.end(instruction.version)
            self._trials.begin_canary(instruction.version, at=at)
            found = instruction.evidence | {"until": instruction.until}
            return self._with_revision(self.announced.tell(instruction.version, "canary", at, found, share=instruction.share), at), []
        elif isinstance(instruction, messages.RollBack):
            found = self._end_trial(instruction.version, instruction.evidence)
            return [self.announced.roll_back(instruction.version, at, found | {"reason": instruction.reason})], []
        elif isinstance(instruction, messages.Reject):
            found = self._end_trial(instruction.version, instruction.evidence)
            return [self.announced.tell(instruction.version, "rejected", at, found | {"reason": instruction.reason})], []
        return [], []

    def _judge_from_now_on(self, version: str) -> None:
        """Begin the trial of a challenger of the cause on labels that are still to come."""
        assert self.state.cause is not None  # noqa: S101  a version in a trial has a cause
        self._trials.begin(version, cut=int(self.announced.registered(version).gate["cut"]), challengers=len(self.state.cause.targets))

    def _train(self, instruction: messages.Train, at: int) -> tuple[list[Version], list[Event]]:
        rows = self._buffer.latest()
        assert rows is not None  # noqa: S101  a target is at least one row
        return train(
            instruction,
            rows,
            at,
            champion=self.state.champion,
            announced=self.announced,
            learners=self._learners,
            trainer=self._trainer,
            specification=self.specification,
            room=self._room,
        )

    def _with_revision(self, record: Version, at: int) -> list[Version]:
        """A version that is to serve; of an adaptive one also what it has learnt while it was judged."""
        return [record, self._learners.held_and_revised(record.version, at)] if record.version in self._learners else [record]

    def _end_trial(self, version: str, found: dict[str, Any]) -> dict[str, Any]:
        """Judge a version no further; gives its evidence, which is that of the trial so far where there was no verdict."""
        trial = self._trials.end(version)
        self.announced.forget(version)
        self._learners.forget(version)
        return found or ({} if trial is None else so_far(trial, self.specification))
