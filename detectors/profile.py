"""What a reference looked like: bins and counts of every column, small enough to travel inside a monitor's specification.

A profile is made once from the training table (`detectors.references.reference`), and is all that a worker needs to know of it.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveFloat, SerializerFunctionWrapHandler, model_serializer, model_validator

from detectors.profile_parts import unfit_part


class Frozen(BaseModel):
    """A configuration value: cannot be changed, knows all of its keys, refuses the others."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


FEWEST_BINS = 8
"""Of a column whose correlations are watched: of fewer values, two columns agree by chance in so many events that a correlation of a few dozen says little."""

LARGEST_SHARE = 0.5
"""Of the values of such a column in one bin."""


def _without_no_repeats(content: dict[str, Any]) -> dict[str, Any]:
    if not content.get("repeats"):
        content.pop("repeats", None)
    return content


class Cycle(Frozen):
    """A period of the column's standard score, learnt from at least two whole cycles.

    ``location`` and ``square`` hold the harmonic coefficients ``(cos 1, sin 1, cos 2, sin 2, ...)`` of the standard score and of its square, about their means;
    the phase is zero at epoch 0, so ``angle = 2 pi (t mod period) / period`` with ``t`` in epoch milliseconds.
    """

    period: int = Field(gt=0, description="milliseconds")
    location: tuple[float, ...]
    square: tuple[float, ...]


class _WithHours(Frozen):
    """What may be known hour of the week by hour of the week.

    ``hours`` is a table of counts for each of the 168 hours, see `detectors.references.hour_tables`; where it is not there nothing is said of it.
    """

    hours: str | None = Field(default=None, repr=False)

    @model_serializer(mode="wrap")
    def _without_nothing(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Most columns have no hours and no other levels, and say nothing of them; what was not counted is not written."""
        content: dict[str, Any] = _without_no_repeats(written(self))
        return {key: value for key, value in content.items() if key not in _SELDOM or getattr(self, key) is not None}


_SELDOM = frozenset({"hours", "other"})


class NumericProfile(_WithHours):
    """Quantile bins of a numeric column.

    ``edges`` (B - 1,) are the inner edges, ascending: bin ``b`` holds ``edges[b-1] <= x < edges[b]`` (``numpy.searchsorted(edges, x, side="right")``).
    ``scores`` (B,) is the mean of the values in each bin, standardised by ``mean`` and ``deviation``, so that a mean of scores is a shift in units of sigma.
    """

    kind: Literal["numeric"] = "numeric"
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    scores: tuple[float, ...]
    missing: int = 0
    out_of_range: int = 0
    mean: float
    deviation: float = Field(ge=0, description="standard deviation, in the column's own unit")
    minimum: float
    maximum: float
    cycles: tuple[Cycle, ...] = ()
    repeats: int = Field(default=0, description="values that are those of the row before, where that was counted")

    @property
    def can_correlate(self) -> bool:
        """Whether correlations of a few events mean something: the values are many, and have no cycle, which columns would share."""
        return len(self.counts) >= FEWEST_BINS and max(self.counts) <= LARGEST_SHARE * sum(self.counts) and not self.cycles and self.hours is None


class OtherLevels(Frozen):
    """Levels that are counted together, because there are too many; see `detectors.columns.other_levels`.

    ``hashes`` are theirs, ascending 32-bit integers in base64; "" where even these were too many.
    """

    levels: int = Field(gt=0, description="how many there are")
    seen_twice: int = Field(default=0, description="how many of them two rows have")
    hashes: str = ""


class CategoricalProfile(_WithHours):
    """Counts of the known levels of a column; what is not among them is `unseen`.

    With ``other``, the last level stands for all that are counted together, and ``unseen`` is the number of rows that no other row shares its level with.
    """

    kind: Literal["categorical"] = "categorical"
    levels: tuple[str, ...]
    counts: tuple[int, ...]
    unseen: int = 0
    missing: int = 0
    other: OtherLevels | None = None
    repeats: int = Field(default=0, description="values that are those of the row before, where that was counted")


ColumnProfile = Annotated[NumericProfile | CategoricalProfile, Field(discriminator="kind")]


class PerformanceProfile(Frozen):
    """Performance on the reference, measured on rows that the model had not been fitted to.

    For a classifier ``loss`` is the error rate (``errors / rows``); for a regression it is the mean absolute error, with the deviation of the absolute errors.
    """

    rows: int = Field(gt=0)
    loss: float
    deviation: float


class OutcomeProfile(Frozen):
    """What the labels of the reference were, by what the model said: what performance is estimated by where there are no labels.

    ``labels``, ``cells`` and ``counts`` name the cells that have rows: place of the label among the classes, output cell (`detectors.panes.output_cells`), number of rows.
    ``dispersion`` is by how much whether the model is right varies more, from one of ``blocks`` stretches of the reference to another, than it would between independent rows.
    ``means`` and ``deviations`` are those of each numeric column's standard score, by the class of the label; None where a class has fewer than two rows.
    ``witnesses`` are the columns whose means differ most between classes, with ``covariances`` of their standard scores: the upper triangle, row by row.
    """

    scored: bool = False
    labels: tuple[int, ...]
    cells: tuple[int, ...]
    counts: tuple[int, ...]
    dispersion: float = Field(default=1.0, ge=1)
    blocks: int = Field(default=0, ge=0)
    means: dict[str, tuple[float | None, ...]] = Field(default_factory=dict)
    deviations: dict[str, tuple[float | None, ...]] = Field(default_factory=dict)
    witnesses: tuple[str, ...] = ()
    covariances: tuple[FiniteFloat, ...] = ()


class CorrelationProfile(Frozen):
    """How columns go together: correlations of their normal scores, on the rows that lack none of them; see `detectors.references.correlation_reference`.

    ``correlations`` and ``deviations`` are (P,) of the pairs ``(0, 1), (0, 2), ... (1, 2), ...``; a correlation of n rows has the standard error
    ``deviation / sqrt(n)``. Divided by these errors they have a correlation matrix of their own, of which ``traces`` are those of its square and of its cube (P each
    where all pairs are independent), and ``largest`` is the largest eigenvalue. ``sum_values`` and ``sum_counts`` are the law of one row's part in their plain sum.
    """

    features: tuple[str, ...]
    rows: int = Field(gt=0)
    correlations: tuple[float, ...]
    deviations: tuple[float, ...]
    traces: tuple[PositiveFloat, PositiveFloat]
    largest: float = Field(gt=0)
    sum_values: tuple[float, ...]
    sum_counts: tuple[int, ...]


class AnomalyProfile(Frozen):
    """What single events look like: histograms of the columns, and of the principal components of the numeric ones; see `detectors.columns.anomaly_scores`.

    ``centres`` and ``scales`` (d,) are those that numeric values are squashed by, ``components`` (d, c) the directions. ``lows``, ``steps`` and ``counts`` are of the
    d + c histograms, ``missing`` (d,) and ``levels`` (by level, then unseen, then missing) of the columns. ``above`` of ``rows`` rows that were not counted there have
    scores above ``threshold``.
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    centres: tuple[float, ...]
    scales: tuple[float, ...]
    components: tuple[tuple[float, ...], ...]
    lows: tuple[float, ...]
    steps: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]
    missing: tuple[int, ...]
    levels: tuple[tuple[int, ...], ...]
    threshold: float
    rows: int = Field(gt=0)
    above: int = Field(ge=0)


