"""A document as `alignment.json` holds it, small and made by hand."""

from itertools import combinations_with_replacement

NAMES = ("agent", "a/model (mean)", "agent, untrained", "bag of words")


def content():
    """Return one of four groups, with three agents at two updates."""
    others = NAMES[1:]
    level = {pair: 0.1 * (i + 1) for i, pair in enumerate(combinations_with_replacement(NAMES, 2))}
    pairs = [
        {
            "first": a,
            "second": b,
            "members": [3, 1],
            "precision": [value / 2] * 14 + [value],
            "low": [0.0] * 14 + [value - 0.05] if a == "agent" else [],
            "high": [1.0] * 14 + [value + 0.05] if a == "agent" else [],
            "cka": 0.5,
            "debiased_cka": 0.25,
        }
        for (a, b), value in level.items()
    ]
    forms = {
        "padded": {"values": [0.6, 0.8, 0.7], "permuted": 0.96},
        "rotation": {"values": [0.9, 1.1, 1.0], "permuted": 1.55},
    }
    return {
        "schema": 2,
        "groups": list(NAMES),
        "pairs": pairs,
        "violins": {name: [[0.1 * (i + 1)] * 15 for i in range(3)] for name in others},
        "course": {
            "updates": [0, 20000],
            "precision": {"a/model (mean)": [0.7, 0.3], "bag of words": [0.6, 0.4]},
        },
        "disparities": [
            {"name": name, "values": [0.5, 0.7, 0.6], "permuted": 0.95}
            | (forms if name == "a/model (mean)" else dict.fromkeys(forms))
            for name in others
        ],
        "random_disparity": [
            {"width": 2, "disparity": 0.984, "effective_rank": 1.97},
            {"width": 768, "disparity": 0.069, "effective_rank": 105.0},
        ],
    }
