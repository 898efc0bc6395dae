"""Objects named in YAML: today's names and their arguments; what older YAML calls them is in old_names.py.

    relu      keras.regularizers.L2      {type: keras.initializers.TruncatedNormal, stddev: 0.05}

Nothing outside these tables can be named, and nothing is imported by name here: a Spec is data, which others
make into an object.
"""

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

from mayo.config.old_names import MACHINERY, OLD_NAMES
from mayo.util.errors import Problems, UserError, did_you_mean
from mayo.util.kinds import FLAG, MAPPING, NUMBER, TEXT, Kind, choice, each, or_null, shown, whole

REQUIRED: Any = inspect.Parameter.empty


@dataclasses.dataclass(frozen=True)
class Spec:
    """An object to make: today's dotted name (a schedule's is short) and checked arguments."""

    name: str
    kwargs: dict[str, Any] = dataclasses.field(default_factory=dict)


class Initializer(str):
    """The default of an argument that itself names an initializer."""

    __slots__ = ()


# What each argument takes follows from its default, see `kind_of`.
Arguments = Mapping[str, Any]
_OF_THIS_NAME: Mapping[str, Kind] = {
    'boundaries': each(NUMBER, least=0),
    'values': each(NUMBER, least=0),
    'seed': or_null(whole()),
    'axis': whole(),
}
_SEED: Arguments = {'seed': None}
_BETAS: Arguments = {'beta_1': 0.9, 'beta_2': 0.999, 'epsilon': 1e-7}

KNOWN: dict[str, Arguments] = {
    'keras.activations.relu': {'negative_slope': 0.0, 'max_value': None, 'threshold': 0.0},
    'keras.activations.relu6': {},
    'keras.activations.elu': {'alpha': 1.0},
    'keras.activations.selu': {},
    'keras.activations.gelu': {'approximate': False},
    'keras.activations.sigmoid': {},
    'keras.activations.hard_sigmoid': {},
    'keras.activations.tanh': {},
    'keras.activations.leaky_relu': {'negative_slope': 0.2},
    'keras.activations.silu': {},
    'keras.activations.hard_silu': {},
    'keras.activations.softmax': {'axis': -1},
    'keras.activations.softplus': {},
    'keras.activations.softsign': {},
    'keras.activations.linear': {},
    'keras.initializers.Zeros': {},
    'keras.initializers.Ones': {},
    'keras.initializers.Constant': {'value': 0.0},
    'keras.initializers.TruncatedNormal': {'mean': 0.0, 'stddev': 0.05, **_SEED},
    'keras.initializers.RandomNormal': {'mean': 0.0, 'stddev': 0.05, **_SEED},
    'keras.initializers.RandomUniform': {'minval': -0.05, 'maxval': 0.05, **_SEED},
    'keras.initializers.VarianceScaling': {
        'scale': 1.0,
        'mode': ('fan_in', 'fan_out', 'fan_avg'),
        'distribution': ('truncated_normal', 'untruncated_normal', 'uniform'),
        **_SEED,
    },
    'keras.initializers.GlorotNormal': _SEED,
    'keras.initializers.GlorotUniform': _SEED,
    'keras.initializers.HeNormal': _SEED,
    'keras.initializers.HeUniform': _SEED,
    'keras.initializers.LecunNormal': _SEED,
    'keras.initializers.LecunUniform': _SEED,
    'keras.initializers.Orthogonal': {'gain': 1.0, **_SEED},
    'keras.regularizers.L1': {'l1': 0.01},
    'keras.regularizers.L2': {'l2': 0.01},
    'keras.regularizers.L1L2': {'l1': 0.0, 'l2': 0.0},
    'keras.layers.BatchNormalization': {
        'momentum': 0.99,
        'epsilon': 0.001,
        'center': True,
        'scale': True,
        'beta_initializer': Initializer('zeros'),
        'gamma_initializer': Initializer('ones'),
        'moving_mean_initializer': Initializer('zeros'),
        'moving_variance_initializer': Initializer('ones'),
    },
    # Their learning rate, weight decay (but AdamW's) and clipping stand in `train`.
    'keras.optimizers.SGD': {'momentum': 0.0, 'nesterov': False},
    'keras.optimizers.RMSprop': {'rho': 0.9, 'momentum': 0.0, 'epsilon': 1e-7, 'centered': False},
    'keras.optimizers.Adam': {**_BETAS, 'amsgrad': False},
    'keras.optimizers.AdamW': {'weight_decay': 0.004, **_BETAS, 'amsgrad': False},
    'keras.optimizers.Adamax': _BETAS,
    'keras.optimizers.Lamb': _BETAS,
    'keras.optimizers.Lion': {'beta_1': 0.9, 'beta_2': 0.99},
    'keras.optimizers.Adagrad': {'initial_accumulator_value': 0.1, 'epsilon': 1e-7},
    'keras.optimizers.Adadelta': {'rho': 0.95, 'epsilon': 1e-7},
    'mayo.train.Momentum1': {'momentum': 0.0, 'nesterov': False},
    'mayo.train.RMSProp1': {'rho': 0.9, 'momentum': 0.0, 'epsilon': 1e-10, 'centered': False},
    # mayo/training/schedule.py
    'constant': {'learning_rate': REQUIRED},
    'exponential': {'learning_rate': REQUIRED, 'decay_epochs': REQUIRED, 'decay_rate': REQUIRED, 'staircase': False},
    'piecewise': {'boundaries': REQUIRED, 'values': REQUIRED},
    'polynomial': {
        'learning_rate': REQUIRED,
        'decay_epochs': REQUIRED,
        'end_learning_rate': 0.0001,
        'power': 1.0,
        'cycle': False,
    },
    'cosine': {'learning_rate': REQUIRED, 'decay_epochs': REQUIRED, 'alpha': 0.0},
    'one_cycle': {'learning_rate': REQUIRED, 'epochs': None, 'warm_up': 0.25, 'start': 0.04, 'end': 0.0},
}

