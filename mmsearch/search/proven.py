"""Exact search by codes: what is found is what comparing with every vector finds, and that is proven each time.

::

    codes of all rows ─► the best of them ─► scored with the stored vectors ─► the k-th best of these
                                                                                       │
      everything whose code comes so near to it that its vector might be better, too ◄─┘

If the list that was fetched ends before that is everything, a longer one is fetched (the VA-file's near-optimal search,
Weber, Schek & Blott, VLDB 1998).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mmsearch.ann.scan import Scan
    from mmsearch.ann.structure import Allowed
    from mmsearch.search.exact import Found
    from mmsearch.search.gathered import Gathered
    from mmsearch.types import FloatArray

FETCH = 256  # codes fetched, at least; more cost little, a second scan costs all of it again
MOST = 8  # questions at once; more are compared with the vectors in less time, as matrices are multiplied in blocks
TIMES = 8  # as many codes as answers, at least; and as many more when they were too few


def best(scan: Scan, gathered: Gathered, queries: FloatArray, k: int, allowed: Allowed | None) -> list[Found]:
    """The best k rows for each query `(q, d)`, as exact search finds them.

    Args:
        scan: of the codes.
        gathered: the stored vectors.
        queries: float32.
        k: at least 1.
        allowed: those that may be found; None for all.
    """
    found: list[Found | None] = [None] * len(queries)
    left, fetch, errors = np.arange(len(queries)), max(FETCH, TIMES * k), scan.errors(queries)
    while len(left):
        fetch = min(fetch, scan.rows)
        scores, labels = scan.scored(queries[left], fetch, allowed)
        first = gathered.best(labels[:, : 2 * k], queries[left], k)
        unproven = []
        for row, number in enumerate(left.tolist()):
            one = first[row]
            reach = one.cosines[-1] - errors[number] if len(one.cosines) == k else -np.inf
            near = int(np.count_nonzero((scores[row] >= reach) & (labels[row] >= 0)))
            if near == fetch < scan.rows:
                unproven.append(number)
                continue
            if near > 2 * k:
                (one,) = gathered.best(labels[row : row + 1, :near], queries[number : number + 1], k)
            found[number] = one
        left, fetch = np.array(unproven, np.int64), TIMES * fetch
    return [one for one in found if one is not None]
