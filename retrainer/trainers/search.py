"""The trainer ``search``: three families of models, many settings each, and the best on rows that come later than those it was fitted to.

Successive halving (Jamieson & Talwalkar 2016; scikit-learn's ``HalvingRandomSearchCV``): all candidates are fitted to a small sample, the best third goes on with three times the
rows, until one is left: a bad setting costs little. Folds are in the order of time, so that a candidate is scored on rows after those it has seen. The winner is fitted to
all rows.

It costs some hundred small fits, counted in the metric ``fits``, where ``scikit-learn`` costs one. Use it for a first champion and where causes are rare, not under
refreshes of 200 rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import loguniform, randint
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  the search cannot be imported without
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import HalvingRandomSearchCV, TimeSeriesSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from detectors.rows.examples import Examples
from detectors.specification import MonitorSpecification, Task
from retrainer.trainers import Candidate, TrainingContext, TrainingError
from retrainer.trainers.scikit_learn import THREADS, batch_only, finish, prepare

FOLDS = 3
FEWEST = 60  # rows; fewer leave folds of a dozen, which tell nothing apart
_SMALLEST = 200  # rows of the first round


@dataclass(frozen=True, kw_only=True)
class SearchTrainer:
    """The search.

    Parameters
    ----------
    candidates : settings that are tried in the first round, a third of them of each family, on average.
    """

    candidates: int = 24

    def train(self, examples: Examples, specification: MonitorSpecification, context: TrainingContext) -> Candidate:
        """Search, and fit the winner to all rows."""
        batch_only(context, "search")
        levels, matrix, label = prepare(examples, specification)
        if len(matrix) < FEWEST:
            raise TrainingError(f"a search needs {FEWEST} rows or more to tell candidates apart, got {len(matrix)}; use retrain.trainer 'scikit-learn'")
        search = HalvingRandomSearchCV(
            Pipeline([("model", "passthrough")]),
            families(specification.task, [known is not None for known in levels.values()], context.seed),
            n_candidates=self.candidates,
            factor=3,
            min_resources=min(_SMALLEST, len(matrix)),
            cv=TimeSeriesSplit(FOLDS),
            scoring="neg_mean_absolute_error" if specification.task == "regression" else "accuracy",
            error_score=np.nan,
            random_state=context.seed,
            refit=True,
        )
        with THREADS.limit(limits=1), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of candidates that did not converge or could not be fitted: their scores say it
            search.fit(matrix, label)
        scores = search.cv_results_["mean_test_score"]
        if not np.isfinite(scores).any():
            raise TrainingError(f"none of {len(scores)} candidates could be fitted to {len(matrix)} rows")
        model = search.best_estimator_.named_steps["model"]
        kind = type(model[-1] if isinstance(model, Pipeline) else model).__name__
        told = {
            "trainer": "search",
            "estimator": kind,
            "seed": context.seed,
            "candidates": search.n_candidates_,
            "rows": search.n_resources_,
            "settings": _settings(search.best_params_),
        }
        candidate = finish(model, levels, matrix, label, specification, told)
        measured = {"fits": float(FOLDS * len(scores) + 1), "validation_score": float(search.best_score_)}
        return Candidate(model=candidate.model, parameters=candidate.parameters, metrics=candidate.metrics | measured)


def families(task: Task, categorical: Sequence[bool], seed: int) -> list[dict[str, Any]]:
    """Laws that the settings of each family are drawn from: boosted trees, randomised trees, a linear model.

    Examples
    --------
    >>> [type(family["model"][0][-1] if hasattr(family["model"][0], "steps") else family["model"][0]).__name__ for family in families("classification", [False], 0)]
    ['HistGradientBoostingClassifier', 'ExtraTreesClassifier', 'LogisticRegression']
    """
    regression = task == "regression"
    boosting = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    trees = ExtraTreesRegressor if regression else ExtraTreesClassifier
    linear = Ridge() if regression else LogisticRegression(max_iter=300)
    strength = {"model__estimator__alpha": loguniform(1e-3, 1e3)} if regression else {"model__estimator__C": loguniform(1e-3, 1e2)}
    numbers, names = np.flatnonzero(~np.asarray(categorical, bool)).tolist(), np.flatnonzero(categorical).tolist()
    scaled = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
    coded = ColumnTransformer([("numbers", scaled, numbers), ("names", OneHotEncoder(handle_unknown="ignore"), names)])
    return [
        {
            "model": [boosting(random_state=seed, categorical_features=list(categorical) if any(categorical) else None, early_stopping=False)],
            "model__max_iter": randint(30, 150),
            "model__learning_rate": loguniform(0.03, 0.3),
            "model__max_leaf_nodes": randint(4, 32),
        },
        {
            "model": [Pipeline([("impute", SimpleImputer(strategy="median", keep_empty_features=True)), ("estimator", trees(random_state=seed, n_jobs=1))])],
            "model__estimator__n_estimators": randint(30, 100),
            "model__estimator__min_samples_leaf": randint(1, 20),
        },
        {"model": [Pipeline([("code", coded), ("estimator", linear)])]} | strength,
    ]


def _settings(best: dict[str, Any]) -> dict[str, float]:
    """What the winner was drawn with."""
    return {name.rpartition("__")[2]: float(value) for name, value in best.items() if name != "model"}
