"""What an operator says of retraining: when, with what, within which limits, and what a challenger has to prove."""

from __future__ import annotations

import difflib
import shlex
from typing import Annotated, Literal, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator

from detectors.duration import Duration, parse_duration
from detectors.profile import Frozen
from detectors.settings.finite import Finite
from detectors.settings.function_path import is_function_path
from detectors.settings.stored import is_stored


class Gate(Finite):
    """What a challenger has to prove before it is promoted."""

    alpha: float = Field(default=0.05, gt=0, lt=1, description="chance that a cause promotes a challenger that is not better")
    block: int = Field(default=50, gt=0, description="labelled events between two looks at the evidence")
    min_evidence: int = Field(default=500, ge=0, description="labelled events before a verdict")
    wander: float = Field(default=0.05, ge=0, le=1, description="by how much an advantage may wander around zero without being a gain; 0 asks for no steadiness")
    min_validation_time: Duration = Field(
        default=parse_duration("1h"), ge=0, description="a promotion rests on events from so long after the training rows, too; not asked for where the budget counts events"
    )
    max_wait: int = Field(default=20_000, gt=0, description="labelled events after which the verdict is inconclusive")
    min_gain: float = Field(default=0.01, ge=0, description="a challenger is rejected when 'better by this much' is disproved")
    segment_margin: float = Field(default=0.02, ge=0, le=1, description="a challenger that is proven worse by more than this in a segment is not promoted")
    missing_margin: float = Field(default=0.1, ge=0, le=1, description="a challenger whose training rows are proven to lack this much more of a column is not promoted")
    max_loss: float | None = Field(default=None, gt=0, description="largest error rate (or mean absolute error) of a challenger that is promoted")
    max_megabytes: float | None = Field(default=None, gt=0, description="largest artifact of a challenger that is promoted")
    max_milliseconds: float | None = Field(default=None, gt=0, description="longest time that a challenger may take for 1,000 rows; for `driftwarden gate`")

    @field_validator("min_gain")
    @classmethod
    def _a_gain_can_be_as_large(cls, gain: float, info: ValidationInfo) -> float:
        if gain > 1 and not is_stored(info):
            raise ValueError(f"min_gain must be at most 1, got {gain:g}; losses are, so that every challenger would be rejected as it cannot be better by more (5 % is 0.05)")
        return gain

    @model_validator(mode="after")
    def _there_is_time_for_a_verdict(self, info: ValidationInfo) -> Gate:
        looks = self.block * max(1, -(-self.min_evidence // self.block))
        if self.max_wait < looks and not is_stored(info):
            raise ValueError(
                f"max_wait must be at least min_evidence in whole blocks, got {self.max_wait}, {self.min_evidence} and a block of {self.block}: the first look is after {looks}; "
                "each trial would end as inconclusive before it may be judged: raise max_wait, or lower min_evidence and block"
            )
        return self


Trigger = Literal["performance", "drift", "label shift"]
"""Kinds of alerts that training may cure: errors that rise (a drift of the concept is one), features or outputs that drift, and shares of classes that shift."""


class Quotas(Finite):
    """What retraining may cost."""

    trainings_per_day: int = Field(default=24, gt=0)
    trainings_at_once: int = Field(default=1, gt=0, description="1, as the trainings of all models follow each other")
    cpu_seconds_per_day: float | None = Field(default=None, gt=0, description="of processor time in the trainings of any day of event time")
    max_rows: int = Field(default=50_000, gt=0, description="rows of one training set; the newest are kept")
    max_megabytes: int = Field(default=1_024, gt=0, description="of one training set, 8 bytes a value; the newest rows are kept")

    @field_validator("trainings_at_once")
    @classmethod
    def _trainings_follow_each_other(cls, count: int) -> int:
        if count > 1:
            raise ValueError(
                f"trainings_at_once must be 1, got {count}; what a training takes in is what was decided before it, so that the same events give the same versions: "
                "trainings follow each other, and a trainer may use several cores by itself"
            )
        return count

    def rows(self, columns: int) -> int:
        """Rows that a training set with so many columns may have."""
        return max(1, min(self.max_rows, self.max_megabytes * 1_000_000 // (8 * max(1, columns))))


class Canary(Finite):
    """Whether a challenger that passed the gate serves a share of the events first, and is judged by them before it serves all."""

    share: float = Field(default=0.0, ge=0, lt=1, description="of event ids that the challenger answers, beside the champion; 0 promotes it at once")
    max_time: Duration = Field(
        default=parse_duration("7d"), gt=0, description="a canary without a verdict is rolled back after this long, of event time, or by the clock where no labels come"
    )


class Remembered(Frozen):
    """How much is remembered of a model's retraining; of more, the oldest is forgotten, and the retrainer's log says so."""

    alerts: int = Field(default=10_000, gt=0, description="alerts whose last record is known; a record of an older one that is told again would be answered again")
    causes: int = Field(default=200, gt=0, description="causes that ended; an alert or a request of an older one that is told again would start a training again")
    votes: int = Field(default=100, gt=0, description="open alerts that count together")  # a model has a handful open, one for each change
    revisions: int = Field(  # some 3,000 labels at the default update_every; each holds its members that learn row by row
        default=16,
        gt=0,
        description="of an adaptive champion by which late labels are weighed; one of a prediction from before them teaches its online members, and changes no weight of theirs",
    )


class TrainingLimits(Frozen):
    """What a trainer in a process of its own may use; beyond it the process is killed, and the candidate rejected."""

    seconds: int = Field(default=600, gt=0, description="of time, and of processor time")
    megabytes: int = Field(default=4_096, gt=0, description="of address space, which is more than the memory that is touched")


Online = Literal["forest", "linear", "bayes", "neighbours"]
"""Families of models that learn row by row in the pool of an adaptive champion."""


TRAINERS = ("scikit-learn", "search", "river")
"""Trainers that Driftwarden brings; others are a user's own."""


class Retrain(Finite):
    """When to retrain, with what, and how the result is judged."""

    policy: Literal["never", "performance", "any"] = Field(default="performance", description="which alerts start a training: none, performance alerts, or every drift, too")
    votes: dict[Trigger, Annotated[float, Field(ge=0)]] = Field(default_factory=dict, description="weight of an alert by its kind, in place of the policy's")
    votes_needed: float = Field(default=1.0, gt=0, description="weight of alerts that are open together at which a training starts")
    votes_within: Duration = Field(default=parse_duration("1d"), gt=0, description="an alert's vote counts for so long after its last record")
    schedule: Duration | None = Field(default=None, gt=0, description="a training in each slot of this length that had none")
    new_labels: int | None = Field(default=None, gt=0, description="labelled events since the last cause ended after which a training starts without an alert")
    trainer: str = Field(default="scikit-learn", description="'scikit-learn', 'search', 'river', 'module:function' or 'command: PROGRAM'")
    champion: Literal["single", "adaptive"] = Field(default="single", description="one model, or a pool of them whose weights follow the labels")
    update_every: int = Field(default=200, gt=0, description="labelled events between two revisions of an adaptive champion")
    members: int = Field(default=6, gt=0, description="batch models in an adaptive champion's pool, those that learn row by row not counted")
    online: tuple[Online, ...] = Field(
        default=("forest", "linear", "bayes", "neighbours"), description="what learns row by row in an adaptive champion's pool; the forest takes most of a millisecond a row"
    )
    window: int = Field(default=2_000, gt=0, description="labelled events to train on when the time of the change is not known")
    refresh: tuple[int, ...] = Field(default=(200, 600, 1_800), description="labelled events after a change at which a challenger is trained")
    earlier: bool = Field(
        default=True, description="a second challenger at the second of these counts, on all labelled events at hand; once it serves, those after it are trained so, too"
    )
    follow_up: bool = Field(default=True, description="after a promotion, challengers of the newest labelled events without an alert, for as long as they are proved to be better")
    min_per_class: int = Field(default=20, ge=0, description="labelled events of each class in a training set; fewer are filled up from before the change")
    replay: float = Field(default=0.0, ge=0, le=10, description="labelled events from before the change that are trained on, too, for each one after it")
    cooldown: Duration = Field(default=parse_duration("10m"), ge=0, description="between the end of one cause and the start of the next")
    approval: Literal["auto", "manual"] = "auto"
    rollback: Literal["auto", "never"] = Field(default="auto", description="whether a promoted version goes when the former champion is proven better than it")
    gate: Gate = Gate()
    canary: Canary = Canary()
    quotas: Quotas = Quotas()
    limits: TrainingLimits = TrainingLimits()
    remembered: Remembered = Remembered()

    @field_validator("trainer")
    @classmethod
    def _there_is_such_a_trainer(cls, name: str, info: ValidationInfo) -> str:
        if is_stored(info):
            return name  # its trainings are rejected with the reason
        if name.startswith("command:"):
            try:
                words = shlex.split(name.removeprefix("command:"))
            except ValueError as error:
                raise ValueError(f"trainer: the command cannot be taken apart, {str(error).lower()}, got {name!r}; write it as for a shell") from None
            if not words:
                raise ValueError(f"trainer {name!r} names no program; write such as 'command: python train.py'")
        elif name not in TRAINERS and not is_function_path(name):
            near = difflib.get_close_matches(name, TRAINERS, n=1)
            raise ValueError(
                f"trainer must be {', '.join(map(repr, TRAINERS))}, 'module:function' or 'command: PROGRAM', got {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            )
        return name

    @field_validator("refresh")
    @classmethod
    def _refresh_ascends(cls, counts: tuple[int, ...]) -> tuple[int, ...]:
        if not counts or list(counts) != sorted(set(counts)) or counts[0] <= 0:
            raise ValueError(f"refresh must be ascending counts > 0, got {list(counts)}; a challenger is trained at each")
        return counts

    @field_validator("online")
    @classmethod
    def _online_members_differ(cls, names: tuple[Online, ...]) -> tuple[Online, ...]:
        if len(set(names)) < len(names):
            raise ValueError(f"online must name each family once, got {list(names)}; two of the same would say the same")
        return names

    @model_validator(mode="after")
    def _never_has_no_votes(self, info: ValidationInfo) -> Retrain:
        if self.policy == "never" and self.votes and not is_stored(info):
            raise ValueError(f"votes start trainings by alerts, which policy: never rules out, got {', '.join(self.votes)}; leave votes out, or the policy")
        return self

    @model_validator(mode="after")
    def _votes_can_be_enough(self, info: ValidationInfo) -> Retrain:
        heaviest, most = max(map(self.weight, get_args(Trigger))), self.remembered.votes
        if 0 < heaviest * most < self.votes_needed - 1e-9 and not is_stored(info):
            raise ValueError(
                f"votes_needed must be at most what alerts can come to, got {self.votes_needed:g}, where the heaviest counts {heaviest:g} and the newest {most} are counted "
                "(remembered.votes); no alert would ever start a training: lower it, or say so with policy: never"
            )
        return self

    @model_validator(mode="after")
    def _a_pool_has_batch_models(self, info: ValidationInfo) -> Retrain:
        if self.champion == "adaptive" and self.trainer == "river" and not is_stored(info):
            raise ValueError(
                "champion: adaptive pools batch models of scikit-learn with models that learn row by row, got trainer: river; each training would fail. "
                "Leave the trainer out: river's forest is in the pool by `online`"
            )
        return self

    @model_validator(mode="after")
    def _a_canary_asks_nobody(self) -> Retrain:
        if self.canary.share and self.approval == "manual":
            raise ValueError(
                f"canary.share goes with approval: auto, got {self.canary.share:g} with manual; a canary serves without a person's word. "
                "Leave one of the two out: `driftwarden models promote` promotes at once and wholly"
            )
        return self

    def weight(self, kind: str) -> float:
        """How much an alert of this kind counts.

        Examples
        --------
        >>> Retrain().weight("drift"), Retrain(policy="any").weight("drift"), Retrain(votes={"drift": 0.5}).weight("drift")
        (0.0, 1.0, 0.5)
        """
        counted = {"never": (), "performance": ("performance",), "any": get_args(Trigger)}[self.policy]
        weights = {str(name): weight for name, weight in self.votes.items()} or dict.fromkeys(counted, 1.0)
        return weights.get(kind, 0.0)
