"""The warm start of gates: a dense network's tensors as those of its gated network, which equals it at density 1.0.

    dense       relu(gamma n + beta)                    n = norm(conv(x)), gamma and beta from batch norm
    gated       relu(g n + b)                           phi = 0, so g = rho = |gamma| for every image; b = beta
                relu(g (n + b)), g relu(n + b)          b = beta / |gamma|: the paper's equation, and policy `squeeze`

A negative gamma folds its sign into the convolution and the moving mean: |gamma| norm(-conv(x)) = gamma norm(conv(x)).
Without a norm, g = rho is how large a filter is, of which the mean is 1, and the filter is divided by it; b are the biases.
"""

from collections.abc import Collection, Mapping

import numpy as np

_SMALLEST = 1e-6  # stands for a gamma of zero where b is divided by it


def warm_start(
    tensors: Mapping[str, np.ndarray], wanted: Mapping[str, tuple[int, ...]], shift_inside: Collection[str] = ()
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The tensors with gates made from batch norm, and the layers that got them: those gated in `wanted`, not in the file.

    wanted: name and shape of the gated network's variables; shift_inside: layers whose b is inside the scaling.
    A gate that leaves batch norm its scale and shift (policies `naive` and `select`) needs nothing: it starts afresh.
    """
    tensors = dict(tensors)
    layers = [name.removesuffix('/gate/biases') for name in wanted if name.endswith('/gate/biases')]
    warmed = [
        layer
        for layer in layers
        if f'{layer}/weights' in tensors and f'{layer}/gate/biases' not in tensors and f'{layer}/BatchNorm/gamma' not in wanted
    ]
    for layer in warmed:
        _make_gate(tensors, wanted, layer, layer in shift_inside)
    return tensors, warmed


def _make_gate(tensors: dict[str, np.ndarray], wanted: Mapping[str, tuple[int, ...]], layer: str, inside: bool) -> None:
    channels = tensors[f'{layer}/weights'].shape[-1]
    gamma = tensors.pop(f'{layer}/BatchNorm/gamma', np.ones(channels, np.float32))
    if f'{layer}/BatchNorm/moving_mean' not in tensors:
        gamma = _divide_by_size(tensors, layer)
    beta = tensors.pop(f'{layer}/BatchNorm/beta', None)
    if beta is None:
        beta = tensors.pop(f'{layer}/biases', np.zeros(channels, np.float32))
    sign = np.where(gamma < 0, -1, 1).astype(gamma.dtype)
    scale = np.maximum(np.abs(gamma), _SMALLEST) if inside else np.abs(gamma)
    for name in (f'{layer}/weights', f'{layer}/BatchNorm/moving_mean'):
        if name in tensors:
            tensors[name] = tensors[name] * sign
    tensors[f'{layer}/gate/biases'] = scale
    shift = beta / scale if inside else beta
    for name, value in {'shift': shift, 'beta/biases': shift, 'weights': None, 'beta/weights': None}.items():
        full = f'{layer}/gate/{name}'
        if full in wanted:
            tensors[full] = np.zeros(wanted[full], np.float32) if value is None else value


def _divide_by_size(tensors: dict[str, np.ndarray], layer: str) -> np.ndarray:
    """Each filter over its root mean square relative to all filters' mean, [C], which is returned: saliencies that differ."""
    weights = tensors[f'{layer}/weights']
    size = np.sqrt(np.mean(np.square(weights), axis=(0, 1, 2)))
    size = np.maximum(size / max(size.mean(), _SMALLEST), _SMALLEST)
    tensors[f'{layer}/weights'] = weights / size
    return size


def tied(tensors: Mapping[str, np.ndarray], layers: Collection[str]) -> list[str]:
    """Those of the layers whose channels are all equally salient at the start, so that no few of them win."""
    return [layer for layer in layers if np.ptp(tensors[f'{layer}/gate/biases']) == 0]
