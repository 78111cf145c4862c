"""Claims on single dimensions: each model's correlation with people (Results; Fig. 2)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from claims.sensorimotor.common import (
    WORD_RESAMPLES,
    alignment,
    dimension_names,
    from_draws,
    gains,
    how_many,
    mean_gain,
    rho,
    rho_draws,
)
from core.verdict.estimate import Estimate, Undefined


def pandas_rho(evidence, language, model, dimension) -> float:
    """Compute a model's correlation with people with pandas alone."""
    table = evidence.ratings(language)
    at = table.dimensions.index(dimension)
    frame = pd.DataFrame({name: x[:, at] for name, x in table.models.items()})
    frame.insert(0, "Human", table.human[:, at])
    return float(frame.dropna().rank().corr().to_numpy()[0, list(frame).index(model)])


def _pandas_rhos(evidence, language, model) -> pd.Series:
    names = dimension_names(language, "all")
    return pd.Series({name: pandas_rho(evidence, language, model, name) for name in names})


def test_rho_figure(judge):
    """A printed correlation is the one that the ratings give."""
    judge(rho, oracle=pandas_rho)


def extreme(evidence, language, model, end) -> Estimate:
    names = dimension_names(language, "all")
    return (max if end == "highest" else min)(
        (rho(evidence, language, model, name) for name in names), key=lambda one: one.value
    )


def pandas_extreme(evidence, language, model, end) -> float:
    found = _pandas_rhos(evidence, language, model)
    return float(found.max() if end == "highest" else found.min())


def test_extreme_figure(judge):
    """A model's highest or lowest correlation is the one printed."""
    judge(extreme, oracle=pandas_extreme)


def place(evidence, language, model, dimension, counted_from) -> Estimate:
    """Measure a dimension's place when the dimensions are ranked by the model's correlation."""
    names = dimension_names(language, "all")
    found = {name: alignment(evidence, language, name).rho[model] for name in names}
    sign = 1 if counted_from == "lowest" else -1
    ahead = sum(sign * value < sign * found[dimension] for value in found.values())
    return Estimate.exact(1 + ahead, len(names), f"place from the {counted_from} correlation")


def pandas_place(evidence, language, model, dimension, counted_from) -> float:
    found = _pandas_rhos(evidence, language, model)
    placed = found.rank(ascending=counted_from == "lowest", method="min")
    return float(placed.to_dict()[dimension])


def test_place_of_dimension(judge):
    """A dimension is the one on which a model does best, or worst."""
    judge(place, oracle=pandas_place)


def others_above(evidence, language, model, dimension) -> list[Estimate]:
    """Measure how far every other dimension's correlation lies above one dimension's."""
    found, names = rho_draws(evidence, language), dimension_names(language, "all")
    at = names.index(dimension)
    value, draws = found.rho[model], found.draws[model]
    method = f"difference between dimensions, bootstrap over words (B={WORD_RESAMPLES})"
    return [
        from_draws(value[j] - value[at], draws[:, j] - draws[:, at], found.n, method, label=name)
        for j, name in enumerate(names)
        if j != at
    ]


def test_lowest_dimension(judge):
    """Every other dimension is told apart from the lowest one."""
    judge(others_above)


def rhos(evidence, language, model, dimensions="all") -> list[Estimate]:
    return [rho(evidence, language, model, name) for name in dimension_names(language, dimensions)]


def test_rho_on_dimensions(judge):
    """A model's correlations lie where they are said to, on every dimension named."""
    judge(rhos)


def test_gain_on_every_dimension(judge):
    """One model surpasses another by so much on every dimension named."""
    judge(gains)


def test_mean_gain(judge):
    """One model surpasses another by so much on the dimensions' average."""
    judge(mean_gain)


def dimensions_above(evidence, language, model, bound, reading) -> Estimate:
    """Count the dimensions with a correlation above a bound.

    Reading "point" takes the coefficient, "rounded" the coefficient at two decimals and counts it
    where it reaches the bound, "interval" asks that the whole interval lies above.
    """
    found = rhos(evidence, language, model)
    counted = {
        "point": sum(one.value > bound for one in found),
        "rounded": sum(round(one.value, 2) >= bound for one in found),
        "interval": sum(one.low > bound for one in found),
    }
    method = f"dimensions above {bound:g} of {len(found)} ({reading})"
    return Estimate.exact(counted[reading], found[0].n, method)


def pandas_dimensions_above(evidence, language, model, bound, reading) -> float:
    found = _pandas_rhos(evidence, language, model)
    if reading == "rounded":
        found = found.round(2) + 1e-9
    if reading == "interval":
        n = len(evidence.ratings(language).complete().concepts)
        error = np.sqrt((1 + found**2 / 2) / (n - 3))
        found = np.tanh(np.arctanh(found) - 1.959964 * error)
    return float((found > bound).sum())


def test_dimensions_above(judge):
    """As many dimensions as said have a correlation above the bound."""
    judge(dimensions_above, oracle=pandas_dimensions_above)


def many_gains(evidence, language, model, bound) -> Estimate:
    family = gains(evidence, language, model)
    method = f"dimensions of {len(family)} with a gain above {bound:g}, by interval"
    return how_many(family, bound, method)


def test_gain_on_most_dimensions(judge):
    """The gain exceeds the bound on most dimensions."""
    judge(many_gains)


def marginal(evidence, model) -> list[Estimate]:
    """Measure how far a tuned model lies above QA_FT wherever QA_FT lies above the base model."""
    names = dimension_names("en", "all")
    found = {name: alignment(evidence, "en", name).rho for name in names}
    risen = [name for name, one in found.items() if one["QA_FT"] > one["Base"]]
    if not risen:
        raise Undefined("QA_FT lies above Base on no dimension")
    return gains(evidence, "en", model, "QA_FT", "+".join(risen))


def test_marginal_gains(judge):
    """Where QA_FT improved at all, another fine-tuned model improved more."""
    judge(marginal)


def limited(evidence, language, model) -> list[Estimate]:
    """Measure how far every other dimension's gain lies above those of Gustatory and Olfactory."""
    found, names = rho_draws(evidence, language), dimension_names(language, "all")
    value = found.rho[model] - found.rho["Base"]
    draws = found.draws[model] - found.draws["Base"]
    method = f"difference between gains in correlation, bootstrap over words (B={WORD_RESAMPLES})"
    chemical = [names.index("Gustatory"), names.index("Olfactory")]
    return [
        from_draws(
            value[j] - value[k],
            draws[:, j] - draws[:, k],
            found.n,
            method,
            label=f"{names[j]} over {names[k]}",
        )
        for k in chemical
        for j in range(len(names))
        if j not in chemical
    ]


def test_most_limited_gains(judge):
    """Gustatory and Olfactory gained least from fine-tuning."""
    judge(limited)
