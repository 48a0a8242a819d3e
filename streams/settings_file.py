"""Settings in YAML: read into a pydantic model, with faults that point at the line and the path.

A key is its text, whatever YAML would read it as; a key that is given twice is refused; a duration without a unit is, too.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from detectors.duration import parse_duration
from detectors.errors import SettingsError

_Model = TypeVar("_Model", bound=BaseModel)

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
    "finite_number": "a finite number (leave out a limit that is not wanted)",
    "greater_than": "a number > {gt}",
    "greater_than_equal": "a number >= {ge}",
    "less_than": "a number < {lt}",
    "less_than_equal": "a number <= {le}",
    "string_too_short": "a text that is not empty",
    "literal_error": "{expected}",
}

# libyaml's classes are ten times faster on a long file; PyYAML has them wherever its wheel was installed.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_settings(text: str, source: str, model: type[_Model], *, least: str, context: Any = None) -> _Model:
    """Read settings from the text of a file.

    Parameters
    ----------
    source : names the file in messages.
    model : what they are settings of.
    least : what the file has to hold at least, for the message about one that holds nothing.
    context : for the model's validators.

    Raises
    ------
    SettingsError
        If the text says what cannot be meant; one line for each fault, ``monitor.yaml:12: features.salary.type: ...``.
    """
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None or not isinstance(root, yaml.MappingNode):
            raise SettingsError(f"{source}:1: expected keys and values, {least}")
        values = _value(root, loader, source)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise SettingsError(f"{source}:{mark.line + 1 if mark else 1}: not YAML: {error.problem}") from error
    finally:
        loader.dispose()
    _refuse_durations_without_unit(values, root, source, model)
    try:
        return model.model_validate(values, context=context)
    except ValidationError as error:
        raise SettingsError("\n".join(_story(dict(fault), root, source, model) for fault in faults_of(error))) from None


def faults_of(error: ValidationError) -> list[ErrorDetails]:
    """What is wrong with settings, without the defaults that could not be made because of it."""
    return [fault for fault in error.errors() if fault["type"] != "default_factory_not_called"]


def stories_of(error: ValidationError, called: Mapping[str, str] | None = None) -> str:
    """What is wrong with settings that are in no file, on one line; without a place where settings do not go together.

    Parameters
    ----------
    called : names of settings where they were given, such as an option's.
    """
    faults = [(fault["loc"][:1], fault.get("ctx", {}).get("error", fault["msg"])) for fault in faults_of(error)]
    return "; ".join(": ".join([*((called or {}).get(str(key), str(key)) for key in place), str(story)]) for place, story in faults)


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


def _story(fault: Mapping[str, Any], root: yaml.Node, source: str, model: type[BaseModel]) -> str:
    kind, context = fault["type"], fault.get("ctx", {})
    location = _written_path(fault["loc"], root)
    if kind == "value_error":
        location = _with_key(location, str(context["error"]), root)
    line = _line(location, root, on_key=kind == "extra_forbidden")
    path = ".".join(str(part) for part in location) or "the file"
    if kind == "extra_forbidden":
        known = _known_keys(fault["loc"][:-1], model)
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


def _refuse_durations_without_unit(values: dict[str, Any], root: yaml.Node, source: str, model: type[BaseModel]) -> None:
    """A bare number is milliseconds inside Driftwarden; in a file ``pane: 10`` is a unit forgotten. 0 needs none."""
    stories = []
    for keys in _duration_keys(model):
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
    if isinstance(value, dict | list):
        return "keys and values" if isinstance(value, dict) else "a list"  # what is in them may be a secret that was written in the wrong place
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _written_path(location: tuple[Any, ...], root: yaml.Node) -> tuple[Any, ...]:
    """The path as the file has it: pydantic puts the tag of a union in between."""
    written: list[Any] = []
    node: yaml.Node | None = root
    for place, part in enumerate(location):
        child = _child(node, part)
        if child is None and place < len(location) - 1 and isinstance(part, str):
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


def _known_keys(location: tuple[Any, ...], model: type[BaseModel]) -> list[str]:
    """Keys that the model has at a path, which may hold the tags of unions."""
    kinds: list[Any] = [model]
    for part in location:
        tagged = [kind for kind in kinds if part in _tags(kind)]
        if tagged:
            kinds = tagged
            continue
        found: list[Any] = []
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                fields = {field.alias or name: field for name, field in kind.model_fields.items()}
                if part in fields:
                    found += _alternatives(fields[part].annotation)
            elif get_origin(kind) in {dict, tuple, list}:
                arguments = get_args(kind)
                found += _alternatives(arguments[1] if get_origin(kind) is dict else arguments[0])
        kinds = found
    models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return list(dict.fromkeys(field.alias or name for kind in models for name, field in kind.model_fields.items()))


def _tags(kind: Any) -> tuple[Any, ...]:
    """Values of a model's fields that are of one value only: what tells it from the others of its union."""
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return ()
    return tuple(get_args(field.annotation)[0] for field in kind.model_fields.values() if get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1)


def _alternatives(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _alternatives(get_args(annotation)[0])
    if origin in {Union, UnionType}:
        return [kind for argument in get_args(annotation) for kind in _alternatives(argument)]
    return [annotation]
