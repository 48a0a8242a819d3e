"""The server of a packaged model, shipped as it is: it needs the folder beside it, the packages of requirements.txt, and nothing else of Driftwarden.

``GET /ping`` and ``/health`` answer when the model is loaded, ``GET /version`` says which one, ``POST /invocations`` predicts, as the scoring server of MLflow and the
containers of SageMaker do. Run it by ``python serve.py``; ``PORT``, ``HOST`` and ``THREADS`` are read from the environment.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parent
LARGEST = 16 * 2**20
"""Bytes of a request's body; ``LARGEST_BODY`` sets another number."""

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class RequestError(Exception):
    """What is asked for cannot be answered; with the status and the reason."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Application:
    """The WSGI application.

    Parameters
    ----------
    model : has ``predict`` and ``score`` of a dict of columns.
    told : of its record: model, version and digest.
    largest : bytes of a body.
    """

    def __init__(self, model: Any, told: dict[str, Any], *, largest: int = LARGEST) -> None:
        self._model = model
        self._told = {key: told[key] for key in ("model", "version", "revision", "digest")}
        self._largest = largest

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        try:
            status, content = "200 OK", self._answer(environ)
        except RequestError as error:
            status, content = error.status, {"error_code": "BAD_REQUEST", "message": str(error)}
        body = b"\n" if content is None else json.dumps(content).encode()
        version = [("X-Driftwarden-Model-Version", str(self._told["version"]))]
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *version])
        return [body]

    def _answer(self, environ: dict[str, Any]) -> Any:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        wanted = {"/ping": "GET", "/health": "GET", "/version": "GET", "/invocations": "POST"}.get(path)
        if wanted is None:
            raise RequestError("404 Not Found", f"there is no {path}; there are /invocations, /ping, /health and /version")
        if method != wanted:
            raise RequestError("405 Method Not Allowed", f"{path} takes {wanted}, got {method}")
        if path != "/invocations":
            return self._told if path == "/version" else None
        columns, parameters = read_columns(environ.get("CONTENT_TYPE", ""), self._body(environ))
        try:
            predictions = self._model.predict(columns)
            scores = self._model.score(columns) if parameters.get("scores") else None
        except (KeyError, TypeError, ValueError) as error:
            raise RequestError("400 Bad Request", f"the model cannot predict that: {error.args[0] if error.args else error}") from error
        answer = {"predictions": plain(predictions)}
        return answer if scores is None else answer | {"scores": plain(scores)}

    def _body(self, environ: dict[str, Any]) -> bytes:
        length = environ.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > self._largest:
            raise RequestError("413 Content Too Large", f"expected a body of at most {self._largest} bytes, got {length}; send fewer rows at once")
        body: bytes = environ["wsgi.input"].read(int(length))
        return body


def read_columns(content_type: str, body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Columns by name, and parameters, of a request in one of MLflow's forms.

    Examples
    --------
    >>> forms = {"dataframe_split": {"columns": ["x", "city"], "data": [[1, "Rome"], [None, None]]}}, {"dataframe_records": [{"x": 1, "city": "Rome"}, {"x": None}]}
    >>> [{name: column.tolist() for name, column in read_columns("application/json", json.dumps(form).encode())[0].items()} for form in forms]
    [{'x': [1.0, nan], 'city': ['Rome', None]}, {'x': [1.0, nan], 'city': ['Rome', None]}]

    Raises
    ------
    RequestError
        If it is in none of them.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "text/csv":
        try:
            rows = list(csv.reader(io.StringIO(body.decode("utf-8", "replace"))))
        except csv.Error as error:
            raise RequestError("400 Bad Request", f"the body is not CSV: {error}") from error
        if not rows:
            raise RequestError("400 Bad Request", "the CSV is empty; its first line names the columns")
        return _table(rows[0], [[_number_or_text(cell) for cell in row] for row in rows[1:]]), {}
    if kind not in {"application/json", ""}:
        raise RequestError("415 Unsupported Media Type", f"expected application/json or text/csv, got {kind}")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError("400 Bad Request", f"the body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise RequestError("400 Bad Request", f"expected a JSON object with {_FORMS}, got {type(content).__name__}")
    given = content.get("params") or {}
    return _columns_of(content), given if isinstance(given, dict) else {}


_FORMS = "one of dataframe_split, dataframe_records, instances and inputs"


def _columns_of(content: dict[str, Any]) -> dict[str, Any]:
    split = content.get("dataframe_split")
    if isinstance(split, dict) and isinstance(split.get("columns"), list) and isinstance(split.get("data"), list):
        return _table(split["columns"], split["data"])
    for name in ("dataframe_records", "instances", "inputs"):
        records = content.get(name)
        if isinstance(records, list) and all(isinstance(record, dict) for record in records):
            names = dict.fromkeys(key for record in records for key in record)
            return {key: column([record.get(key) for record in records]) for key in names}
    inputs = content.get("inputs")
    if isinstance(inputs, dict):
        columns = {name: values if isinstance(values, list) else [values] for name, values in inputs.items()}
        if len({len(values) for values in columns.values()}) > 1:
            raise RequestError("400 Bad Request", f"columns have different lengths: { ({name: len(values) for name, values in columns.items()}) }")
        return {name: column(values) for name, values in columns.items()}
    raise RequestError("400 Bad Request", f"expected {_FORMS}, with named columns; got {sorted(content)}")


def _table(names: list[Any], rows: list[Any]) -> dict[str, Any]:
    if any(not isinstance(row, list) or len(row) != len(names) for row in rows):
        raise RequestError("400 Bad Request", f"every row needs {len(names)} values, one for each column")
    return {str(name): column([row[place] for row in rows]) for place, name in enumerate(names)}


def column(values: list[Any]) -> Any:
    """(n,) numbers with nan for null, or objects with None.

    Examples
    --------
    >>> column([1, None, True]).tolist(), column(["a", None]).tolist()
    ([1.0, nan, 1.0], ['a', None])
    """
    if all(value is None or isinstance(value, int | float) for value in values):
        try:
            return np.array([math.nan if value is None else float(value) for value in values], np.float64)
        except OverflowError as error:
            raise RequestError("400 Bad Request", "a whole number is too large for a float64; send a smaller one") from error
    objects = np.empty(len(values), object)
    objects[:] = values
    return objects


def plain(values: Any) -> list[Any]:
    """What JSON can say; a number that is not finite is null."""
    return [None if isinstance(value, float) and not math.isfinite(value) else value for value in np.asarray(values).tolist()]


def _number_or_text(cell: str) -> float | str | None:
    if cell == "":
        return None
    try:
        return float(cell)
    except ValueError:
        return cell


def load(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The packaged model, after its digest was verified, and what its record says."""
    code = folder / "model" / "code"
    sys.path[:0] = [str(code), str(code / "driftwarden.zip")]  # the code of the package, whatever is installed
    from mlflow_loader import _load_pyfunc  # type: ignore[import-not-found]  # noqa: PLC0415  it lies in the package

    told: dict[str, Any] = json.loads((folder / "model" / "data" / "version.json").read_text())
    return _load_pyfunc(str(folder / "model" / "data")).model, told


def main() -> None:
    """Serve until told to stop."""
    from waitress.server import create_server  # type: ignore[import-untyped]  # noqa: PLC0415  the application is tested without it

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # as the first process of a container it would be ignored
    model, told = load(FOLDER)
    application = Application(model, told, largest=int(os.environ.get("LARGEST_BODY", LARGEST)))
    server = create_server(application, host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "8080")), threads=int(os.environ.get("THREADS", "4")))
    print(f"model '{told['model']}' version {told['version']} on port {server.effective_port}", flush=True)
    server.run()


if __name__ == "__main__":
    main()
