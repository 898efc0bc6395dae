"""From PyTorch's names and layout to those of layers here: convolutions have their channels last, a dense layer reads rows.

layers({'conv1.weight': [64, 3, 7, 7], 'bn1.weight': [64], 'bn1.running_mean': [64], ...})
    {'conv1': {'kernel': [7, 7, 3, 64]}, 'bn1': {'gamma': [64], 'moving_mean': [64], ...}}
"""

from collections.abc import Mapping

import numpy as np

from mayo.checkpoint.keras_file import Layers
from mayo.util.errors import Problems

_NORM = {'weight': 'gamma', 'bias': 'beta', 'running_mean': 'moving_mean', 'running_var': 'moving_variance'}
_LEFT_OUT = 'num_batches_tracked'  # a counter of batch norm


def layers(tensors: Mapping[str, np.ndarray], where: str) -> Layers:
    """The layers of PyTorch's tensors, by what stands before the last dot of their names.

    A weight of [C, C', H, W] becomes a kernel [H, W, C', C], one of [C, C'] a kernel [C', C]. A layer with a running mean is a
    batch norm. UserError: a weight is of whole numbers.
    """
    split = [(*name.rpartition('.')[::2], value) for name, value in tensors.items()]
    norms = {layer for layer, variable, _ in split if variable == 'running_mean'}
    problems = Problems(
        f'{where}: {layer}.{variable} is of {value.dtype} numbers, expected floating-point; a quantized network is not imported.'
        for layer, variable, value in split
        if variable in _NORM and not np.issubdtype(value.dtype, np.floating)
    )
    problems.raise_any()
    by_name: Layers = {}
    for layer, variable, value in split:
        if variable != _LEFT_OUT:
            name, ours = (_NORM.get(variable, variable), value) if layer in norms else _variable(variable, value)
            by_name.setdefault(layer, {})[name] = ours
    return by_name


def _variable(variable: str, value: np.ndarray) -> tuple[str, np.ndarray]:
    if variable == 'weight' and value.ndim == 4:
        return 'kernel', value.transpose(2, 3, 1, 0)
    if variable == 'weight' and value.ndim == 2:
        return 'kernel', value.T
    return variable, value
