"""Compilation is announced once, and only when there is any."""

import numba
import numpy as np

from core.report.compiling import FIRST, announced


def test_announces_the_first_compilation_and_counts_all():
    inner = numba.njit(lambda x: x + 1)

    @numba.njit
    def outer(x):
        return inner(x) * 2

    said = []
    with announced(said.append) as compiled:
        assert compiled.seconds == 0
        assert outer(1) == 4
        first = compiled.seconds
        assert first > 0
        assert outer(2) == 6
        assert compiled.seconds == first
        assert outer(np.float32(1)) == 4
        assert compiled.seconds > first
    assert said == [FIRST]
    assert outer(1j) == 2 + 2j
    assert said == [FIRST]


def test_says_nothing_of_what_is_there():
    @numba.njit
    def there(x):
        return x

    there(1)
    said = []
    with announced(said.append) as compiled:
        there(2)
    assert not said
    assert not compiled.seconds
