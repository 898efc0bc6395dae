"""FilterPruner: silences whole kernels, those of the least sum of magnitudes.

    L = sum |v| over the kernel's window, [C', C]        mask = L > the int(n density)-th of the n values, ascending

`density` is here the share that is silenced, as the original has it. https://arxiv.org/abs/1608.08710
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mayo.override.base import Around, Array, Overrider, State, Tensor, argument, number, overrider, share
from mayo.util.kinds import BELOW_ONE
from mayo.util.lazy import lazy

np = lazy('numpy')
tf = lazy('tensorflow')


@overrider
@dataclass(frozen=True, kw_only=True)
class FilterPruner(Overrider):
    """Of weights [kernel height, kernel width, C', C] only."""

    density: float = argument(BELOW_ONE, 0.0)

    def shape_problem(self, shape: tuple[int, ...]) -> str | None:
        return None if len(shape) == 4 else f'silences kernels of convolutions, but the value is {list(shape)}'

    def state(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        return {'mask': np.ones(shape[-2:], bool), 'density': float(self.density)}

    def apply(self, value: Tensor, state: State) -> Tensor:
        return value * tf.cast(state['mask'], value.dtype)

    def update(self, value: Array, state: State, around: Around) -> Mapping[str, Any]:
        sums = np.abs(value).sum((0, 1))
        return {'mask': sums > np.sort(sums, axis=None)[int(sums.size * number(state['density']))]}

    def kept(self, state: State) -> float:
        return share(state['mask'])
