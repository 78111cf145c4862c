"""The headline figures again, from what the models found likely instead of what they wrote."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from claims.sensorimotor.common import bootstrapped, features_rdm, from_draws
from core.evidence.enough import require
from core.evidence.tables import Ratings
from core.metrics.bootstrap import RsaBootstrap
from core.metrics.correlation import spearman, spearman_interval
from core.metrics.words import paired_t, word_distance, word_similarity
from core.verdict.estimate import Estimate


@cache
def expected(evidence, language: str) -> Ratings:
    """Return the ratings with the expectation of each answer in place of the answer.

    The expectation of the first digit is over the digits among the five likeliest tokens. A model
    that answers in decimals has its usual decimals after that digit added: the mean of what follows
    each digit in the same file, interpolated between digits.

    Raises
    ------
    NotGiven
        If too few words have an expectation on every dimension from every model.
    """
    ratings: Ratings = evidence.ratings(language)
    table = evidence.completions()
    rows = table[(table["language"] == language) & (table["status"] == "ok")]
    rows = rows.dropna(subset=["rating", "expected"]).drop_duplicates(["file", "custom_id"])
    means: Any = pd.concat([file_means(file) for _, file in rows.groupby("file")])
    means = means.pivot_table("mean", index="word", columns=["model", "dimension"])
    models = {
        model: means[model].reindex(index=ratings.concepts, columns=ratings.dimensions).to_numpy()
        for model in ratings.models
    }
    found = replace(ratings, models=models).complete()
    least = min(models, key=lambda model: np.isfinite(models[model]).all(axis=1).sum())
    what = f"{language}/{least}: expected ratings"
    require(len(found.concepts), len(ratings.concepts), what)
    return found


def file_means(file: Any) -> Any:
    """Return the rows of one file with the expectation of each answer as `mean`."""
    digit = np.floor(file["rating"])
    usual = (file["rating"] - digit).groupby(digit).mean()
    decimals = np.interp(file["expected"], usual.index, usual)
    return file.assign(mean=(file["expected"] + decimals).clip(0, 5))


@cache
def structure(evidence, language: str) -> RsaBootstrap:
    """Return the bootstrap over concepts of every model's RSA on all dimensions."""
    table = expected(evidence, language)
    models = {model: features_rdm(x) for model, x in table.models.items()}
    return bootstrapped(features_rdm(table.human), models, "expected", language)


def rsa_step(evidence, language, model, over):
    """How far one model's RSA lies above another's."""
    found = structure(evidence, language)
    value, draws = found.rho[model] - found.rho[over], found.difference(model, over)
    method = f"RSA difference on expectations, bootstrap over concepts (B={found.n_resamples})"
    return from_draws(value, draws, found.n, method, label=f"{model} over {over}")


def test_rsa_step(judge):
    """The order of the models does not hang on greedy answers."""
    judge(rsa_step)


def gain(evidence, language, model):
    """Mean gain in word similarity over Base."""
    table = expected(evidence, language)
    score = {
        m: word_similarity(word_distance(table.models[m], table.human)) for m in (model, "Base")
    }
    test = paired_t(score[model], score["Base"])
    method = "similarity on expectations, paired t interval"
    return Estimate(test.mean, test.low, test.high, test.n, method, label=model)


def test_expected_gain(judge):
    judge(gain)


def rank_correlation(evidence, first, second):
    """Rank correlation of two models' word similarities on English, with the 90 % interval."""
    table = expected(evidence, "en")
    x, y = (word_similarity(word_distance(table.models[m], table.human)) for m in (first, second))
    rho = spearman(x, y)
    low, high = spearman_interval(rho, len(x), 0.9)
    method = "Spearman over words on expectations, Fisher z"
    return Estimate(rho, low, high, len(x), method, 0.9, label=f"{first}, {second}")


def test_expected_rank_correlation(judge):
    """Base and tuned rankings of the words stay unrelated."""
    judge(rank_correlation)


def alignment(evidence, language, model, dimension):
    """Correlation with people on one dimension."""
    table = expected(evidence, language).select(dimension)
    rho = spearman(table.human[:, 0], table.models[model][:, 0])
    low, high = spearman_interval(rho, len(table.concepts))
    method = "Spearman on expectations, Bonett and Wright (2000) interval"
    return Estimate(rho, low, high, len(table.concepts), method, label=dimension)


def test_expected_alignment(judge):
    judge(alignment)
