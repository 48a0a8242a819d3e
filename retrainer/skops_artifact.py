"""Artifacts of scikit-learn models: the skops format, made reproducible, and read with a list of types that may be built.

skops names its parts by memory addresses and stamps them with the time, so that the same model gives other bytes each time. Here parts are numbered as they appear and the
time is fixed: the digest of an artifact then says whether two models are the same.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import skops.io

TRUSTED = (
    "functools.partial",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",  # a forged tree could read outside of its arrays: a reason more to check the digest first
    "sklearn.utils.validation.check_array",
)
"""Types outside of skops' own list that an artifact may hold: what scikit-learn's own estimators are made of. A partial's function has to be trusted by itself."""


class EstimatorError(TypeError):
    """The file holds something else than an artifact does, such as an estimator alone."""


def dump(content: dict[str, Any]) -> bytes:
    """Bytes of plain values and scikit-learn estimators; the same content gives the same bytes.

    Raises
    ------
    TypeError
        If the content holds a type that `load` would refuse.

    Examples
    --------
    >>> dump({"a": [1, 2]}) == dump({"a": [1, 2]}), load(dump({"a": [1, 2]}))
    (True, {'a': [1, 2]})
    """
    raw = skops.io.dumps(content)
    _refuse_untrusted(raw)
    with zipfile.ZipFile(io.BytesIO(raw)) as parts:
        schema = json.loads(parts.read("schema.json"))
        numbers: dict[int, int] = {}
        names: dict[str, str] = {}
        _number(schema, numbers, names)
        result = io.BytesIO()
        with zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
            packed.writestr(_entry("schema.json"), json.dumps(schema, separators=(",", ":")))
            for old, new in names.items():
                packed.writestr(_entry(new), parts.read(old))
    return result.getvalue()


def load(artifact: bytes) -> dict[str, Any]:
    """Content of an artifact. Check its digest first: this builds objects.

    Raises
    ------
    TypeError
        If it holds a type that is not trusted.
    EstimatorError
        If `dump` did not make it.
    """
    _refuse_untrusted(artifact)
    content = skops.io.loads(artifact, trusted=list(TRUSTED))
    if not isinstance(content, dict):
        raise EstimatorError(f"it holds a {type(content).__name__} alone; expected what Driftwarden's trainers make of one, or the monitor that says what its columns are")
    return content


def load_estimator(content: bytes) -> Any:
    """What a training in another process left as bytes of skops; TypeError if it holds a type that is not trusted."""
    _refuse_untrusted(content)
    return skops.io.loads(content, trusted=list(TRUSTED))


def _refuse_untrusted(artifact: bytes) -> None:
    foreign = sorted(set(skops.io.get_untrusted_types(data=artifact)) - set(TRUSTED))
    if foreign:
        raise TypeError(f"the model holds types that are not trusted: {', '.join(foreign)}; use estimators of scikit-learn alone")


def _number(node: Any, numbers: dict[int, int], names: dict[str, str]) -> None:
    """Replace memory addresses and file names, in order of appearance."""
    if isinstance(node, dict):
        if isinstance(node.get("__id__"), int):
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
        if isinstance(node.get("file"), str):
            stem, dot, suffix = node["file"].partition(".")
            node["file"] = names.setdefault(stem + dot + suffix, f"{len(names)}{dot}{suffix}")
        for value in node.values():
            _number(value, numbers, names)
    elif isinstance(node, list):
        for value in node:
            _number(value, numbers, names)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry
