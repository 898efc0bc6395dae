r"""Numbers of a network that a search steps through: search.variables. Needs no TensorFlow.

weights/DynamicNetworkSurgeryPruner\.alpha$: {from: -1, to: 2, step: 0.5, min_step: 0.1}
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mayo.config import Config
from mayo.util.errors import Problems, UserError
from mayo.util.kinds import is_number, shown

KEY = 'search.variables'
_KEYS = ('from', 'to', 'step', 'min_step')


@dataclass(frozen=True)
class Range:
    """From `first` by `step` to `last`, both included; steps get smaller, but not below `min_step`, which is above 0."""

    first: float
    last: float
    step: float
    min_step: float

    @property
    def is_whole(self) -> bool:
        """Whether all are whole numbers, so that steps stay so."""
        return all(float(value).is_integer() for value in (self.first, self.last, self.step, self.min_step))

    def holds(self, value: float) -> bool:
        """Whether a value is not beyond `last`."""
        return (self.last - value) * math.copysign(1, self.step) >= -1e-9 * max(abs(self.step), abs(self.last))


@dataclass(frozen=True)
class Plan:
    """What a search steps through, and how long. variables: ranges by the regular expression of names.

    mode: `global`, all at once, or `priority`, those of the layer that costs most in `cost_key`. baseline: the training accuracy
    without overriders; None: it is measured, over `profile_epochs`. A step stays whose accuracy is (1 - tolerance) of it or more.
    """

    mode: str
    cost_key: str
    max_steps: int | None
    profile_epochs: float
    tune_epochs: float
    baseline: float | None
    tolerance: float
    variables: Mapping[str, Range]


def halved(step: float, is_whole: bool) -> float:
    """Half a step; of whole numbers rounded up, but one less at least.

    >>> [halved(step, True) for step in (5, 2, 1, -4, -3)], halved(0.5, False)
    ([3, 1, 0, -2, -2], 0.25)
    """
    if not is_whole:
        return step / 2
    size = min(math.ceil(abs(step) / 2), abs(step) - 1)
    return int(math.copysign(size, step))


def plan_of(config: Config) -> Plan:
    """What search.* says. Errors: UserError with everything wrong."""
    settings = config.get('search')
    where = f'{config.origin(KEY)}: {KEY}'
    problems, ranges = Problems(), {}
    for pattern, value in settings['variables'].items():
        with problems.collecting():
            ranges[pattern] = _range(pattern, value, f'{where}.{pattern}')
    problems.raise_any()
    return Plan(
        settings['mode'],
        settings['cost_key'],
        settings['max_steps'],
        settings['max_epochs']['profile'],
        settings['max_epochs']['fine_tune'],
        settings['accuracy']['baseline'],
        settings['accuracy']['tolerance'],
        ranges,
    )


def _range(pattern: str, value: Any, where: str) -> Range:
    try:
        re.compile(pattern)
    except re.error as error:
        raise UserError(f'{where}: {pattern} is no regular expression: {error}.') from None
    if not isinstance(value, Mapping) or set(value) != set(_KEYS) or not all(map(is_number, value.values())):
        raise UserError(
            f'{where} is {shown(value)}, expected {{from: , to: , step: , min_step: }}, each a number '
            r'(a dot in the name of a variable is written \.).'
        )
    steps = Range(value['from'], value['to'], value['step'], abs(value['min_step']))
    if not steps.min_step or (steps.last - steps.first) * steps.step <= 0:
        raise UserError(
            f'{where} goes from {steps.first:g} to {steps.last:g} by {steps.step:g}, at least {steps.min_step:g}; '
            'expected steps towards the end, and a least step that is not 0.'
        )
    return steps
