"""The figures show the document's numbers, and are written as PNG."""

import numpy as np
import pytest

from core.report.figures import course, disparity, draw, heatmap, precision
from tests.report.hand import NAMES, content


def test_figures_are_written_as_png(tmp_path):
    paths = draw(content(), tmp_path / "figures")
    names = ["heatmap.png", "precision.png", "disparity.png", "course.png"]
    assert [path.name for path in paths] == names
    for path in paths:
        image = path.read_bytes()
        assert image.startswith(b"\x89PNG\r\n\x1a\n")
        # Not blank: a plain page of this size compresses to less.
        assert len(image) > 20_000


def test_the_heatmap_is_symmetric_and_has_every_pair_in_its_place():
    (axes, _) = heatmap(content()).axes
    shown = np.asarray(axes.images[0].get_array())
    assert np.array_equal(shown, shown.T)
    assert shown[0] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert np.diag(shown) == pytest.approx([0.1, 0.5, 0.8, 1.0])
    assert [label.get_text() for label in axes.get_yticklabels()] == list(NAMES)


def test_violins_stand_at_each_k_of_the_paper_with_chance():
    figure = precision(content())
    assert len(figure.axes) == 4
    for axes, k in zip(figure.axes, (1, 5, 10, 15), strict=True):
        assert f"P@{k} " in axes.get_title()
        levels = [np.asarray(line.get_ydata())[0] for line in axes.lines]
        assert levels == pytest.approx([k / 107])


def test_the_level_of_relabelled_sentences_stands_beside_each_violin():
    (axes,) = disparity(content()).axes
    offsets = [np.asarray(each.get_offsets()) for each in axes.collections]
    (bars,) = [each for each in offsets if each.shape == (3, 2) and each[:, 1].all()]
    assert bars == pytest.approx(np.array([[1, 0.95], [2, 0.95], [3, 0.95]]))


def test_the_course_has_a_line_per_space():
    (axes,) = course(content()).axes
    lines = {line.get_label(): np.asarray(line.get_ydata()).tolist() for line in axes.lines}
    assert lines == {"a/model (mean)": [0.7, 0.3], "bag of words": [0.6, 0.4]}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "20,000"]
