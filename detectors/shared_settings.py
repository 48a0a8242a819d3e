"""Settings that many models have in common, held once: a thousand models of one kind have the same features, labels and floors."""

from __future__ import annotations

from typing import Annotated, TypeVar
from weakref import WeakValueDictionary

from pydantic import AfterValidator, BaseModel

_Settings = TypeVar("_Settings", bound=BaseModel)

_IN_USE: WeakValueDictionary[tuple[type[BaseModel], str, str], BaseModel] = WeakValueDictionary()


def shared(settings: _Settings) -> _Settings:
    """The frozen settings that equal these and were given the same keys, if some are in use already.

    Examples
    --------
    >>> class Point(BaseModel, frozen=True):
    ...     x: float = 0.0
    >>> first = shared(Point(x=1.0))
    >>> shared(Point(x=1.0)) is first, shared(Point(x=2.0)) is first, shared(Point()) is shared(Point(x=0.0))
    (True, False, False)
    """
    found: _Settings = _IN_USE.setdefault((type(settings), repr(settings), settings.model_dump_json(exclude_unset=True)), settings)  # type: ignore[assignment]  # of the type in its key
    return found


Shared = Annotated[_Settings, AfterValidator(shared)]
"""A field whose value is shared."""