# Other spellings of the same thing.
_SHORT = {name.rpartition('.')[2]: name for name in KNOWN if name.startswith('keras.activations.')} | {
    'swish': 'keras.activations.silu',
    'hard_swish': 'keras.activations.hard_silu',
    'identity': 'keras.activations.linear',
}
_SAME = {
    **_SHORT,
    **{f'keras.activations.{name}': today for name, today in _SHORT.items()},
    **{f'tensorflow.nn.{name}': today for name, today in _SHORT.items() if name != 'leaky_relu'},
    **{f'tensorflow.{name}': _SHORT[name] for name in ('sigmoid', 'tanh', 'identity')},
    **{
        f'tensorflow.{spelling.format(kind.lower(), name.lower())}': f'keras.initializers.{kind}{name}'
        for spelling in ('{}_{}_initializer', 'initializers.{}_{}')
        for kind in ('Glorot', 'He', 'Lecun')
        for name in ('Normal', 'Uniform')
    },
    **{
        f'keras.initializers.{spelling}': f'keras.initializers.{today}'
        for spelling, today in (
            ('zeros', 'Zeros'),
            ('ones', 'Ones'),
            ('constant', 'Constant'),
            ('orthogonal', 'Orthogonal'),
            ('truncated_normal', 'TruncatedNormal'),
            ('random_normal', 'RandomNormal'),
            ('random_uniform', 'RandomUniform'),
            ('variance_scaling', 'VarianceScaling'),
            ('glorot_normal', 'GlorotNormal'),
            ('glorot_uniform', 'GlorotUniform'),
            ('he_normal', 'HeNormal'),
            ('he_uniform', 'HeUniform'),
            ('lecun_normal', 'LecunNormal'),
            ('lecun_uniform', 'LecunUniform'),
        )
    },
    **{
        f'keras.regularizers.{spelling}': f'keras.regularizers.{today}'
        for spelling, today in (('l1', 'L1'), ('l2', 'L2'), ('l1_l2', 'L1L2'))
    },
}
_PREFIXES = {'tf.': 'tensorflow.', 'tensorflow.keras.': 'keras.', 'tensorflow.contrib.slim.': 'tensorflow.contrib.layers.'}
_PACKAGES = ('keras', 'tensorflow', 'tf', 'mayo')


