"""How time and memory grow with the number of concepts, as a figure.

``python -m benchmarks.growth`` measures every method on every size, each in a process of its own,
and writes growth.json and growth.png. What the same code has measured before is kept. Sizes on
which a method would take more than a minute or 4 GB are left out, and said to be.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import platform
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from tqdm import tqdm

from benchmarks.points import GIGABYTES, METHODS, MINUTES, MODEL, Point, measure
from core.evidence.provenance import provenance
from core.files import write_atomically
from core.paths import ROOT

SIZES = (500, 1_000, 2_000, 5_000, 10_000, 20_000)
FOLDER = ROOT / "runs" / "benchmarks"
SCHEMA = 2
#: What is streamed is that far off at most; other code breaks ties in other ways, by 1e-7.
SAME = 1e-5
MEGABYTES = (125, 250, 500, 1_000, 2_000, 4_000)
SOURCES = (
    "core/metrics/*.py",
    *(f"benchmarks/{name}.py" for name in ("plain", "points", "ratings")),
)
#: Ours in colour, the plain ways in grey.
STYLES = {"plain": ("o:", "grey"), "ours": ("s-", "C0"), "streamed": ("^-", "C1")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is missing, write and draw; print what was left out and what was written."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER, metavar="FOLDER", help="where to write")
    parser.add_argument(
        "--most", type=int, default=max(SIZES), metavar="N", help="the largest size (%(default)s)"
    )
    parser.add_argument(
        "--again", action="store_true", help="measure what has been measured before, too"
    )
    options = parser.parse_args(arguments)
    file, image = options.out / "growth.json", options.out / "growth.png"
    points = {} if options.again else kept(file)
    wanted = [(m, n) for m in METHODS for n in SIZES if n <= min(options.most, METHODS[m][2])]
    with tqdm(wanted, disable=None) as bar:
        for method, n in bar:
            bar.set_description(f"{method}, {n:,}")
            if (method, n) not in points:
                points[method, n] = _point(method, n, points)
                write_atomically(file, _json(points.values()))
    shown = [points[each] for each in wanted]
    drawn = io.BytesIO()
    draw(shown).savefig(drawn, format="png", dpi=150)
    write_atomically(image, drawn.getvalue())
    wrong = disagreements(shown)
    for line in (*_lines(shown), *wrong, f"wrote {file}", f"wrote {image}"):
        print(line)  # noqa: T201 - a command line prints
    return int(bool(wrong))


def _point(method: str, n: int, points: dict[tuple[str, int], Point]) -> Point:
    """Measure, unless a smaller size was too much already."""
    for (other, smaller), point in points.items():
        if other == method and smaller < n and point.left_out:
            return Point(method, n, left_out=f"left out at {smaller:,}: {point.left_out}")
    return measure(method, n)


def kept(file: Path) -> dict[tuple[str, int], Point]:
    """Return the points of an earlier run of the same code with the same packages."""
    if not file.exists():
        return {}
    content = json.loads(file.read_text())
    if content["schema"] != SCHEMA or content["code"] != _code():
        return {}
    points = [Point.from_dict(point) for point in content["points"]]
    return {(point.method, point.n): point for point in points}


def disagreements(points: Sequence[Point]) -> list[str]:
    """Name the sizes on which methods for the same thing found different values."""
    found: dict[tuple[str, int], list[float]] = {}
    for point in points:
        if not point.left_out:
            found.setdefault((point.method.split(", ")[0], point.n), []).append(point.found[MODEL])
    return [
        f"one {what} of {n:,} concepts differs between methods: {values}"
        for (what, n), values in found.items()
        if max(values) - min(values) > SAME
    ]


def _code() -> dict[str, Any]:
    """Return a digest of the code that was measured, and what it ran on.

    A commit would not do: it stays the same while the code is worked on.
    """
    digest = hashlib.sha256()
    for path in sorted(path for source in SOURCES for path in ROOT.glob(source)):
        digest.update(path.read_bytes())
    packages = {name: provenance().packages[name] for name in ("numpy", "scipy", "numba")}
    return {"sha256": digest.hexdigest(), "machine": platform.platform()} | packages


def _json(points: Iterable[Point]) -> str:
    document = {
        "schema": SCHEMA,
        "commit": provenance().commit,
        "code": _code(),
        "points": [point.as_dict() for point in points],
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def draw(points: Sequence[Point]) -> Figure:
    """Draw CPU time and peak memory against the number of concepts, both axes logarithmic."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    panels = figure.subplots(1, 2)
    for method in dict.fromkeys(point.method for point in points):
        style, colour = STYLES[method.split(", ")[1]]
        filled = "none" if method.startswith("resample") else "full"
        some = [point for point in points if point.method == method and not point.left_out]
        at = [point.n for point in some]
        for axes, values in zip(
            panels, ([point.cpu for point in some], [point.peak for point in some]), strict=True
        ):
            axes.loglog(at, values, style, color=colour, fillstyle=filled, label=f"one {method}")
    for axes, title in zip(
        panels, ("CPU seconds", "peak memory of the process in MB, imports and all"), strict=True
    ):
        axes.set_xticks(SIZES, [f"{n:,}" for n in SIZES], rotation=30)
        axes.set_xlabel(f"concepts (left out: over {MINUTES} min or {GIGABYTES} GB)")
        axes.set_title(title)
        axes.grid(alpha=0.3)
        axes.minorticks_off()
    panels[1].set_yticks(MEGABYTES, [f"{size:,}" for size in MEGABYTES])
    panels[0].legend(fontsize=8)
    return figure


def _lines(points: Sequence[Point]) -> list[str]:
    """Return the points as lines of text."""
    return [
        f"{point.method:18}{point.n:>8,}  "
        + (point.left_out or f"{point.cpu:10.4f} CPU s {point.peak:8,.0f} MB")
        for point in points
    ]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped; what was measured is kept, the same command goes on")