class GivenOthersProfile(Frozen):
    """What columns are expected to be by what the others are, see `detectors.references.columns_given_others`.

    ``coefficients`` has a row for each of ``targets``: the constant, then one for each of ``features``. What is left has ``deviations``, and laws of which
    ``laws`` are the points, each of as many rows as ``counts`` say; in sigma of the column.
    """

    features: tuple[str, ...]
    targets: tuple[str, ...]
    rows: int = Field(gt=0)
    coefficients: tuple[tuple[float, ...], ...]
    deviations: tuple[float, ...]
    laws: tuple[tuple[float, ...], ...]
    counts: tuple[int, ...]


class Profile(Frozen):
    """The whole reference of one model."""

    rows: int = Field(ge=0)
    features: dict[str, ColumnProfile]
    prediction: ColumnProfile | None = None
    label: ColumnProfile | None = None
    performance: PerformanceProfile | None = None
    outcomes: OutcomeProfile | None = None
    correlation: CorrelationProfile | None = None
    anomalies: AnomalyProfile | None = None
    given_others: GivenOthersProfile | None = Field(default=None, repr=False)
    error_hours: str | None = Field(default=None, repr=False, description="rows and wrong answers by hour of the week, as `hours` of a column")

    @model_validator(mode="after")
    def _parts_fit(self) -> "Profile":
        unfit = unfit_part(self)
        if unfit:
            raise ValueError(f"the parts of a profile have the sizes that follow from one another, but {unfit}; make it again with: driftwarden monitor infer FILE")
        return self
