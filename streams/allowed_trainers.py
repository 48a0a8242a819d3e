"""The trainers of monitors that came by Kafka: which of them this process may run, and what is trained with where it may not.

Whoever may write to the topic ``monitors`` can name any module and any program, and a training would run it. So a retrainer runs what its own environment lists, and nothing by
default but the trainers that Driftwarden brings. Any other is a trainer that fails with its reason: each training of that model is a recorded rejection, and all other models
are retrained as ever. `driftwarden replay` trusts the file that it was given.
"""

from __future__ import annotations

import logging
import shlex
from dataclasses import dataclass

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from detectors.errors import SettingsError
from detectors.rows.examples import Examples
from detectors.specification import MonitorSpecification
from retrainer.trainers import Candidate, Trainer, TrainingContext, TrainingError, trainer_named
from streams.allowed_modules import is_allowed

logger = logging.getLogger(__name__)

_ANY_ARGUMENTS = "*"


class TrainerSettings(BaseSettings):
    """What a process may run as a trainer, from ``DRIFTWARDEN_TRAINER_...``."""

    model_config = SettingsConfigDict(env_prefix="DRIFTWARDEN_TRAINER_", frozen=True, extra="ignore")

    modules: str = Field(default="", description="modules whose functions monitors may name as trainers, separated by commas")
    commands: str = Field(default="", description="commands that monitors may name as trainers, separated by semicolons; one that ends in * may have any further arguments")
    environment: str = Field(default="", description="variables that a command is given besides those that every program needs, separated by commas")

    @field_validator("commands")
    @classmethod
    def _can_be_taken_apart(cls, commands: str) -> str:
        for command in commands.split(";"):
            try:
                shlex.split(command)
            except ValueError as error:
                raise SettingsError(f"DRIFTWARDEN_TRAINER_COMMANDS are commands as for a shell, separated by semicolons, got {command!r}: {str(error).lower()}") from error
        return commands

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of ``environment``."""
        return tuple(name.strip() for name in self.environment.split(",") if name.strip())

    def refusal(self, trainer: str) -> str:
        """Why a trainer may not be run, and what to set; "" where it may.

        Examples
        --------
        >>> settings = TrainerSettings(modules="acme", commands="python fit.py; Rscript fit.R *")
        >>> [settings.refusal(trainer) for trainer in ("river", "acme.trees:fit", "command: python fit.py", "command: Rscript fit.R --depth 3")]
        ['', '', '', '']
        >>> settings.refusal("os:system")
        "retrain.trainer 'os:system' may not be imported here; set DRIFTWARDEN_TRAINER_MODULES=os for this process, if you trust its code"
        >>> settings.refusal("command: python fit.py --fast")[:67]
        "retrain.trainer 'command: python fit.py --fast' may not be run here"
        """
        kind, colon, rest = trainer.partition(":")
        if not colon:
            return ""
        if kind == "command":
            try:
                words = shlex.split(rest)
            except ValueError as error:
                return f"retrain.trainer {trainer!r} cannot be taken apart: {str(error).lower()}"
            may = any(_is_listed(words, shlex.split(listed)) for listed in self.commands.split(";"))
            return "" if may else f"retrain.trainer {trainer!r} may not be run here; set DRIFTWARDEN_TRAINER_COMMANDS='{rest.strip()}' for this process, if you trust the program"
        may = is_allowed(kind, self.modules)
        return "" if may else f"retrain.trainer {trainer!r} may not be imported here; set DRIFTWARDEN_TRAINER_MODULES={kind} for this process, if you trust its code"


@dataclass(frozen=True, kw_only=True)
class RefusedTrainer:
    """A trainer that there is none of, or that may not be run: every training fails with the reason."""

    reason: str

    def train(self, examples: Examples, specification: MonitorSpecification, context: TrainingContext) -> Candidate:  # noqa: ARG002  as every trainer's
        """Raise `TrainingError`."""
        raise TrainingError(self.reason)


def trainer_for(specification: MonitorSpecification, settings: TrainerSettings) -> Trainer:
    """The trainer of a monitor that came by Kafka; where it may not be run, or cannot be loaded, a `RefusedTrainer`, and a line in the log."""
    reason = settings.refusal(specification.retrain.trainer)
    if not reason:
        try:
            return trainer_named(specification.retrain.trainer, variables=settings.variables)
        except SettingsError as error:
            reason = str(error)
    logger.warning("model '%s': %s; each of its trainings is rejected until then", specification.model, reason)
    return RefusedTrainer(reason=reason)


def _is_listed(words: list[str], listed: list[str]) -> bool:
    if listed[-1:] == [_ANY_ARGUMENTS] and len(listed) > 1:
        return words[: len(listed) - 1] == listed[:-1]
    return bool(listed) and words == listed
