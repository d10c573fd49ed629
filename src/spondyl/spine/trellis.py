"""Which levels can ordered candidates have, and how probable is each of them?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64


@dataclass(frozen=True, slots=True, eq=False)
class Trellis:
    """Ordered candidates, each one of K levels or not a vertebra, as a semi-Markov chain.

    ``weights`` (N, K) are log odds that a candidate is a vertebra of a level rather than none.
    ``links`` (N, N, K, K) are log weights that vertebra i of level k is followed by vertebra j of
    level l, whatever lies between being no vertebra; -inf where impossible, and for j <= i. The
    first vertebra has any level with equal probability; no vertebra at all has weight 1.
    """

    weights: Float64[np.ndarray, "n k"]
    links: Float64[np.ndarray, "n n k k"]

    def marginals(self) -> Float64[np.ndarray, "n k"]:
        """P(candidate i is a vertebra of level k) over all assignments (forward-backward).

        What a row lacks to 1 is the probability that the candidate is no vertebra.
        """
        start = -float(np.log(self.weights.shape[1]))
        forward, backward = self._forward(np.logaddexp, start=start), self._backward()
        log_total = np.logaddexp.reduce(forward, axis=None, initial=0.0)
        return np.exp(forward + backward - log_total)

    def best(self) -> list[tuple[int, int]]:
        """The (candidate, level) pairs of the heaviest assignment, superior to inferior.

        The first level is free here: K equally good names for a chain, each with a K-th of its
        probability, must not lose against no vertebra at all.
        """
        forward = self._forward(np.maximum, start=0.0)
        if not len(forward) or forward.max() < 0:
            return []
        node = _argmax(forward)
        path = [node]
        while (before := self._predecessor(forward, *node)) is not None:
            path.append(node := before)
        return path[::-1]

    def _forward(self, plus: np.ufunc, *, start: float) -> Float64[np.ndarray, "n k"]:
        """Log weight of all assignments up to i at level k, summed by ``plus`` (sum or maximum)."""
        forward = np.full(self.weights.shape, -np.inf)
        for i, weight in enumerate(self.weights):
            ways = forward[:i, :, None] + self.links[:i, i]
            ways = ways.reshape(-1, len(weight))
            forward[i] = weight + plus.reduce(ways, axis=0, initial=start)
        return forward

    def _backward(self) -> Float64[np.ndarray, "n k"]:
        """Log weight of everything after i, given that i has level k."""
        backward = np.zeros(self.weights.shape)
        for i in range(len(self.weights) - 2, -1, -1):
            after = self.weights[i + 1 :] + backward[i + 1 :]
            ways = self.links[i, i + 1 :] + after[:, None, :]
            backward[i] = np.logaddexp.reduce(ways, axis=(0, 2), initial=0.0)
        return backward

    def _predecessor(
        self, forward: Float64[np.ndarray, "n k"], candidate: int, level: int
    ) -> tuple[int, int] | None:
        ways = forward[:candidate] + self.links[:candidate, candidate, :, level]
        if not len(ways) or ways.max() <= 0:
            return None
        return _argmax(ways)


def _argmax(table: Float64[np.ndarray, "n k"]) -> tuple[int, int]:
    row, column = np.unravel_index(int(table.argmax()), table.shape)
    return int(row), int(column)
