"""A user's metrics by the names that a monitor gives them: ``module:function``, found, tried and called with care.

Whoever may write to the topic ``monitors`` can name any module, and importing one runs it. So only modules are imported that the process was told of:
``DRIFTWARDEN_METRIC_MODULES=acme.metrics`` allows that module and what is inside of it, and by default nothing is allowed. `driftwarden monitor apply` and
`driftwarden replay` refuse a monitor whose metrics they cannot compute; a worker leaves such a metric out, and says so once: one monitor must not stop all the others.
"""

from __future__ import annotations

import importlib
import logging
import math
from typing import Any

import numpy as np
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from detectors.errors import SettingsError
from detectors.metrics.performance import performance
from detectors.metrics.user_metrics import Function
from detectors.panes.layout import REGRESSION, Layout
from detectors.specification import MonitorSpecification
from streams.allowed_modules import is_allowed

logger = logging.getLogger(__name__)


class MetricSettings(BaseSettings):
    """What a process may import for metrics."""

    model_config = SettingsConfigDict(env_prefix="DRIFTWARDEN_", frozen=True, extra="ignore")

    metric_modules: str = Field(default="", description="modules whose functions monitors may name as metrics, separated by commas")

    def allows(self, module: str) -> bool:
        """Whether a module is one of them, or inside of one."""
        return is_allowed(module, self.metric_modules)


def functions_of(specification: MonitorSpecification, settings: MetricSettings | None = None) -> dict[str, Function]:
    """The functions of a monitor's metrics, each tried on a small example.

    Raises
    ------
    SettingsError
        If one is not allowed, not there, or gives no number.
    """
    allowed = settings or MetricSettings()
    return {name: _Careful(specification.model, name, _tried(specification, name, path, allowed)) for name, path in specification.metrics.items()}


def functions_that_work(specification: MonitorSpecification, settings: MetricSettings | None = None) -> dict[str, Function]:
    """The same of those that can be had; of the others the log says why they cannot."""
    found: dict[str, Function] = {}
    for name, path in specification.metrics.items():
        try:
            found |= functions_of(specification.model_copy(update={"metrics": {name: path}}), settings)
        except SettingsError as error:
            logger.warning("model '%s': %s; the metric is left out", specification.model, error)
    return found


def _tried(specification: MonitorSpecification, name: str, path: str, settings: MetricSettings) -> Function:
    module, _, attribute = path.partition(":")
    if not settings.allows(module):
        raise SettingsError(
            f"metrics.{name}: module {module!r} may not be imported here; set DRIFTWARDEN_METRIC_MODULES={module} for this command and for the workers, if you trust its code"
        )
    layout = Layout(specification)
    if name in {metric.name for metric in performance(layout, np.zeros(layout.size))}:
        raise SettingsError(f"metrics.{name}: there is a metric of this name already; give yours another")
    try:
        function: Function = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a module may raise whatever it likes while it is imported
        raise SettingsError(f"metrics.{name}: {path!r} cannot be imported: {type(error).__name__}: {error}; the module has to be on the Python path") from error
    try:
        value = float(function(*_example(specification)))
    except Exception as error:
        raise SettingsError(f"metrics.{name}: {path!r} fails on a small example: {type(error).__name__}: {error}; {_expected(specification)}") from error
    if not math.isfinite(value):
        raise SettingsError(f"metrics.{name}: {path!r} gives {value} for a small example, expected a number; {_expected(specification)}")
    return function


def _example(specification: MonitorSpecification) -> tuple[Any, ...]:
    """Arguments as a window of some hundred events gives them."""
    if specification.task == "regression":
        return (dict(zip(REGRESSION, (100.0, 5_000.0, 260_000.0, 10.0, 80.0, 100.0, 300.0, 20.0), strict=True)),)
    classes = specification.classes or ("no", "yes")
    return np.full((len(classes), len(classes)), 10.0) + 40 * np.eye(len(classes)), classes


def _expected(specification: MonitorSpecification) -> str:
    if specification.task == "regression":
        return "a regression's metric is called as f(sums), with sums by name"
    return "a classifier's metric is called as f(confusion, classes), with counts by label (rows) and prediction (columns)"


class _Careful:
    """A function whose faults are nan, and are told once."""

    def __init__(self, model: str, name: str, function: Function) -> None:
        self._model, self._name, self._function = model, name, function
        self._told = False

    def __call__(self, *arguments: Any) -> float:
        try:
            with np.errstate(all="ignore"):  # what is undefined in a window is nan
                return float(self._function(*arguments))
        except ZeroDivisionError:
            return math.nan  # the same, of Python's own numbers
        except Exception as error:  # whatever a user's function raises
            if not self._told:
                self._told = True
                logger.warning("model '%s': metric '%s' failed: %s: %s; it is left out where it fails, and this is said once", self._model, self._name, type(error).__name__, error)
            return math.nan
