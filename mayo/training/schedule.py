"""Learning rates that follow the training: each a function of the epoch, a real number that grows with every step.

A schedule's keyword-only arguments are its YAML keys. Lengths count epochs, as in the original Mayo, whose TensorFlow 1
schedules were handed the epoch for their global step.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mayo.config.names import object_spec
from mayo.util.errors import UserError
from mayo.util.kinds import is_number
from mayo.util.registry import Registry

Rate = Callable[[float], float]
schedules: Registry[Callable[..., float]] = Registry('learning rate schedule')


@schedules.register('constant')
def constant(epoch: float, *, learning_rate: float) -> float:
    """`learning_rate`, always."""
    return learning_rate


@schedules.register('exponential')
def exponential(
    epoch: float, *, learning_rate: float, decay_epochs: float, decay_rate: float, staircase: bool = False
) -> float:
    """`learning_rate decay_rate^(epoch / decay_epochs)`; a staircase rounds the exponent down.

    >>> [exponential(e, learning_rate=1.0, decay_epochs=2, decay_rate=0.5, staircase=True) for e in (0, 1.9, 2, 4)]
    [1.0, 1.0, 0.5, 0.25]
    """
    exponent = epoch / decay_epochs
    return learning_rate * decay_rate ** (math.floor(exponent) if staircase else exponent)


@schedules.register('piecewise')
def piecewise(epoch: float, *, boundaries: Sequence[float], values: Sequence[float]) -> float:
    """`values[i]` up to and with epoch `boundaries[i]`, after all of them the last value.

    >>> [piecewise(e, boundaries=[10, 20], values=[1.0, 0.1, 0.01]) for e in (0, 10, 10.1, 30)]
    [1.0, 1.0, 0.1, 0.01]
    """
    if len(values) != len(boundaries) + 1 or list(boundaries) != sorted(boundaries):
        raise UserError(
            f'piecewise takes ascending boundaries: {len(boundaries)} need {len(boundaries) + 1} '
            f'values, one before each and one after the last; got {boundaries} and {values}.'
        )
    return values[sum(epoch > boundary for boundary in boundaries)]


@schedules.register('polynomial')
def polynomial(
    epoch: float,
    *,
    learning_rate: float,
    decay_epochs: float,
    end_learning_rate: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
) -> float:
    """`(learning_rate - end) (1 - epoch / decay_epochs)^power + end`; a cycle grows `decay_epochs` in multiples.

    >>> [polynomial(e, learning_rate=1.0, decay_epochs=10, end_learning_rate=0.0) for e in (0, 5, 10, 20)]
    [1.0, 0.5, 0.0, 0.0]
    """
    if cycle:
        decay_epochs = decay_epochs * max(math.ceil(epoch / decay_epochs), 1)
    left = 1 - min(epoch / decay_epochs, 1)
    return (learning_rate - end_learning_rate) * left**power + end_learning_rate


@schedules.register('cosine')
def cosine(epoch: float, *, learning_rate: float, decay_epochs: float, alpha: float = 0.0) -> float:
    """From `learning_rate` to `alpha learning_rate` along half a cosine.

    >>> [round(cosine(e, learning_rate=1.0, decay_epochs=10), 3) for e in (0, 5, 10, 20)]
    [1.0, 0.5, 0.0, 0.0]
    """
    return learning_rate * (alpha + (1 - alpha) * _half_cosine(epoch / decay_epochs))


@schedules.register('one_cycle')
def one_cycle(
    epoch: float, *, learning_rate: float, epochs: float, warm_up: float = 0.25, start: float = 0.04, end: float = 0.0
) -> float:
    """One rise and one fall: linear from `start learning_rate`, then half a cosine to `end learning_rate`.

    The rise takes the fraction `warm_up` of `epochs`; `epochs` is train.max_epochs where it is not given.
    Smith and Topin, Super-Convergence, 2017, with the cosine fall in common use since.

    >>> [round(one_cycle(e, learning_rate=1.0, epochs=8, start=0.5), 3) for e in (0, 1, 2, 5, 8)]
    [0.5, 0.75, 1.0, 0.5, 0.0]
    """
    if not 0 <= warm_up < 1:
        raise UserError(f'warm_up is {warm_up}, expected the fraction of the epochs in which the rate rises, in [0, 1).')
    rise = warm_up * epochs
    if epoch < rise:
        return learning_rate * (start + (1 - start) * epoch / rise)
    return learning_rate * (end + (1 - end) * _half_cosine((epoch - rise) / (epochs - rise)))


def _half_cosine(progress: float) -> float:
    return (1 + math.cos(math.pi * min(progress, 1))) / 2


def schedule(name: str, arguments: Mapping[str, Any], max_epochs: float | None = None) -> Rate:
    """The learning rate as a function of the epoch; tried once at epoch 0, so that a mistake shows before training.

    >>> schedule('one_cycle', {'learning_rate': 0.1}, max_epochs=30)(30)
    0.0
    """
    function = schedules[name]
    arguments = dict(arguments)
    if name == 'one_cycle' and arguments.get('epochs') is None:
        arguments['epochs'] = max_epochs
    for key in ('decay_epochs', 'epochs'):
        if key in arguments and not arguments[key] > 0:
            raise UserError(f'{key} is {arguments[key]}, expected a number of epochs above 0.')

    def rate(epoch: float) -> float:
        return function(epoch, **arguments)

    rate(0.0)
    return rate


def learning_rate(value: object, where: str, max_epochs: float | None = None) -> Rate:
    """The learning rate that YAML gives: a number, or `{type: one_cycle, learning_rate: 0.1}`."""
    if is_number(value):
        return schedule('constant', {'learning_rate': value})
    spec = object_spec(value, where)
    if spec.name not in schedules:
        raise UserError(f'{where}: {spec.name} is not a learning rate; known: a number, {", ".join(schedules)}.')
    try:
        return schedule(spec.name, spec.kwargs, max_epochs)
    except UserError as error:
        raise UserError(f'{where}: {error}') from None
