"""Between the variables of a network and the names in a file.

MODEL/LAYER/weights      convolutions and fully connected layers; biases and depthwise_weights likewise
MODEL/MODULE/LAYER/...   a layer in a module
MODEL/LAYER/BatchNorm/{gamma,beta,moving_mean,moving_variance}
MODEL/LAYER/gate/{weights,biases,shift}                    the gate's phi, rho and b
MODEL/LAYER/weights/CLASS.PARAMETER                        the state of an overrider of the weights
imgs_seen, mayo/...                                        not of the network
"""

import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mayo.util.errors import UserError

IMAGES_SEEN = 'imgs_seen'
COUNTS = (IMAGES_SEEN, 'global_step')  # of what training saw; the second is TensorFlow's
CONFIG = 'mayo/config'
TRAINING = 'mayo/training/'
_MASK = '.mask'
_QUANTIZED = 'IncrementalQuantizer.mask'  # which weights are quantized, not which are there
_STATE = re.compile(r'(.*/)?[A-Z]\w*\.\w+')


@dataclass(frozen=True)
class Match:
    """What became of a file's tensors: names loaded, missing in it, unused, and with another shape (its, ours).

    fresh: states of overriders that the file lacks, which stay as the configuration has them.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    differing: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]
    fresh: tuple[str, ...] = ()

    def __str__(self) -> str:
        shapes = [f'{name} is {list(theirs)} in the file, {list(ours)} in the network' for name, theirs, ours in self.differing]
        overridden = sorted({name.rpartition('/')[0] for name in self.fresh})
        parts = {
            'overriders start as configured': overridden,
            'missing in the file': self.missing,
            'unused in the file': self.unused,
            'of another shape': shapes,
        }
        return '\n'.join(f'  {len(items)} {what}: {_some(items)}' for what, items in parts.items() if items)


def prefixed(model: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """`variables` of a network under their names in a file.

    >>> prefixed('cifarnet', {'conv0/weights': 1})
    {'cifarnet/conv0/weights': 1}
    """
    return {f'{model}/{name}': variable for name, variable in variables.items()}


def is_state(name: str) -> bool:
    """Whether a tensor is part of the state of an overrider.

    >>> is_state('lenet5/conv0/weights/DynamicNetworkSurgeryPruner.mask'), is_state('lenet5/conv0/weights')
    (True, False)
    """
    return _STATE.fullmatch(name) is not None


def adapt(tensors: Mapping[str, np.ndarray], where: str = 'checkpoint', kept: Container[str] = ()) -> dict[str, np.ndarray]:
    """`tensors` of a file as a network has them: pruning masks multiplied into their weights.

    The mask of `LAYER/weights` is stored beside it, as `LAYER/weights/DynamicNetworkSurgeryPruner.mask`.
    kept: the names that the network has itself, whose masks stay as they are, for its overriders.
    UserError: a mask of another shape than its weights; numbers that are not finite.
    """
    tensors = dict(tensors)
    if bad := not_finite(tensors):
        raise UserError(
            f'{where}: not finite are {bad}; the network would compute nothing. A training went wrong before it was saved: '
            'load an earlier checkpoint.'
        )
    for name in [name for name in tensors if name.endswith(_MASK) and name not in kept and not name.endswith(_QUANTIZED)]:
        weights = name.rpartition('/')[0]
        if weights in tensors:
            mask = tensors.pop(name)
            if not mask.shape or mask.shape != tensors[weights].shape[-mask.ndim :]:
                raise UserError(
                    f'{where}: {name} is {list(mask.shape)}, but the weights that it prunes are {list(tensors[weights].shape)}.'
                )
            tensors[weights] = tensors[weights] * mask.astype(tensors[weights].dtype)
    return tensors


def not_finite(tensors: Mapping[str, Any]) -> str:
    """The tensors with numbers that are not finite, and how many, as a clause; '' if all are finite.

    What is not of the network, and the states of overriders, are left out.
    """
    bad = []
    for name, value in tensors.items():
        if name.startswith('mayo/') or is_state(name) or not np.issubdtype(np.asarray(value).dtype, np.floating):
            continue
        count = int(np.size(value) - np.count_nonzero(np.isfinite(value)))
        if count:
            bad.append(f'{count:,} of {np.size(value):,} numbers of {name}')
    return _some(bad, 5)


def match(variables: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> Match:
    """Compare by name and shape; `variables`' values need only a `shape`. What is not of the network is not unused."""
    both = [name for name in variables if name in tensors]
    differing = [
        (name, tuple(tensors[name].shape), tuple(variables[name].shape))
        for name in both
        if tuple(tensors[name].shape) != tuple(variables[name].shape)
    ]
    wrong = {name for name, _, _ in differing}
    unused = [name for name in tensors if name not in variables and name not in COUNTS and not name.startswith('mayo/')]
    return Match(
        loaded=tuple(name for name in both if name not in wrong),
        missing=tuple(name for name in variables if name not in tensors and not is_state(name)),
        unused=tuple(sorted(unused)),
        differing=tuple(differing),
        fresh=tuple(name for name in variables if name not in tensors and is_state(name)),
    )


def training_state(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What training left beside the weights, without `mayo/training/`; nothing in a file of weights alone."""
    return {name.removeprefix(TRAINING): value for name, value in tensors.items() if name.startswith(TRAINING)}


def load_into(
    variables: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    strict: bool = True,
    where: str = 'checkpoint',
    optional: Callable[[str], bool] = lambda name: False,
) -> Match:
    """Assign every tensor to the variable of its name.

    strict: a variable that the file lacks or has in another shape is an error, except where `optional(name)`;
    otherwise it keeps its value, as does the state of an overrider that the file lacks. A file that shares nothing with the
    network is always an error.
    """
    result = match(variables, tensors)
    needed = [name for name in (*result.missing, *(name for name, _, _ in result.differing)) if not optional(name)]
    if (strict and needed) or (variables and not result.loaded):
        raise UserError(_mismatch(result, variables, tensors, where))
    for name in result.loaded:
        variables[name].assign(np.asarray(tensors[name]).astype(_dtype(variables[name])))
    return result


def _mismatch(result: Match, variables: Mapping[str, Any], tensors: Iterable[str], where: str) -> str:
    ours, theirs = _model(variables), _model(result.unused)  # layers of Keras share no first part
    other = f' It is a checkpoint of `{theirs}`, the network is `{ours}`.' if theirs not in ('', ours) else ''
    matching = f'{len(result.loaded)} of {len(variables)} variables match'
    return (
        f'{where}: the checkpoint is of another network, {matching}.{other}\n{result}\n'
        '  system.checkpoint.strict=false loads what matches.'
    )


def _model(names: Iterable[str]) -> str:
    """The first part of the names, '' if they share none."""
    parts = {name.partition('/')[0] for name in names}
    return parts.pop() if len(parts) == 1 else ''


def _dtype(variable: Any) -> np.dtype:
    """A Keras variable has its type as text, others as an object."""
    dtype = variable.dtype
    return np.dtype(dtype if isinstance(dtype, str) else getattr(dtype, 'as_numpy_dtype', dtype))


def _some(items: Iterable[str], limit: int = 12) -> str:
    items = list(items)
    rest = f' and {len(items) - limit} more' if len(items) > limit else ''
    return ', '.join(items[:limit]) + rest
