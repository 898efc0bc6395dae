"""Keys of layers and gates as the original Mayo spelled them, and what its TensorFlow 1 called them, as today's.

{type: batch_normalization, decay: 0.9}             ->  momentum: 0.9, scale: false
gate_params: {policy: parametric_gamma, should_gate: true}  ->  policy: parametric, enable: true
"""

from collections.abc import Mapping
from typing import Any

from mayo.config.old_names import MACHINERY
from mayo.util.kinds import whole

# {layer type: {old key: today's}}
LAYER_KEYS: Mapping[str, Mapping[str, str]] = {
    'batch_normalization': {'decay': 'momentum'},
    'reduce_mean': {'keep_dims': 'keepdims', 'reduction_indices': 'axis'},
    'squeeze': {'squeeze_dims': 'axis'},
    'pad': {'padding': 'sides'},
    'crop': {'cropping': 'sides'},
}
_OURS: Mapping[str, tuple[str, ...]] = {'batch_normalization': ('scope',)}  # keys of today that are called like machinery
GATE_KEYS: Mapping[str, str] = {'should_gate': 'enable', 'online': 'threshold', 'weight': 'regularizer'}
# {today's key: {old value: today's}}
GATE_VALUES: Mapping[str, Mapping[Any, Any]] = {
    'policy': {'parametric_gamma': 'parametric', 'parametric_simplified': 'parametric', 'squeeze_excite': 'squeeze'},
    'pool': {'mean': 'avg', 'average': 'avg'},
    'threshold': {True: 'online', False: 'local'},
}
# {end of a layer type: {key: value}}: what happens anyway
_PLAIN: Mapping[str, Mapping[str, Any]] = {
    'convolution': {'rate': 1},
    'depthwise_convolution': {'num_outputs': None},
    'hadamard_convolution': {'depth_multiplier': 1},
}
_NULL_IS_DEFAULT = ('stride', 'num_groups', 'force_biases', 'rate')


def today(node_type: str, params: Mapping[str, Any], of_original: bool = False) -> dict[str, Any]:
    """`params` of a layer in today's spelling; what only TensorFlow 1's machinery had use for is left out.

    of_original: they also mean what they did in the original Mayo, where that differs.
    """
    names = LAYER_KEYS.get(node_type, {})
    renamed = {
        names.get(key, key): value for key, value in params.items() if key not in MACHINERY or key in _OURS.get(node_type, ())
    }
    if of_original:
        renamed = _as_in_original(node_type, renamed)
    if node_type == 'batch_normalization' and 'decay' in params:
        renamed.setdefault('scale', False)  # slim's default, in a layer that is spelled in slim's way
    for kind, plain in _PLAIN.items():
        if node_type.endswith(kind):
            renamed = {key: value for key, value in renamed.items() if key not in plain or value != plain[key]}
    if isinstance(renamed.get('gate_params'), Mapping):
        renamed['gate_params'] = gate_params(renamed['gate_params'], of_original)
    return renamed


def _as_in_original(kind: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """What the original's layers did by default, or otherwise than today's."""
    defaults: dict[str, Any] = {}
    given = {key: value for key, value in params.items() if value is not None or key not in _NULL_IS_DEFAULT}
    if given.get('rate') == [1, 1]:
        given['rate'] = 1
    groups = given.get('num_groups', 1)
    if kind == 'batch_normalization':
        defaults = {'momentum': 0.999, 'scale': False, 'scope': ''}
        given.update(
            {LAYER_KEYS[kind].get(key, key): value for key, value in (given.pop('normalizer_params', None) or {}).items()}
        )
    if kind.endswith('_pool') and given.get('kernel_size') in (1, [1, 1]):
        defaults = {'stride': 1}
    if kind == 'squeeze':
        defaults = {'axis': None}
    if kind in ('convolution', 'gated_convolution') and whole(2).fits(groups) and whole(1).fits(given.get('num_outputs')):
        given['num_outputs'] *= groups
        given |= {'groupwise': True, 'force_biases': True}
    if 'normalizer_fn' in given and given.get('trainable') is False:
        given['trainable'] = 'norm'
    return {**defaults, **given}


def gate_params(params: Mapping[str, Any], of_original: bool = False) -> dict[str, Any]:
    """`gate_params` in today's spelling. of_original: they also mean what they did in the original Mayo.

    >>> gate_params({'policy': 'parametric_gamma', 'should_gate': True, 'weight': 1e-8})
    {'policy': 'parametric', 'enable': True, 'regularizer': {'l1': 1e-08}}
    """
    renamed: dict[str, Any] = {}
    for key, value in params.items():
        name = GATE_KEYS.get(key, key)
        if key == 'weight':
            value = params.get('regularizer', {'l1': value})
        if name in GATE_VALUES and isinstance(value, str | bool):
            value = GATE_VALUES[name].get(value, value)
        renamed[name] = value
    if of_original:
        if renamed.pop('enable', True) is False and renamed.get('policy') == 'parametric':
            renamed['density'] = 1.0  # which left saliency and b in their places
        renamed = {'decay': 0.9997, 'original': True, **renamed}
    return renamed


def lacking(kind: str, params: Mapping[str, Any]) -> str:
    """What a layer of the original has to say and does not, as a sentence; '' if it says all."""
    gate = params.get('gate_params') or {}
    if kind != 'gated_convolution' or not isinstance(gate, Mapping):
        return ''
    missing = [f'gate_params.{key}' for key in ('policy', 'density') if key not in gate]
    verb = 'is' if len(missing) == 1 else 'are'
    return f'{" and ".join(missing)} {verb} missing.' if missing else ''
