"""The destinations of lanes: shuffles, parts and iterators of the host's vector library."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.host.conftest import Probes

A, B = np.arange(1, 17, dtype=np.int16), np.arange(101, 117, dtype=np.int16)


@pytest.mark.parametrize("step", [1, 2, 4, 8])
def test_shuffles(probes: Probes, step: int) -> None:
    got = probes("moves", [np.concatenate([A, B])], np.zeros(13 * 16, np.int16), integers=(step,)).reshape(13, 16)
    zipped = np.stack([A.reshape(-1, step), B.reshape(-1, step)], axis=1).ravel()
    chunks = np.concatenate([A, B]).reshape(-1, 2, step)
    of_a = A.reshape(-1, 2, step)
    expected = {
        "interleave_zip": [zipped[:16], zipped[16:]],
        "interleave_unzip": [chunks[:, 0].ravel(), chunks[:, 1].ravel()],
        "filter": [np.concatenate([of_a[:, 0].ravel(), of_a[:, 1].ravel()])],
        "transpose": [A.reshape(2, 8).T.ravel(), A.reshape(8, 2).T.ravel(), A.reshape(4, 4).T.ravel()],
        "reverse": [A[::-1]],
        "shuffle_up": [np.concatenate([np.zeros(step, np.int16), A[:-step]])],
        "shuffle_down": [np.concatenate([A[step:], np.zeros(step, np.int16)])],
        "rotate": [np.roll(A, step), np.roll(A, -step)],
    }
    rows = iter(got)
    for name, wanted in expected.items():
        for row in wanted:
            np.testing.assert_array_equal(next(rows), row, name)


def test_parts_elements_and_iterators(probes: Probes) -> None:
    v = np.arange(100, 132, dtype=np.int16)
    got = probes("parts", [v], np.zeros(128, np.int16))
    np.testing.assert_array_equal(got[:8], v[24:])
    changed = v.copy()
    changed[16:24] = v[:8]
    changed[1], changed[30] = v[0], v[31]
    np.testing.assert_array_equal(got[32:64], changed)
    np.testing.assert_array_equal(got[64:96], v + 1)
    np.testing.assert_array_equal(got[97:105], v[3:11])
