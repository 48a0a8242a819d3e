"""Detectors and alerts of one model revision, stepped by panes that have closed, in their order.

Panes may come one by one or many at a time: what is said of them is the same. Detectors take many at once, as if no alert were resolved or given up
among them, and none were opened of a kind of which none is open; where one is, the panes behind it are taken again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np

from detectors.acknowledgement import Acknowledgement, Present
from detectors.alerts.alert import Acknowledged, Alert
from detectors.alerts.causes import Seen, causes_of
from detectors.alerts.lifecycle import Alarm, Lifecycle, Resolution
from detectors.alerts.slice_contrasts import risen
from detectors.alerts.slice_evidence import SliceEvidence
from detectors.alerts.slice_figures import slice_evidence
from detectors.detection.closed_pane import ClosedPane
from detectors.detection.slice_history import SliceHistory
from detectors.detector import Detector, State
from detectors.event_batch import Float64
from detectors.monitors.bank import by_dependence_on_version, detectors_of, hourly_monitors, of_a_later_version, silence_of
from detectors.monitors.silence import NOTHING, SILENT, Heard, Quiet
from detectors.monitors.traffic import TrafficChange
from detectors.panes.layout import Layout
from detectors.references.acknowledged_references import AcknowledgedReferences
from detectors.references.hour_tables import HourTables, has_hours, with_hours
from detectors.references.period_references import PeriodReferences
from detectors.rfc3339 import format_time, parse_time
from detectors.scans.panels import Walking
from detectors.scans.window_bank import WindowBank
from detectors.specification import MonitorSpecification
from detectors.verdict import Status, Verdicts

PANES_AT_ONCE = 64
"""Of these, all behind an alert that opens or ends are judged again."""

LEAD_PANES, LEAD_PREDICTIONS = 5, 30  # by chance two versions at 50/50 pass both once in months, whatever their traffic


@dataclass(frozen=True)
class Judged:
    """What came of one closed pane: alert records, and the way on which the detectors passed it at a place."""

    pane: ClosedPane
    total: Float64
    alerts: tuple[Alert, ...] = ()
    walks: tuple[_Walk, ...] = ()
    place: int = 0
    quiet: tuple[Quiet, ...] = ()  # how long there were no predictions before it, and in it
    measured: bool = True  # see `Watch.measured`

    @property
    def verdicts(self) -> Iterator[tuple[Detector, Verdicts]]:
        """Of each detector."""
        return ((walk.detector, walk.verdicts.of_pane(self.place)) for walk in self.walks)


@dataclass(frozen=True)
class _Lead:
    """Panes running in which a version made more than twice the predictions of the one that is watched."""

    version: str
    at: int  # end of the first of them
    panes: int = 0
    predictions: float = 0

    @property
    def is_clear(self) -> bool:
        """Whether its version takes over."""
        return self.panes >= LEAD_PANES and self.predictions >= LEAD_PREDICTIONS


class Watch:
    """State of one model revision's detectors and alerts."""

    def __init__(self, specification: MonitorSpecification, layout: Layout) -> None:
        self._specification = specification
        self._layout = layout
        self._inputs, self._outputs = by_dependence_on_version(detectors_of(specification))
        self._states: dict[str, State] = {_name(detector): detector.initial() for detector in (*self._inputs, *self._outputs)}
        self._lifecycle = Lifecycle(specification)
        self._version: str | None = None
        self._first_version = True
        self._lead: _Lead | None = None
        self._happened: list[tuple[int, str]] = []
        self._acknowledged = AcknowledgedReferences()
        self._slices = None if layout.slices is None else SliceHistory()
        self._silence = silence_of(specification)
        self._heard = NOTHING
        reference = specification.reference
        self._periods = PeriodReferences(reference.period) if reference.kind == "previous_period" else None
        profile = reference.profile
        learns = reference.kind == "hour_of_week" and profile is not None and not has_hours(profile)
        self._hours = HourTables(layout, reference.weeks) if learns else None
        if self._hours is not None:
            self._await_hours()

    @property
    def measured(self) -> bool:
        """Whether the version that the reference was measured on is still the one that is watched."""
        return self._first_version

    def take(self, panes: Sequence[ClosedPane], words: Sequence[Acknowledgement] = ()) -> Walking[list[Judged]]:
        """Judge closed panes, in their order; with what was said of alerts, each word from the pane on from which it counts."""
        judged: list[Judged] = []
        while len(judged) < len(panes):
            judged += yield from self._take_some(panes[len(judged) : len(judged) + PANES_AT_ONCE], words)
        return judged

    def _take_some(self, panes: Sequence[ClosedPane], words: Sequence[Acknowledgement]) -> Walking[list[Judged]]:
        """Judge the panes of one version, up to where an alert opens or ends, or was acknowledged."""
        ended, _ = self.pass_time(panes[0].start, words)
        ended += self.give_up(self._end(panes[0]) - 1)[0]
        ended += self._follow_version(panes[0])
        panes = self._of_one_period(self._of_known_hours(panes))
        next_word = self._acknowledged.next_from(words)
        panes = panes[:1] if self._acknowledged.learning else panes if next_word is None else [pane for pane in panes if pane.start < next_word]
        run, leads = [panes[0]], [self._lead]
        listened = [self._listen(self._heard, panes[0])]
        for pane in panes[1:]:
            version, lead = self._followed(pane, leads[-1])
            if version != self._version or (self._silence is not None and self._silence.is_due(listened[-1][0], pane.start)):
                break
            run.append(pane)
            leads.append(lead)
            listened.append(self._listen(listened[-1][0], pane))
        totals = np.stack([pane.total() for pane in run])
        serving = totals if all(name == self._version for pane in run for name, _ in pane.groups) else np.stack([pane.of_version(self._version) for pane in run])
        known = totals if all(pane.whole for pane in run) else np.where([[pane.whole] for pane in run], totals, np.nan)
        inputs = [(detector, known if isinstance(detector, TrafficChange) else totals) for detector in self._inputs]
        walks = yield from self._walks([*inputs, *((detector, serving) for detector in self._outputs)], run)
        drifting = np.any([(walk.verdicts.status == Status.DRIFT).any(axis=1) for walk in walks], axis=0) if walks else np.zeros(len(run), bool)
        judged: list[Judged] = []
        well: list[str] = []
        for place, pane in enumerate(run):
            if place and self._lifecycle.gives_up(self._end(pane) - 1):
                break
            if self._slices is not None:
                self._slices.add(pane.start, serving[place][self._layout.blocks["slices"]])
            alerts = [] if place else ended
            if drifting[place] or not self._lifecycle.idle:
                said, well = self._alerts(self._end(pane), walks, place, heard=listened[place][0].last == self._end(pane))
                alerts = [*alerts, *said]
            judged.append(Judged(pane, totals[place], tuple(alerts), tuple(walks), place, listened[place][1], self._first_version))
            if well or any(self._lifecycle.held(walk.detector.kind) and not walk.followed for walk in walks):
                break
        self._lead, self._heard = leads[len(judged) - 1], listened[len(judged) - 1][0]
        for walk in walks:
            self._states[_name(walk.detector)] = walk.state_after(len(judged) - 1)
        if self._periods is not None:
            self._periods.add(totals[: len(judged)], serving[: len(judged)])
        if self._hours is not None:
            self._hours.add([one.pane.start for one in judged], totals[: len(judged)], serving[: len(judged)])
        self._restart(dict.fromkeys(well, self._end(judged[-1].pane)))
        self._learn(self._end(judged[-1].pane))
        return judged

    def _of_one_period(self, panes: Sequence[ClosedPane]) -> Sequence[ClosedPane]:
        """Those of the first one's period, where the one before is the reference; it becomes that now."""
        if self._periods is None:
            return panes
        end = self._periods.end(panes[0].start)
        stated = {f"missing:{name}" for name, feature in self._layout.features.items() if feature.max_missing is not None}
        found = {name: present for name, present in self._periods.turn(panes[0].start, self._inputs, self._outputs).items() if name not in stated}
        if found:
            self._acknowledged.take(found)
            self._make_detectors()
            self._restart(dict.fromkeys(found, panes[0].start))
        return [pane for pane in panes if pane.start < end]

    def _await_hours(self) -> None:
        """Nothing is compared before the hours of the week are known."""
        self._acknowledged.take(dict.fromkeys(hourly_monitors(self._specification), Present()))
        self._make_detectors()

    def _of_known_hours(self, panes: Sequence[ClosedPane]) -> Sequence[ClosedPane]:
        """Those before the hours of the week are known, or all; where enough weeks were seen, monitors begin to compare with them now."""
        if self._hours is None:
            return panes
        if self._hours.is_due(panes[0].start):
            awaiting = set(hourly_monitors(self._specification))
            self._hours.learn()
            self._take_hours(self._hours.known)
            self._acknowledged.drop(awaiting)
            self._make_detectors()
            self._states |= {_name(one): one.initial() for one in (*self._inputs, *self._outputs) if awaiting.intersection(one.names)}
        until = self._hours.until(panes[0].start)
        return panes if until is None else [pane for pane in panes if pane.start < until]

    def _take_hours(self, tables: Mapping[str, str]) -> None:
        """The specification, as if its profile had known the hours."""
        reference = self._specification.reference
        assert reference.profile is not None  # noqa: S101  without a profile there is a table of nothing
        known = reference.model_copy(update={"profile": with_hours(reference.profile, tables)})
        self._specification = self._specification.model_copy(update={"reference": known})

    def _end(self, pane: ClosedPane) -> int:
        return pane.start + self._specification.pane

    def _walks(self, asked: Sequence[tuple[Detector, Float64]], panes: Sequence[ClosedPane]) -> Walking[list[_Walk]]:
        """The ways of detectors through panes; of the banks among them beside others."""
        starts = [pane.start for pane in panes]
        followed = [bool(self._lifecycle.held(detector.kind)) for detector, _ in asked]
        before = [self._states[_name(detector)] for detector, _ in asked]
        banks = {place: detector for place, (detector, _) in enumerate(asked) if isinstance(detector, WindowBank)}
        walked = yield [(bank, bank.way(before[place], asked[place][1], starts, gone=followed[place])) for place, bank in banks.items()]
        found = dict(zip(banks, walked, strict=True))
        for place, (detector, counts) in enumerate(asked):
            if place not in found:
                found[place] = detector.walk(before[place], counts, starts, gone=followed[place])
        return [_Walk(detector, before[place], counts, starts, *found[place], followed[place]) for place, (detector, counts) in enumerate(asked)]

    def _alerts(self, at: int, walks: Sequence[_Walk], place: int, *, heard: bool) -> tuple[list[Alert], list[str]]:
        """Alert records of one pane, which had predictions if it was ``heard``, and the names of the monitors that are well again."""
        alarms: list[Alarm] = []
        resolutions = {SILENT: Resolution(known=heard, gone=heard)} if self._silence is not None else {}
        for walk in walks:
            detector, verdicts = walk.detector, walk.verdicts.of_pane(place)
            held = self._lifecycle.held(detector.kind)
            for name, known, gone in zip(detector.names, ~np.isnan(verdicts.recent_effect), verdicts.gone, strict=True) if held else ():
                if name in held:
                    resolutions[name] = Resolution(known=bool(known), gone=bool(gone))
            drifted = np.flatnonzero(verdicts.status == Status.DRIFT).tolist()
            unknown = [monitor for monitor in drifted if not self._lifecycle.knows(detector.kind, detector.names[monitor])]
            if unknown:
                state = walk.state_after(place)
                found = zip(unknown, detector.evidences(state, unknown), strict=True)
                alarms += [
                    Alarm(kind=detector.kind, evidence=evidence, change_at=int(verdicts.change_at[monitor]), earliest=parse_time(evidence.basis["earliest"]))
                    for monitor, evidence in found
                ]
        happened = [sentence for when, sentence in self._happened if when > at - self._specification.alerts.cooldown]
        if alarms:
            happened += self._causes(at, min(alarm.change_at for alarm in alarms), walks, place)
        return self._lifecycle.step(at, self._version or "", alarms, resolutions, happened, self._risen([alarm.change_at for alarm in alarms if alarm.kind == "performance"]))

    def _risen(self, changes: Sequence[int]) -> list[SliceEvidence]:
        """Slices in which errors rose by more than elsewhere since the first of some changes."""
        if self._slices is None or self._layout.slices is None or not changes:
            return []
        binary = self._specification.task == "classification"
        return [slice_evidence(found, binary=binary) for found in risen(self._layout.slices, *self._slices.parted(min(changes)), binary=binary)]

    def _causes(self, at: int, change_at: int, walks: Sequence[_Walk], place: int) -> list[str]:
        """What else changed with what goes into the model, when alarms of a pane began."""
        inputs = [walk for walk in walks if walk.detector.group != "performance"]
        seen = [Seen(walk.detector, walk.state_after(place)) for walk in inputs if isinstance(walk.detector, WindowBank) and not isinstance(walk.detector, TrafficChange)]
        importance = {name: feature.importance for name, feature in self._layout.features.items() if feature.importance is not None}
        return causes_of(seen, at=at, change_at=change_at, pane=self._specification.pane, importance=importance)

    def _followed(self, pane: ClosedPane, lead: _Lead | None) -> tuple[str | None, _Lead | None]:
        """The version whose errors are watched from a pane on: the first, until another has led it clearly for a stretch; and who leads it."""
        sizes: dict[str, float] = {}
        for (version, _), counts in sorted(pane.groups.items()):
            sizes[version] = sizes.get(version, 0) + self._layout.traffic(counts, "predictions")
        served = max(sizes, key=lambda version: (sizes[version], version))
        if sizes[served] <= 0:
            return self._version, lead
        if self._version is None:
            return served, None
        if sizes[served] <= 2 * sizes.get(self._version, 0):
            return self._version, None
        if lead is None or lead.version != served:
            lead = _Lead(served, self._end(pane))
        lead = replace(lead, panes=lead.panes + 1, predictions=lead.predictions + sizes[served])
        return (served if lead.is_clear else self._version), lead

    def _follow_version(self, pane: ClosedPane) -> list[Alert]:
        """A new version has its own errors, which are learnt anew; returns the alerts that the old one's monitors leave."""
        served, self._lead = self._followed(pane, self._lead)
        alerts: list[Alert] = []
        if self._lead is not None and self._lead.is_clear:
            takeover = f"version {served or '(none)'} took over from {self._version or '(none)'} by {format_time(self._lead.at)}"
            self._happened = [*self._happened[-9:], (self._lead.at, takeover)]
            self._lead = None
            self._first_version = False
            outputs = {name for detector in self._outputs for name in detector.names}
            alerts = self._lifecycle.drop(outputs, self._end(pane), takeover)
            self._acknowledged.drop(outputs)
            if self._hours is not None and not self._hours.known:
                self._acknowledged.take({name: Present() for name in hourly_monitors(self._specification) if name in outputs})
            if self._periods is not None:
                self._periods.begin_outputs()
            self._slices = None if self._slices is None else SliceHistory()
            self._outputs = of_a_later_version(self._specification, self._acknowledged.references)
            for detector in self._outputs:
                self._states[_name(detector)] = detector.initial()
        self._version = served
        return alerts

    def pass_time(self, until: int, words: Sequence[Acknowledgement] = ()) -> tuple[list[Alert], bool]:
        """Do what is due by a time though no pane may say so: a silence is told, alerts are acknowledged, or given up; returns records, and whether anything has changed."""
        alerts: list[Alert] = []
        before = self._heard
        due = self._acknowledged.due(words, until)
        for word in due:
            alerts += self._fall_silent(word.effective_from)
            alerts += self.give_up(word.effective_from)[0]
            alerts += self._acknowledge(word)
        alerts += self._fall_silent(until)
        given_up, changed = self.give_up(until)
        return alerts + given_up, changed or bool(due) or self._heard is not before

    def _fall_silent(self, until: int) -> list[Alert]:
        """Tell of a silence when it is due."""
        if self._silence is None or not self._silence.is_due(self._heard, until):
            return []
        at = self._silence.due(self._heard)
        assert at is not None  # noqa: S101  it falls silent
        alerts, _ = self.give_up(at)
        evidence = self._silence.evidence(self._heard)
        alarm = Alarm(kind="service", evidence=evidence, change_at=self._heard.last, earliest=self._heard.last)
        self._heard = replace(self._heard, told=True)
        known = self._lifecycle.knows("service", SILENT)
        records, _ = self._lifecycle.step(at, self._version or "", [] if known else [alarm], {SILENT: Resolution(known=True, gone=False)} if known else {})
        return alerts + records

    def _listen(self, heard: Heard, pane: ClosedPane) -> tuple[Heard, tuple[Quiet, ...]]:
        """What is known of pauses after a pane, and what there is to say of them."""
        if self._silence is None:
            return heard, ()
        predicted = any(self._layout.traffic(counts, "predictions") > 0 for counts in pane.groups.values())
        return self._silence.listen(heard, pane.start, self._end(pane), predicted=predicted)

    def quiet(self, until: int) -> tuple[Quiet, ...]:
        """What there is to say of a silence that lasts at a time."""
        found = () if self._silence is None else self._silence.passed(self._heard, until)
        if found:
            self._heard = replace(self._heard, noted=found[-1].silent_for)
        return found

    def _acknowledge(self, word: Acknowledgement) -> list[Alert]:
        """Resolve the alert, if it is still open; what its monitors saw since the change is what they compare with from now on."""
        alert = self._lifecycle.open_alert(word.alert_id)
        if alert is None:
            return []
        began = {evidence.name: parse_time(evidence.basis.get("since", alert.change_at)) for evidence in alert.monitors}
        if began.pop(SILENT, None) is not None:
            self._heard = replace(self._heard, meant=self._heard.told)
        self._acknowledged.begin(began)
        self._learn(max(word.effective_from, alert.updated_at), fresh=began)
        return [self._lifecycle.acknowledge(word.alert_id, word.effective_from, Acknowledged(by=word.by, note=word.note))]

    def _learn(self, at: int, fresh: Collection[str] = ()) -> None:
        """Let acknowledged references that are large enough count from a time on; monitors of a fresh acknowledgement begin anew in any case."""
        learnt = self._acknowledged.learn((*self._inputs, *self._outputs), self._states)
        if learnt or fresh:
            self._make_detectors()
            self._restart(dict.fromkeys([*learnt, *fresh], at))

    def _make_detectors(self) -> None:
        """The detectors, with the references that were acknowledged."""
        self._inputs, self._outputs = by_dependence_on_version(detectors_of(self._specification, acknowledged=self._acknowledged.references))
        if not self._first_version:
            self._outputs = of_a_later_version(self._specification, self._acknowledged.references)

    def give_up(self, until: int) -> tuple[list[Alert], bool]:
        """Resolve alerts that had nothing to judge by for long, though no pane may say so; returns them, and whether anything has changed."""
        alerts, given_up = self._lifecycle.give_up(until)
        self._restart(given_up)
        return alerts, bool(given_up)

    def _restart(self, ended: Mapping[str, int]) -> None:
        if not ended:
            return
        for detector in (*self._inputs, *self._outputs):
            for place, name in enumerate(detector.names):
                if name in ended:
                    self._states[_name(detector)] = detector.restart(self._states[_name(detector)], place, ended[name])

    @property
    def open_severities(self) -> list[str]:
        """Severity of each alert that is open."""
        return self._lifecycle.open_severities

    def close(self, at: int) -> list[Alert]:
        """Resolve open alerts: a later revision is in force."""
        return self._lifecycle.close(at, "a new revision of the monitor was applied")

    def state(self) -> dict[str, Any]:
        """What to save."""
        state = {
            "version": self._version,
            "first_version": self._first_version,
            "lead": None if self._lead is None else list(astuple(self._lead)),
            "happened": [list(item) for item in self._happened],
            "detectors": dict(self._states),
            "alerts": self._lifecycle.state(),
            "acknowledged": self._acknowledged.state(),
        }
        asked = {} if self._silence is None else {"heard": self._heard.as_state()}
        hours = {} if self._hours is None else {"hours": self._hours.state()}
        slices = {} if self._slices is None else {"slices": self._slices.state()}
        return state | asked | hours | slices | ({} if self._periods is None else {"period": self._periods.state()})

    def restore(self, state: dict[str, Any]) -> None:
        """Take saved state."""
        self._version, self._first_version = state["version"], state["first_version"]
        self._lead = None if state["lead"] is None else _Lead(*state["lead"])
        self._happened = [(when, sentence) for when, sentence in state["happened"]]
        self._acknowledged.restore(state["acknowledged"])
        if self._periods is not None:
            self._periods.restore(state["period"])
        if self._hours is not None:
            self._hours.restore(state["hours"])
            if self._hours.known:
                self._take_hours(self._hours.known)
        if self._acknowledged.references or not self._first_version or self._hours is not None:
            self._make_detectors()
        self._states = dict(state["detectors"])
        self._lifecycle.restore(state["alerts"])
        if self._slices is not None and "slices" in state:
            self._slices.restore(state["slices"])
        if "heard" in state:
            self._heard = Heard.of_state(state["heard"])


@dataclass(frozen=True)
class _Walk:
    """One detector's way through several panes; followed until its open alert's change is gone, if it has one."""

    detector: Detector
    before: State
    counts: Float64
    starts: Sequence[int]
    after: State
    verdicts: Verdicts
    followed: bool

    def state_after(self, place: int) -> State:
        """The state after one of the panes; walked to again, if it is not the last."""
        if place == len(self.starts) - 1:
            return self.after
        state, _ = self.detector.walk(self.before, self.counts[: place + 1], self.starts[: place + 1])
        return state


def _name(detector: Detector) -> str:
    return ",".join(detector.names)
