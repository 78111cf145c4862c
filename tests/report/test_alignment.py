"""What is said about every two spaces, on small groups."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.spatial import procrustes
from sklearn.decomposition import PCA

from core.evidence.embedded import Embedded
from core.evidence.replicated import Replicated
from core.metrics.cka import linear_cka
from core.metrics.neighbours import pairwise_precision_at_k, precision_at_k
from core.report import alignment
from core.report.alignment import disparities, pair, precisions, random_disparity
from core.report.groups import Group, groups
from tests.evidence.embeddings import write
from tests.evidence.test_replicated import write_evidence

N = 108


def spaces(seed, members, width=5):
    return np.random.default_rng(seed).standard_normal((members, N, width))


def shared(first, second):
    every = [pairwise_precision_at_k([*first.spaces, *second.spaces], k) for k in range(1, 16)]
    return np.array(every)[:, : len(first.spaces), len(first.spaces) :]


def test_two_groups_are_compared_member_by_member():
    first, second = Group("a", spaces(1, 4)), Group("b", spaces(2, 2, 9))
    found = pair(first, second, shared(first, second))
    assert (found.first, found.second, found.members) == ("a", "b", (4, 2))
    for k in (1, 15):
        each = [np.mean([precision_at_k(x, y, k) for y in second.spaces]) for x in first.spaces]
        assert found.precision[k - 1] == pytest.approx(np.mean(each))
        ends = stats.t.interval(0.95, 3, np.mean(each), stats.sem(each))
        assert (found.low[k - 1], found.high[k - 1]) == pytest.approx(ends)
    # Of three members at most, with every one of the other.
    few = [linear_cka(x, y) for x in first.spaces[:3] for y in second.spaces]
    assert found.cka == pytest.approx(np.mean(few))
    debiased = [linear_cka(x, y, debiased=True) for x in first.spaces[:3] for y in second.spaces]
    assert found.debiased_cka == pytest.approx(np.mean(debiased))


def test_members_of_a_group_are_compared_with_each_other_and_not_with_themselves():
    group = Group("a", spaces(3, 3))
    found = pair(group, group, shared(group, group))
    x, y, z = group.spaces
    pairs = [precision_at_k(a, b, 5) for a, b in ((x, y), (x, z), (y, z))]
    assert found.precision[4] == pytest.approx(np.mean(pairs))
    assert found.precision[4] < 0.5
    assert found.low[4] < found.precision[4] < found.high[4]
    ckas = [linear_cka(a, b) for a, b in ((x, y), (x, z), (y, z))]
    assert found.cka == pytest.approx(np.mean(ckas))


def test_a_single_space_has_no_interval():
    one, many = Group("a", spaces(4, 1)), Group("b", spaces(5, 3))
    assert pair(one, many, shared(one, many)).low == ()
    assert pair(one, one, shared(one, one)).precision[0] == 1
    two = Group("c", spaces(6, 2))
    assert pair(two, two, shared(two, two)).high == ()


def test_disparities_of_equally_wide_spaces_are_scipys_and_need_no_pca():
    agents = Group("agent", spaces(7, 4))
    other = Group("model", agents.spaces[:1] + spaces(8, 1), model=True)
    found = disparities(agents, other)
    expected = [procrustes(x, other.spaces[0])[2] for x in agents.spaces]
    assert_allclose(found.values, expected)
    assert found.padded is not None
    assert_allclose(found.padded.values, expected)
    assert found.padded.permuted == pytest.approx(found.permuted)
    # Only the first agent has anything to do with the model.
    assert found.values[0] < 0.6
    assert min(*found.values[1:], found.permuted) > 0.9
    assert found.permuted == pytest.approx(np.mean(found.values[1:]), abs=0.03)


def test_three_forms_differ_where_widths_do():
    agents = Group("agent", spaces(9, 3, 8))
    found = disparities(agents, Group("model", spaces(10, 1, 3), model=True))
    assert found.padded is not None
    assert found.rotation is not None
    model = spaces(10, 1, 3)[0]
    reduced = [PCA(3).fit_transform(x) for x in agents.spaces]
    assert_allclose(found.values, [procrustes(x, model)[2] for x in reduced])
    # What is left out by PCA can match nothing.
    assert found.permuted > found.padded.permuted
    # SciPy on the space with columns of zeros; a rotation alone leaves 2 less twice the norm.
    other = np.hstack([model, np.zeros((N, 5))])
    expected = np.array([procrustes(x, other)[2] for x in agents.spaces])
    assert_allclose(found.padded.values, expected)
    assert_allclose(found.rotation.values, 2 - 2 * np.sqrt(1 - expected))
    # Unrelated as they are, relabelling changes nothing but chance.
    for form in (found, found.padded, found.rotation):
        assert form.permuted == pytest.approx(np.mean(form.values), abs=0.04)


def test_forms_are_given_of_models_only():
    agents = Group("agent", spaces(11, 2))
    found = disparities(agents, Group("null", spaces(12, 5)))
    assert (found.padded, found.rotation) == (None, None)
    apart = [np.mean([procrustes(x, y)[2] for y in spaces(12, 5)[:3]]) for x in agents.spaces]
    assert_allclose(found.values, apart)


def test_unrelated_spaces_come_closer_the_wider_they_are():
    found = random_disparity()
    assert [one["width"] for one in found] == [2, 5, 10, 20, 50, 107, 768]
    apart = [one["disparity"] for one in found]
    assert apart == sorted(apart, reverse=True)
    # Two dimensions match next to nothing; all 107 that 108 points span, spread evenly, match.
    assert apart[0] > 0.97
    assert apart[-1] < 0.1
    for one in found:
        assert 0.8 * min(one["width"], 107) < one["effective_rank"] <= min(one["width"], 107)
    assert random_disparity() == found


def test_neighbours_are_shared_at_every_k_ties_and_all():
    # Whole numbers in a plane: most cosines tie.
    tied = np.random.default_rng(13).integers(1, 4, (2, N, 2)).astype(float)
    every = [*tied, *spaces(14, 2)]
    expected = [pairwise_precision_at_k(every, k) for k in range(1, 16)]
    assert expected[0][0, 0] < 0.5
    assert_allclose(precisions(every), expected, rtol=0, atol=1e-12)


@pytest.fixture
def body(tmp_path):
    folder = write_evidence(tmp_path / "agent", {"baseline": (0, 1, 2)}, tmp_path / "work")
    out = tmp_path / "embeddings"
    write(out, "meta-llama/Llama-3.2-1B", 1)
    for seed in (0, 1):
        write(out, "meta-llama/Llama-3.2-1B", 2 + seed, untrained=seed)
    return Replicated(folder, out)


def test_groups_are_agents_models_copies_and_nulls(body, tmp_path):
    write(tmp_path / "mine", "meta-llama/Llama-3.2-1B", 9)
    sources = [Embedded(tmp_path / "mine"), body.embedded]
    found = {group.name: group for group in groups(body.agents("baseline"), sources)}
    names = list(found)
    assert names[:4] == [
        *("agent", "meta-llama/Llama-3.2-1B (mean)"),
        *("agent, untrained", "llama, untrained"),
    ]
    assert names[-1] == "Gaussian"
    assert [name for name, group in found.items() if group.model] == [names[1]]
    # The first that has a model counts; the copies are where they are.
    model = sources[0].trained("llama").values
    assert np.array_equal(found[names[1]].spaces[0], model)
    assert len(found["llama, untrained"].spaces) == 2
    embeddings = body.agents("baseline").embeddings
    assert np.array_equal(found["agent"].spaces, embeddings[:, -1])
    assert np.array_equal(found["agent, untrained"].spaces, embeddings[:, 0])


def test_the_document_has_every_agent_and_every_update(body):
    agents, content = body.agents("baseline"), alignment.of([body])
    llama = body.embedding("llama").values
    name = "meta-llama/Llama-3.2-1B (mean)"
    expected = [
        [precision_at_k(x, llama, k) for k in range(1, 16)] for x in agents.embeddings[:, -1]
    ]
    assert_allclose(content["violins"][name], expected)
    (one,) = [p for p in content["pairs"] if (p["first"], p["second"]) == ("agent", name)]
    assert_allclose(one["precision"], np.mean(expected, axis=0))
    along = [
        np.mean([precision_at_k(x, llama, 15) for x in agents.embeddings[:, point]])
        for point in range(len(agents.updates))
    ]
    assert_allclose(content["course"]["precision"][name], along)
    assert content["course"]["updates"] == list(agents.updates)
