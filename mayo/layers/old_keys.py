"""Keys of layers and gates as the original Mayo spelled them, and what its TensorFlow 1 called them, as today's.

{type: batch_normalization, decay: 0.9}             ->  momentum: 0.9, scale: false
gate_params: {policy: parametric_gamma, should_gate: true}  ->  policy: parametric, enable: true
"""

from collections.abc import Mapping
from typing import Any

from mayo.config.old_names import MACHINERY

# {layer type: {old key: today's}}
LAYER_KEYS: Mapping[str, Mapping[str, str]] = {
    'batch_normalization': {'decay': 'momentum'},
    'reduce_mean': {'keep_dims': 'keepdims', 'reduction_indices': 'axis'},
    'squeeze': {'squeeze_dims': 'axis'},
}
GATE_KEYS: Mapping[str, str] = {'should_gate': 'enable', 'online': 'threshold', 'weight': 'regularizer'}
# {today's key: {old value: today's}}
GATE_VALUES: Mapping[str, Mapping[Any, Any]] = {
    'policy': {'parametric_gamma': 'parametric', 'parametric_simplified': 'parametric', 'squeeze_excite': 'squeeze'},
    'pool': {'mean': 'avg', 'average': 'avg'},
    'threshold': {True: 'online', False: 'local'},
}
# {end of a layer type: {key: value}}: what happens anyway
_PLAIN: Mapping[str, Mapping[str, Any]] = {'convolution': {'rate': 1}, 'depthwise_convolution': {'num_outputs': None}}


def today(node_type: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """`params` of a layer in today's spelling; what only TensorFlow 1's machinery had use for is left out."""
    names = LAYER_KEYS.get(node_type, {})
    renamed = {names.get(key, key): value for key, value in params.items() if key not in MACHINERY}
    if node_type == 'batch_normalization' and 'decay' in params:
        renamed.setdefault('scale', False)  # slim's default, in a layer that is spelled in slim's way
    for kind, plain in _PLAIN.items():
        if node_type.endswith(kind):
            renamed = {key: value for key, value in renamed.items() if key not in plain or value != plain[key]}
    if isinstance(renamed.get('gate_params'), Mapping):
        renamed['gate_params'] = gate_params(renamed['gate_params'])
    return renamed


def gate_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """`gate_params` in today's spelling.

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
    return renamed
