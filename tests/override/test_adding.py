"""To add an overrider is to add one file to mayo/override: a toy one, added in exactly that way, is complete."""

import pathlib
import re
import subprocess
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORDS = (str(ROOT / 'models/lenet5.yaml'), str(ROOT / 'datasets/mnist.yaml'))
TOY = '''
"""Toy: out = factor value; an update halves the factor."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mayo.override.base import Around, Array, Overrider, State, Tensor, argument, overrider
from mayo.util.kinds import NUMBER


@overrider
@dataclass(frozen=True, kw_only=True)
class Toy(Overrider):
    """factor: by which the value is multiplied at first."""

    factor: float = argument(NUMBER, 2.0)

    def state(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        return {'factor': self.factor}

    def apply(self, value: Tensor, state: State) -> Tensor:
        return value * state['factor']

    def update(self, value: Array, state: State, around: Around) -> Mapping[str, Any]:
        return {'factor': state['factor'] / 2}

    def shown(self, state: State) -> Mapping[str, str]:
        return {'factor': f'{float(state["factor"]):g}'}
'''


def test_an_overrider_is_one_file(my_with: Callable[[str, str], Callable[..., subprocess.CompletedProcess[str]]]) -> None:
    my = my_with('override/toy.py', TOY)
    wrong = my(*WORDS, 'model.overrider={weights: {toy: {type: mayo.override.Toyy}}}', 'info')
    assert wrong.returncode == 2
    assert (
        'command line: model.overrider.weights.toy.type is mayo.override.Toyy, no overrider; did you mean Toy?' in wrong.stderr
    )
    misfit = my(*WORDS, 'model.overrider={weights: {toy: {type: mayo.override.Toy, factor: big}}}', 'info')
    assert 'command line: model.overrider.weights.toy.factor is big, expected a number.' in misfit.stderr
    words = (*WORDS, 'model.overrider={weights: {toy: {type: mayo.override.Toy, factor: 3}}}', 'system.checkpoint.load=null')
    done = my(*words, 'info', 'overriders-update', 'system.checkpoint.save=updated', 'save', 'info')
    assert done.returncode == 0, done.stderr
    assert re.findall(r'conv0 +weights +Toy .* (factor \S+)', done.stdout) == ['factor 3', 'factor 1.5']
    again = my(*words[:-1], 'system.checkpoint.load=updated', 'overriders-dump')
    assert again.returncode == 0, again.stderr
    assert re.findall(r'conv0 +weights +Toy .* (factor \S+)', again.stdout) == ['factor 1.5']
