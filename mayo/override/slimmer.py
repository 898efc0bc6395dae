"""NetworkSlimmer: silences the channels of an activation whose scale in batch norm is least.

    out = v mask        loss: weight sum |gamma|        https://arxiv.org/abs/1708.06519

An update keeps ceil(n density) of the n scales of every slimmer's layer together, or of its own layer's; with density 1, those
above 0. Incremental ones let only channels compete that are still on. The channels stay in the network: `slim` removes them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mayo.override.base import Around, Array, Overrider, Rival, State, Tensor, argument, overrider, share
from mayo.util.kinds import AMOUNT, FLAG, FRACTION
from mayo.util.lazy import lazy

np = lazy('numpy')
tf = lazy('tensorflow')


@overrider
@dataclass(frozen=True, kw_only=True)
class NetworkSlimmer(Overrider):
    """global_threshold: whether all slimmers' channels compete with each other."""

    density: float = argument(FRACTION)
    weight: float = argument(AMOUNT, 0.01)
    global_threshold: bool = argument(FLAG, True)
    incremental: bool = argument(FLAG, False)

    def state(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        return {'mask': np.ones(shape[-1:], bool)}

    def apply(self, value: Tensor, state: State) -> Tensor:
        return value * tf.cast(state['mask'], value.dtype)

    def update(self, value: Array, state: State, around: Around) -> Mapping[str, Any]:
        if around.own is None:
            return {}
        competing = [self._competing(rival) for rival in (around.all if self.global_threshold else (around.own,))]
        mask = around.own.scale > cut(np.concatenate(competing), self.density)
        return {'mask': mask & around.own.mask if self.incremental else mask}

    def _competing(self, rival: Rival) -> Array:
        return rival.scale[rival.mask] if self.incremental else rival.scale

    def learns_from_values(self) -> bool:
        return False

    def shrinkage(self, scale: Tensor) -> Tensor:
        """What the loss adds. scale: gamma of the layer's batch norm [C]."""
        return self.weight * tf.reduce_sum(tf.abs(scale))

    def kept(self, state: State) -> float:
        return share(state['mask'])


def cut(scales: Array, density: float) -> float:
    """The scale above which a channel stays: the (a + 1)-th largest with a = ceil(n density), or 0 if all may stay."""
    kept = math.ceil(scales.size * density)
    return 0.0 if kept >= scales.size else float(np.sort(scales)[::-1][kept])
