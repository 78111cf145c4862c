"""Batches: what is padded, what is supervised, and in which order examples come."""

import numpy as np
import pytest

from core.rating.finetuning.batches import collate, order, steps_of, steps_per_epoch
from core.rating.finetuning.encoding import Encoded


def test_a_batch_by_hand():
    batch = collate([Encoded((5, 6, 7, 8), 2), Encoded((9, 4), 1)], padding=0)
    assert batch.ids.tolist() == [[5, 6, 7, 8], [9, 4, 0, 0]]
    assert batch.mask.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert batch.labels.tolist() == [[-100, -100, 7, 8], [-100, 4, -100, -100]]


@pytest.mark.parametrize(("n", "batch"), [(1, 4), (7, 4), (8, 4), (300, 4), (1000, 16)])
def test_every_example_comes_once(n, batch):
    lengths = np.random.default_rng(1).integers(5, 40, n)
    batches = order(lengths, batch, np.random.default_rng(2))
    assert sorted(np.concatenate(batches).tolist()) == list(range(n))
    assert len(batches) == -(-n // batch)
    assert sorted(map(len, batches))[1:] == [batch] * (len(batches) - 1)


def test_the_order_follows_from_the_generator_alone():
    lengths = np.random.default_rng(1).integers(5, 40, 200)
    first, again, other = (
        [rows.tolist() for rows in order(lengths, 8, np.random.default_rng(seed))]
        for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


def test_examples_of_like_length_go_together_in_no_order_of_length():
    lengths = np.random.default_rng(1).integers(5, 400, 1024)
    batches = order(lengths, 16, np.random.default_rng(2))
    padded = sum(len(rows) * lengths[rows].max() for rows in batches)
    # At random, a batch of 16 is as long as the largest of 16: 1.9 times the mean.
    assert padded < 1.06 * lengths.sum()
    means = [lengths[rows].mean() for rows in batches]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.4


def test_batches_are_read_in_groups_to_a_step():
    batches = [np.array([i]) for i in range(7)]
    groups = [[int(rows[0]) for rows in group] for group in steps_of(batches, 3)]
    assert groups == [[0, 1, 2], [3, 4, 5], [6]]


@pytest.mark.parametrize(
    ("examples", "batch", "accumulate", "steps"),
    [(25938, 32, 1, 811), (25938, 8, 4, 811), (14148, 32, 1, 443), (800, 32, 1, 25), (3, 4, 2, 1)],
)
def test_steps_to_a_pass_by_hand(examples, batch, accumulate, steps):
    assert steps_per_epoch(examples, batch, accumulate) == steps
    found = order(np.full(examples, 9), batch, np.random.default_rng(0))
    assert len(steps_of(found, accumulate)) == steps