def object_spec(value: object, where: str) -> Spec:
    """The object that `value` names: a name, or {type: name, argument: value, ...}; keys with _ are left out.

    where: file, line and key, the start of messages. UserError: unknown names or arguments; unfit ones.

    >>> object_spec({'type': 'tf.contrib.layers.l2_regularizer', 'scale': 0.004}, 'x.yaml:1: regularizer')
    Spec(name='keras.regularizers.L2', kwargs={'l2': 0.002})
    """
    name, given = _name_and_arguments(value, where)
    name = _current(name)
    if name in OLD_NAMES:
        name, given = _translated(name, given, where)
    if name not in KNOWN:
        raise UserError(f'{where}: {_unknown(name)}')
    return Spec(name, _checked(name, KNOWN[name], given, where))


def _name_and_arguments(value: object, where: str) -> tuple[str, dict[str, Any]]:
    given = dict(value) if isinstance(value, Mapping) else {'type': value}
    name = given.pop('type', None)
    if not isinstance(name, str):
        raise UserError(f'{where}: expected a name, or {{type: name, ...}}, not {shown(value)}.')
    return name, {str(key): argument for key, argument in given.items() if not str(key).startswith('_')}


def _current(name: str) -> str:
    """`name` with other spellings of the same thing put aside."""
    for before, after in _PREFIXES.items():
        if name.startswith(before):
            name = after + name.removeprefix(before)
    return _SAME.get(name, name)


def _translated(name: str, given: Mapping[str, Any], where: str) -> tuple[str, dict[str, Any]]:
    """Today's name and arguments for those of TensorFlow 1."""
    function = OLD_NAMES[name]
    parameters = inspect.signature(function).parameters
    arguments = {key: parameter.default for key, parameter in parameters.items()}
    used = {key: value for key, value in given.items() if key in arguments or key not in MACHINERY}
    return function(**_checked(name, arguments, used, where))


def _unknown(name: str) -> str:
    if '.' in name and name.partition('.')[0] not in _PACKAGES:
        return f'the name {name} is refused: names are those of keras, or of TensorFlow where older YAML has them.'
    hint = did_you_mean(name, [*KNOWN, *_SAME, *OLD_NAMES])
    return f'the name {name} is not known{hint or "; mayo/config/names.py lists those that are."}'


def _checked(name: str, arguments: Arguments, given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The given arguments, if they fit the declared ones."""
    problems = Problems()
    checked = {}
    for key, value in given.items():
        if key not in arguments:
            hint = did_you_mean(key, arguments) or _listed(arguments)
            problems.append(f'{where}: {name} takes no {key}{hint}')
            continue
        with problems.collecting():
            place, default = f'{where}: {key} of {name}', arguments[key]
            is_object = isinstance(default, Initializer)
            checked[key] = _as_keras(value, place) if is_object else kind_of(key, default).checked(value, place)
    problems += [
        f'{where}: {name} needs {key}.' for key, default in arguments.items() if default is REQUIRED and key not in given
    ]
    problems.raise_any()
    return checked


def _listed(arguments: Arguments) -> str:
    return f'; it takes {", ".join(arguments)}.' if arguments else '; it takes no arguments.'


def kind_of(key: str, default: Any) -> Kind:
    """What an argument takes.

    default: a number; true or false; a tuple of names, the first of which is the default; text; a mapping; None for a
    number or null; REQUIRED for a number.
    """
    if key in _OF_THIS_NAME:
        return _OF_THIS_NAME[key]
    if isinstance(default, tuple):
        return choice(*default)
    kinds: Mapping[type, Kind] = {bool: FLAG, str: TEXT, type(None): or_null(NUMBER)}
    return MAPPING if isinstance(default, Mapping) else kinds.get(type(default), NUMBER)


def _as_keras(value: Any, where: str) -> Any:
    """An initializer as the configuration that Keras itself reads."""
    spec = object_spec(value, where)
    module, _, name = spec.name.rpartition('.')
    if module != 'keras.initializers':
        raise UserError(f'{where}: {spec.name} is no initializer.')
    return {'module': module, 'class_name': name, 'config': spec.kwargs, 'registered_name': None}
