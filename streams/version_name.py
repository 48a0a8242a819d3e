"""How a person names a version: ``loans@3``, ``loans@champion``, ``loans`` (its champion), or ``3`` where one model has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from detectors.errors import SettingsError
from retrainer.versions import Version, champion, history


def find_version(models: Mapping[str, Sequence[Version]], name: str) -> tuple[str, str]:
    """Model and version of a name.

    Raises
    ------
    SettingsError
        If there is none, or more than one.

    Examples
    --------
    >>> models = {"loans": [Version(model="loans", version=number, status="promoted", at=0) for number in "12"]}
    >>> [find_version(models, name) for name in ("loans@1", "loans@champion", "loans", "1")]
    [('loans', '1'), ('loans', '2'), ('loans', '2'), ('loans', '1')]
    """
    if name in models:
        return _champion_of(models, name)
    model, at, version = name.rpartition("@")
    if at and model in models:
        if version == "champion":
            return _champion_of(models, model)
        if version in history(models[model]):
            return model, version
        raise SettingsError(f"'{model}' has no version {version!r}; it has: {', '.join(history(models[model]))}, and champion")
    having = [model for model, records in models.items() if name in history(records)]
    if len(having) == 1:
        return having[0], name
    if having:
        raise SettingsError(f"several models have a version {name}; say which: {', '.join(f'{model}@{name}' for model in having)}")
    raise SettingsError(f"no version is named {name!r}; write MODEL@VERSION or MODEL@champion. There are the models: {', '.join(sorted(models)) or 'none'}")


def _champion_of(models: Mapping[str, Sequence[Version]], model: str) -> tuple[str, str]:
    serving = champion(models[model])
    if serving is None:
        raise SettingsError(f"'{model}' has no champion yet; write {model}@VERSION, with one of: {', '.join(history(models[model]))}")
    return model, serving.version
