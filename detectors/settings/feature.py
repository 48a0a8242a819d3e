"""What an operator says of one column: the keys under ``features``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, model_validator

from detectors.duration import Duration
from detectors.settings.finite import Finite
from detectors.settings.stored import is_stored

DERIVED = frozenset({"text", "embedding"})
"""Types of which other columns are watched in the column's place."""
OF_EMBEDDINGS = {"dimension", "projections", "seed"}
"""Keys of an embedding alone."""


class Feature(Finite):
    """One column of the model's input, and what may be expected of it."""

    type: Literal["numeric", "categorical", "text", "embedding"] = "numeric"
    minimum: float | None = Field(default=None, description="smaller values count as out of range")
    maximum: float | None = Field(default=None, description="larger values count as out of range")
    max_missing: float | None = Field(default=None, ge=0, le=1, description="expected share of missing values; default: the reference's, or that of the stream's first values")
    categories: tuple[str, ...] | None = Field(default=None, min_length=1, description="other values of a categorical column count as unseen; default: the reference's")
    importance: float | None = Field(default=None, ge=0, description="how much the model leans on the column, in any unit; by it the causes of an alert are ranked")
    stale_after: Duration | None = Field(default=None, gt=0, description="told after this long without a change; default: by the times before")
    dimension: int | None = Field(default=None, ge=2, le=10_000, description="numbers of an embedding")
    projections: int = Field(default=8, ge=1, le=64, description="random directions that an embedding is watched in")
    seed: int = Field(default=0, ge=0, lt=2**32, description="of these directions")

    @model_validator(mode="after")
    def _keys_fit_the_type(self, info: ValidationInfo) -> Feature:
        if (self.type == "embedding") != (self.dimension is not None):
            raise ValueError(f"dimension is that of an embedding and of no other type, got type {self.type!r} and dimension {self.dimension}; give both or neither")
        if self.has_range and self.type != "numeric" and not (self.type == "categorical" and is_stored(info)):
            key = "maximum" if self.minimum is None else "minimum"
            instead = "set type: numeric, or name its values under categories" if self.type == "categorical" else "leave it out"
            raise ValueError(f"{key} is that of numbers, and a {self.type} has no range: no value would ever be out of it; {instead}")
        if self.type != "categorical" and self.categories is not None:
            raise ValueError(f"categories are those of a categorical column, got {', '.join(self.categories)} with type {self.type!r}; set type: categorical, or leave them out")
        if self.categories is not None and len(set(self.categories)) < len(self.categories):
            raise ValueError(f"categories must name each value once, got {', '.join(self.categories)}")
        return self

    @property
    def has_range(self) -> bool:
        """Whether values may be out of range."""
        return self.minimum is not None or self.maximum is not None

    def columns(self, name: str) -> dict[str, Feature]:
        """What is watched of the column, by name: itself, or what stands for a text or an embedding.

        Those of one value are missing together, so the first alone tells that: where all may be missing, no rate can rise.

        Examples
        --------
        >>> [(name, column.type) for name, column in Feature(type="text").columns("comment").items()]
        [('comment.length', 'numeric'), ('comment.words', 'numeric'), ('comment.pattern', 'categorical'), ('comment.script', 'categorical')]
        >>> list(Feature(type="embedding", dimension=384, projections=2).columns("title"))
        ['title.norm', 'title.projection_0', 'title.projection_1']
        """
        if self.type not in DERIVED:
            return {name: self}
        if self.type == "text":
            parts: dict[str, Literal["numeric", "categorical"]] = {"length": "numeric", "words": "numeric", "pattern": "categorical", "script": "categorical"}
        else:
            parts = dict.fromkeys(("norm", *(f"projection_{place}" for place in range(self.projections))), "numeric")
        missing = [self.max_missing, *[1.0] * (len(parts) - 1)]
        return {
            f"{name}.{part}": Feature(type=kind, max_missing=share, importance=self.importance, stale_after=self.stale_after)
            for (part, kind), share in zip(parts.items(), missing, strict=True)
        }

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> Feature:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum must be <= maximum, got {self.minimum} > {self.maximum}; every value would be out of range")
        return self


def is_readable(name: str) -> bool:
    """Whether events may carry a feature of this name: it has no quote, backslash or control character, which JSON would have to escape.

    Examples
    --------
    >>> is_readable("weight (kg)"), is_readable('weight "kg"')
    (True, False)
    """
    return not any(character in '"\\' or character < " " or "\ud800" <= character <= "\udfff" for character in name)
