"""``monitor.yaml``: read with errors that point at the line and the path, written so that people read on."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from detectors.duration import parse_duration
from detectors.errors import SettingsError
from detectors.specification import MonitorSpecification

_ALWAYS = ("model", "task", "pane", "lateness", "windows", "false_alarms")
_ORDER = (
    *("model", "task", "positive", "pane", "lateness", "max_ahead", "windows", "false_alarms", "events_per_pane", "estimate_performance"),
    *("segments", "features", "correlation", "labels", "detectors", "alerts", "service", "quality", "retrain", "reference"),
)
_HEADER = """\
# What Driftwarden is told about one model. Every key but `model` has a default; durations read 10s, 5m, 2h, 30d.
# Thresholds are not among the keys: they follow from `false_alarms` and `alerts.floors`. The profile at the end is made by `driftwarden monitor infer`.
"""
_EXPECTED = {
    "string_type": "a text",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "tuple_type": "a list",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "greater_than": "a number > {gt}",
    "greater_than_equal": "a number >= {ge}",
    "less_than": "a number < {lt}",
    "less_than_equal": "a number <= {le}",
    "string_too_short": "a text that is not empty",
    "literal_error": "{expected}",
}

# libyaml's classes are ten times faster on a profile; PyYAML has them wherever its wheel was installed.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
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
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None or not isinstance(root, yaml.MappingNode):
            raise SettingsError(f"{source}:1: expected keys and values, `model: NAME` at least")
        values = _value(root, loader, source)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise SettingsError(f"{source}:{mark.line + 1 if mark else 1}: not YAML: {error.problem}") from error
    finally:
        loader.dispose()
    _refuse_durations_without_unit(values, root, source)
    try:
        return MonitorSpecification.model_validate(values)
    except ValidationError as error:
        raise SettingsError("\n".join(_story(dict(fault), root, source) for fault in faults_of(error))) from None


def faults_of(error: ValidationError) -> list[ErrorDetails]:
    """What is wrong with a specification, without the defaults that could not be made because of it."""
    return [fault for fault in error.errors() if fault["type"] != "default_factory_not_called"]


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


def _value(node: yaml.Node, loader: Any, source: str) -> Any:
    """The value of a node. A key is its text: a feature may be called ``on`` or ``1``, which YAML would read as something else."""
    if isinstance(node, yaml.MappingNode):
        values: dict[str, Any] = {}
        for key, item in node.value:
            if key.value in values:
                raise SettingsError(f"{source}:{key.start_mark.line + 1}: {key.value}: given twice; keep one")
            values[key.value] = _value(item, loader, source)
        return values
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, loader, source) for item in node.value]
    return loader.construct_object(node)


def _story(fault: Mapping[str, Any], root: yaml.Node, source: str) -> str:
    kind, context = fault["type"], fault.get("ctx", {})
    location = _written_path(fault["loc"], root)
    if kind == "value_error":
        location = _with_key(location, str(context["error"]), root)
    line = _line(location, root, on_key=kind == "extra_forbidden")
    path = ".".join(str(part) for part in location) or "the file"
    if kind == "extra_forbidden":
        known = _known_keys(location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        message = "unknown key; " + (f"did you mean {near[0]!r}? " if near else "") + f"known keys: {', '.join(known)}"
    elif kind == "missing":
        message = "missing, and it has no default"
    elif kind in _EXPECTED:
        message = f"expected {_EXPECTED[kind].format(**context)}, got {_short(fault['input'])}"
    elif kind == "value_error":
        message = str(context["error"])
    else:
        message = f"{fault['msg'][:1].lower()}{fault['msg'][1:]}, got {_short(fault['input'])}"
    return f"{source}:{line}: {path}: {message}"


def _refuse_durations_without_unit(values: dict[str, Any], root: yaml.Node, source: str) -> None:
    """A bare number is milliseconds inside Driftwarden; in a file ``pane: 10`` is a unit forgotten. 0 needs none."""
    stories = []
    for keys in _duration_keys(MonitorSpecification):
        value: Any = values
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        found = [((*keys, place), one) for place, one in enumerate(value)] if isinstance(value, list) else [(keys, value)]
        for path, one in found:
            if isinstance(one, int) and not isinstance(one, bool) and one != 0:
                told = f"a duration is a number and a unit (ms, s, m, h, d) such as 10s or 5m; got {one}; {one}s if seconds are meant"
                stories.append(f"{source}:{_line(path, root, on_key=False)}: {'.'.join(map(str, path))}: {told}")
    if stories:
        raise SettingsError("\n".join(stories))


def _duration_keys(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of the keys that hold a duration, or a list of them."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _duration_keys(kind, (*path, name))
            continue
        marks = [*field.metadata, *(mark for argument in get_args(kind) for mark in getattr(argument, "__metadata__", ()))]
        if any(getattr(mark, "func", None) is parse_duration for mark in marks):
            yield (*path, name)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _written_path(location: tuple[Any, ...], root: yaml.Node) -> tuple[Any, ...]:
    """The path as the file has it: pydantic puts the tag of a union in between."""
    written: list[Any] = []
    node: yaml.Node | None = root
    for place, part in enumerate(location):
        child = _child(node, part)
        if child is None and place < len(location) - 1 and part in {"numeric", "categorical"}:
            continue
        written.append(part)
        node = child[1] if child else None
    return tuple(written)


def _with_key(location: tuple[Any, ...], message: str, root: yaml.Node) -> tuple[Any, ...]:
    """The path of a fault of several keys: such a message begins with the one that is wrong, as it is called below the place where they are checked."""
    keys = message.partition(" ")[0].rstrip(":").split(".")
    node: yaml.Node | None = root
    for place, part in enumerate((*location, *keys)):
        child = _child(node, part)
        if child is None:
            return (*location, *keys)[: max(place, len(location))]
        node = child[1]
    return (*location, *keys)


def _child(node: yaml.Node | None, part: Any) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _line(location: tuple[Any, ...], root: yaml.Node, *, on_key: bool) -> int:
    """Line of the deepest part of the path that is in the file."""
    node, line = root, root.start_mark.line
    for place, part in enumerate(location):
        child = _child(node, part)
        if child is None:
            break
        node = child[1]
        line = (child[0] if on_key and place == len(location) - 1 else node).start_mark.line
        if isinstance(node, yaml.MappingNode | yaml.SequenceNode) and place == len(location) - 1:
            line = child[0].start_mark.line
    return int(line) + 1


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    """Keys that the specification has at a path."""
    kinds: list[Any] = [MonitorSpecification]
    for part in location:
        found: list[Any] = []
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                if part in kind.model_fields:
                    found += _alternatives(kind.model_fields[part].annotation)
            elif get_origin(kind) in {dict, tuple, list}:
                arguments = get_args(kind)
                found += _alternatives(arguments[1] if get_origin(kind) is dict else arguments[0])
        kinds = found
    return list(dict.fromkeys(key for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel) for key in kind.model_fields))


def _alternatives(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _alternatives(get_args(annotation)[0])
    if origin in {Union, UnionType}:
        return [kind for argument in get_args(annotation) for kind in _alternatives(argument)]
    return [annotation]
