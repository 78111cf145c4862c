"""Which claims are judged on ratings made on the user's machine, and which never are.

The rule: a claim is judged on a study when the release judges it, it needs no more than a study
has (ratings of every model, with people's; people's ratings of training words; the raw answers),
and it is about what models do. A claim that is a printed figure or a count is about the authors'
own outputs, and one that needs no model's ratings is about people alone.
"""

import re

import pytest

from core.evidence.rated import PARTS
from core.paths import CLAIMS
from core.verdict.case import named_cases
from core.verdict.registry import load_registries

#: What the rule would let through, with the reason why it is not judged on a study.
EXCEPTIONS = {
    "sm-shouter-": "about the paper's example, which another study's test words need not hold",
    "sm-blocks-": "the interval is over draws of 40 words: few that share none, or many that do",
    "sm-nl-ft-surpasses-base": "p above .05 refutes it, if only for want of words",
    "sm-en-ft-surpasses-base-dutch": "p above .05 refutes it, if only for want of words",
    "sm-not-uniform-nl-nl": "its bound comes from what the authors' QA_FT gave when asked again",
}
#: Criteria that are not a figure or count that the paper prints of its own outputs.
KINDS = {"above", "below", "between", "equivalent", "ordered"}
#: Levels of significance that statements name.
LEVELS = {0.05, 0.001}
#: A count as large as this is of somebody's words or answers: the draws of our own excepted.
MANY, DRAWS = 100, 200


@pytest.fixture(scope="module")
def claims():
    registries = [CLAIMS / f"{paper}.toml" for paper in ("sensorimotor", "coverage")]
    return [claim for claim in load_registries(registries) if claim.untested is None]


def excepted(claim):
    return [one for one in EXCEPTIONS if claim.id.startswith(one)]


def fits(claim):
    needs = set(claim.needs)
    kind = claim.criterion.kind
    return "released" in claim.tiers and needs <= PARTS and "ratings" in needs and kind in KINDS


def test_the_rule_and_the_exceptions_alone_say_what_is_judged_on_a_study(claims):
    fresh = {claim.id for claim in claims if "fresh" in claim.tiers}
    assert fresh == {claim.id for claim in claims if fits(claim) and not excepted(claim)}
    assert len(fresh) == 211


def figures(claim):
    """Return the numbers in a statement that are neither its criterion's, nor plain, nor small."""
    criterion = claim.criterion
    own = {criterion.bound, criterion.low, criterion.high, criterion.margin, *LEVELS}
    said = re.findall(r"\d[\d,]*\.\d+|\.\d+|\d[\d,]*", claim.statement)
    numbers = [float(x.replace(",", "")) for x in said]
    plain = {x for x in numbers if x in own or round(x, 1) == x < MANY or x == DRAWS}
    return [x for x in numbers if x not in plain]


def test_no_claim_judged_on_a_study_names_a_figure_or_count_of_the_release(claims):
    assert {c.id: figures(c) for c in claims if "fresh" in c.tiers and figures(c)} == {}
    below_one = next(c for c in claims if c.id == "sm-chemical-below-one")
    assert figures(below_one) == [868, 2358]
    asked_again = next(c for c in claims if c.id == "sm-not-uniform-nl-nl")
    assert figures(asked_again) == [0.29]


def test_every_exception_is_one(claims):
    for one in EXCEPTIONS:
        assert [claim.id for claim in claims if claim.id.startswith(one) and fits(claim)]


def test_the_release_stays_the_first_to_be_judged_on(claims):
    # The first tier decides how the controls read the criterion.
    assert {claim.tiers for claim in claims if "fresh" in claim.tiers} == {("released", "fresh")}


def test_the_raw_answers_are_the_release_s_alone(claims):
    needing = [claim for claim in claims if "completions" in claim.needs]
    for case in named_cases(needing).values():
        assert ("raw" in case.marks) is (case.tier == "released" and not case.expects)
