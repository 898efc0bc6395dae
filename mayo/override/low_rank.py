"""LowRankApproximation: weights as a product of two thin matrices.

Weights [kernel height, kernel width, C', C] are the matrix [kernel height C', kernel width C] of the same numbers in the same
order, those of a fully connected layer are the matrix itself. An update takes its singular values and sets the last `ranks`
of them to 0:

    out = left diag(singular) right

Before the first update the value stays as it is. The gradient is that of the value itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mayo.override.base import Around, Array, Overrider, State, Tensor, argument, overrider
from mayo.override.rounding import straight_through
from mayo.util.kinds import whole
from mayo.util.lazy import lazy

np = lazy('numpy')
tf = lazy('tensorflow')


@overrider
@dataclass(frozen=True, kw_only=True)
class LowRankApproximation(Overrider):
    """ranks: how many of the singular values are dropped."""

    ranks: int = argument(whole(0), 0)

    def shape_problem(self, shape: tuple[int, ...]) -> str | None:
        if len(shape) not in (2, 4):
            return f'approximates weights of two or four axes, but the value is {list(shape)}'
        most = min(as_matrix(shape))
        return None if self.ranks < most else f'drops {self.ranks} ranks, but the value {list(shape)} has {most}'

    def state(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        rows, columns = as_matrix(shape)
        rank = min(rows, columns)
        return {name: np.ones(size, np.float32) for name, size in _sizes(rows, columns, rank).items()}

    def apply(self, value: Tensor, state: State) -> Tensor:
        left, singular, right = state['left'], state['singular'], state['right']
        is_fresh = tf.reduce_all(tf.equal(left, 1.0))  # as no matrix of singular vectors is

        def approximated(value: Tensor) -> Tensor:
            product = tf.matmul(left * singular, right)
            return tf.where(is_fresh, value, tf.reshape(product, tf.shape(value)))

        return straight_through(approximated, value)

    def update(self, value: Array, state: State, around: Around) -> Mapping[str, Any]:
        left, singular, right = np.linalg.svd(value.reshape(as_matrix(value.shape)), full_matrices=False)
        singular[singular.size - self.ranks :] = 0
        return {'left': left, 'singular': singular, 'right': right}

    def shown(self, state: State) -> Mapping[str, str]:
        singular = np.asarray(state['singular'])
        return {'rank': f'{np.count_nonzero(singular)} of {singular.size}'}


def as_matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns."""
    if len(shape) == 2:
        return shape[0], shape[1]
    height, width, inputs, outputs = shape
    return height * inputs, width * outputs


def _sizes(rows: int, columns: int, rank: int) -> dict[str, tuple[int, ...]]:
    return {'left': (rows, rank), 'singular': (rank,), 'right': (rank, columns)}
