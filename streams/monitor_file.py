"""``monitor.yaml``: read with errors that point at the line and the path, written so that people read on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from detectors.errors import SettingsError
from detectors.specification import MonitorSpecification
from streams.settings_file import parse_settings

_ALWAYS = ("model", "task", "pane", "lateness", "windows", "false_alarms")
_ORDER = (
    *("model", "owner", "task", "positive", "pane", "lateness", "max_ahead", "windows", "false_alarms", "events_per_pane", "estimate_performance"),
    *("segments", "features", "correlation", "labels", "detectors", "alerts", "service", "quality", "slices", "retrain", "reference"),
)
_HEADER = """\
# What Driftwarden is told about one model. Every key but `model` has a default; durations read 10s, 5m, 2h, 30d.
# Thresholds are not among the keys: they follow from `false_alarms` and `alerts.floors`. The profile at the end is made by `driftwarden monitor infer`.
"""

# libyaml's classes are ten times faster on a profile; PyYAML has them wherever its wheel was installed.
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def load_specification(path: str | Path) -> MonitorSpecification:
    """Read a specification.

    Raises
    ------
    SettingsError
        If the file cannot be read, or says what cannot be meant; one line for each fault, ``monitor.yaml:12: features.salary.type: ...``.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}; write one with `driftwarden monitor infer FILE -o {path.name}`") from error
    return parse_specification(text, str(path))


def parse_specification(text: str, source: str = "monitor.yaml") -> MonitorSpecification:
    r"""Read a specification from its text; `source` names it in messages.

    Examples
    --------
    >>> parse_specification("model: churn\npane: 1m").pane
    60000
    """
    return parse_settings(text, source, MonitorSpecification, least="`model: NAME` at least")


def format_specification(specification: MonitorSpecification) -> str:
    """The text of a specification: what differs from the defaults, the profile last. `parse_specification` gives it back with the same digest."""
    whole = specification.model_dump(mode="json")
    changed = specification.model_dump(mode="json", exclude_defaults=True)
    for name, feature in changed.get("features", {}).items():
        changed["features"][name] = {"type": whole["features"][name]["type"]} | feature
    profile = whole["reference"].get("profile")
    if profile is not None:
        changed["reference"]["profile"] = _without_none(profile)
    order = [*_ORDER[:-1], *(key for key in whole if key not in _ORDER), _ORDER[-1]]
    written = {key: changed.get(key, whole[key]) for key in order if key in changed or key in _ALWAYS}
    return _HEADER + yaml.dump(_styled(written), Dumper=_SpecificationDumper, sort_keys=False, width=180, allow_unicode=True)


def save_specification(specification: MonitorSpecification, path: str | Path) -> None:
    """Write `format_specification` to a file."""
    Path(path).write_text(format_specification(specification), encoding="utf-8")


class _Line(list[Any]):
    """A list that is written on one line."""


class _Entry(dict[str, Any]):
    """A mapping that is written on one line."""


class _SpecificationDumper(_Dumper):  # type: ignore[misc]  # a class chosen at import
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  anchors save nothing here and puzzle readers
        return True


_SpecificationDumper.add_representer(_Line, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True))
_SpecificationDumper.add_representer(_Entry, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=True))


def _styled(value: Any, path: tuple[str, ...] = ()) -> Any:
    if isinstance(value, list):
        return _Line(_Entry(item) if isinstance(item, dict) else item for item in value)
    if not isinstance(value, dict):
        return value
    styled = {key: _styled(item, (*path, key)) for key, item in value.items()}
    on_one_line = (len(path) == 2 and path[0] == "features") or path in {("alerts", "severity"), ("detectors", "shares"), ("reference", "profile", "performance")}
    return _Entry(styled) if on_one_line or not styled else styled


def _without_none(value: Any) -> Any:
    return {key: _without_none(item) for key, item in value.items() if item is not None} if isinstance(value, dict) else value
