"""Figures of the alignment: which spaces are alike, and how far each agent is from the others."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from core.files import write_atomically

#: The k of the paper's Figure 4.
KS = (1, 5, 10, 15)
DPI = 150


def draw(content: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw the figures of a document of `core.report.alignment`, as PNG files."""
    figures = {
        "heatmap": heatmap(content),
        "precision": precision(content),
        "disparity": disparity(content),
        "course": course(content),
    }
    paths = []
    for name, figure in figures.items():
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=DPI)
        paths.append(folder / f"{name}.png")
        write_atomically(paths[-1], image.getvalue())
    return paths


def heatmap(content: Mapping[str, Any]) -> Figure:
    """P@15 of every two groups of spaces, as Figure 3; on the diagonal, of a group's members."""
    names = content["groups"]
    values = np.full((len(names), len(names)), np.nan)
    for one in content["pairs"]:
        i, j = names.index(one["first"]), names.index(one["second"])
        values[i, j] = values[j, i] = one["precision"][-1]
    figure = Figure(figsize=(9, 8), layout="constrained")
    axes = figure.add_subplot()
    shown = axes.imshow(values, vmin=0, vmax=1, cmap="viridis")
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    for (i, j), value in np.ndenumerate(values):
        colour = "black" if value > 0.6 else "white"
        axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=6, color=colour)
    axes.set_title("P@15: share of 15 nearest neighbours in common")
    figure.colorbar(shown, ax=axes, shrink=0.8)
    return figure


def precision(content: Mapping[str, Any]) -> Figure:
    """P@k of the agents with every other group, a violin over agents, as Figure 4."""
    names = list(content["violins"])
    figure = Figure(figsize=(11, 9), layout="constrained")
    for axes, k in zip(figure.subplots(2, 2).flat, KS, strict=True):
        values = [np.array(content["violins"][name])[:, k - 1] for name in names]
        _violins(axes, values, names)
        axes.axhline(k / 107, color="grey", linewidth=0.8, linestyle=":")
        axes.set_title(f"P@{k} (dotted: chance, {k}/107)", fontsize=9)
        axes.set_ylim(bottom=0)
    return figure


def disparity(content: Mapping[str, Any]) -> Figure:
    """Disparity of the agents from every other group, a violin over agents, as Figure 5.

    A bar marks the level of relabelled sentences, which is below 1 and differs from space to space.
    """
    found = content["disparities"]
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.add_subplot()
    _violins(axes, [one["values"] for one in found], [one["name"] for one in found])
    levels = [one["permuted"] for one in found]
    axes.scatter(range(1, len(found) + 1), levels, marker="_", s=200, color="black")
    axes.set_ylim(0, 1.02)
    axes.set_title("Procrustes disparity (bar: the same with sentences relabelled)", fontsize=9)
    return figure


def course(content: Mapping[str, Any]) -> Figure:
    """P@15 of the agents with other spaces along their training, the mean over agents."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.add_subplot()
    updates = content["course"]["updates"]
    for name, values in content["course"]["precision"].items():
        dashed = "untrained" in name
        axes.plot(range(len(updates)), values, "--" if dashed else "-", marker=".", label=name)
    axes.set_xticks(range(len(updates)), [f"{update:,}" for update in updates])
    axes.set_xlabel("updates")
    axes.set_ylabel("P@15")
    axes.set_ylim(0, 1)
    figure.legend(loc="outside right upper", fontsize=6)
    return figure


def _violins(axes: Axes, values: Sequence[Any], names: Sequence[str]) -> None:
    axes.violinplot(values, showmedians=True)
    axes.set_xticks(range(1, len(names) + 1), names, rotation=60, ha="right", fontsize=6)
    axes.tick_params(axis="y", labelsize=7)
