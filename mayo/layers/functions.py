"""What activations do to zero and to scale, by their names in mayo.config.names."""

from mayo.config.names import Spec

PACKAGE = 'keras.activations.'
RELU = Spec(f'{PACKAGE}relu')
KEEP_ZERO = frozenset(
    {  # activations with f(0) = 0
        'relu',
        'relu6',
        'elu',
        'selu',
        'gelu',
        'tanh',
        'leaky_relu',
        'silu',
        'hard_silu',
        'softsign',
        'linear',
    }
)
HOMOGENEOUS = frozenset({'relu', 'leaky_relu', 'linear'})  # with f(a x) = a f(x) for every a > 0


def short_name(activation: Spec) -> str:
    """Its name without the package: relu."""
    return activation.name.removeprefix(PACKAGE)


def is_apart(activation: Spec | None) -> bool:
    """Whether each number decides alone; softmax looks at all channels."""
    return activation is None or short_name(activation) != 'softmax'


def keeps_zero(activation: Spec | None) -> bool:
    """Whether the activation is 0 at 0; none at all is.

    >>> keeps_zero(Spec('keras.activations.relu')), keeps_zero(Spec('keras.activations.sigmoid')), keeps_zero(None)
    (True, False, True)
    """
    if activation is None:
        return True
    leaks = activation.kwargs.get('threshold', 0) > 0 and activation.kwargs.get('negative_slope', 0) != 0
    return short_name(activation) in KEEP_ZERO and not leaks


def keeps_scale(activation: Spec | None) -> bool:
    """Whether f(a x) = a f(x) for every a > 0; that none at all does.

    >>> keeps_scale(Spec('keras.activations.relu')), keeps_scale(Spec('keras.activations.relu', {'max_value': 6.0}))
    (True, False)
    """
    if activation is None:
        return True
    bends = activation.kwargs.get('threshold', 0) != 0 or activation.kwargs.get('max_value') is not None
    return short_name(activation) in HOMOGENEOUS and not bends
