"""What is wrong with a configuration for an action, told before anything runs. Needs no TensorFlow.

    problems(config, 'eval')    ['`eval` needs dataset.path.validate, which nothing so far sets; ...']
"""
import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from mayo.checkpoint.store import Store
from mayo.config import Config
from mayo.config.names import object_spec
from mayo.data.augment import check_steps
from mayo.data.files import find_files, is_local
from mayo.session import settings
from mayo.session.schedule import learning_rate
from mayo.session.spec import model_problems
from mayo.util.errors import Problems, UserError
from mayo.util.files import find

_MODEL = ('model.layers', 'model.graph', 'dataset.task.preprocess.shape')
_NETWORK = (*_MODEL, 'model.name', 'dataset.name', 'dataset.task.num_classes')
_TRAINING = (*_NETWORK, 'dataset.path.train', 'dataset.num_examples_per_epoch.train',
             'train.max_epochs', 'train.optimizer', 'train.learning_rate')

# The settings without which an action cannot do anything.
NEEDS: dict[str, tuple[str, ...]] = {
    'ls': (), 'config': (), 'check': (),
    'info': _MODEL,
    'prepare': ('dataset.name', 'dataset.task.num_classes', 'dataset.prepare.type'),
    'eval': (*_NETWORK, 'dataset.path.validate'),
    'eval-all': (*_NETWORK, 'dataset.path.validate'),
    'train': _TRAINING,
    'bench': _NETWORK,
    'export': _NETWORK,
    'reset-num-epochs': _NETWORK,
    'save': _NETWORK,
}
_LOADING = ('eval', 'train', 'bench', 'export', 'reset-num-epochs', 'save')
_OPTIMIZERS = ('keras.optimizers.', 'mayo.train.')

# Who usually sets a setting: the first that its name starts with.
_SETTERS = {
    'model': 'name a model before it, e.g. models/cifarnet.yaml',
    'dataset.task.preprocess': 'name a model before it, e.g. models/cifarnet.yaml',
    'dataset': 'name a dataset before it, e.g. datasets/fashion_mnist.yaml',
    'train': 'name a trainer before it, e.g. trainers/exponential.yaml',
}


def problems(config: Config, action: str, earlier: Collection[str] = ()) -> list[str]:
    """Everything wrong for `action`, a line each; empty if it can run.

    earlier: the actions before it on the line, whose results it may build on: `prepare` makes data, `train`
    and `save` make checkpoints. `check` looks at each action whose settings are complete.
    """
    if action == 'ls':
        return []
    unread = config.unknown()
    found = [str(key) for key in unread]
    if any(key.keys for key in unread):
        return found                    # a value stands where settings belong: no use to look for them
    kinds = settings.problems(config)
    asked = [other for other in NEEDS if not lacks(config, other)] if action == 'check' else [action]
    for other in asked:
        missing = lacks(config, other)
        if missing:
            found += _incomplete(other, missing)
        elif not kinds:
            found += _unfit(config, other, earlier)
    return list(dict.fromkeys('\n'.join(found + kinds).splitlines()))


def readiness(config: Config) -> dict[str, list[str]]:
    """For each action that needs settings, those that nothing has set."""
    return {action: lacks(config, action) for action, needs in NEEDS.items() if needs}


def lacks(config: Config, action: str) -> list[str]:
    """The settings that `action` needs and nothing has set."""
    return [key for key in NEEDS[action] if _is_unset(config, key)]


def _is_unset(config: Config, key: str) -> bool:
    try:
        return config.get(key, None) in (None, {}, [])
    except UserError:
        return False                    # set, to something that another check tells about


def _incomplete(action: str, missing: Sequence[str]) -> Iterator[str]:
    """One line for the settings that lack and are usually set together."""
    for remedy in dict.fromkeys(_SETTERS.values()):
        keys = [key for key in missing if _remedy(key) == remedy]
        if keys:
            yield f'`{action}` needs {_listed(keys)}, which nothing so far sets; {remedy}.'


def _remedy(key: str) -> str:
    return _SETTERS[max(filter(key.startswith, _SETTERS), key=len)]


def _listed(keys: Sequence[str]) -> str:
    """The keys as a sentence says them: a, b and c."""
    return ' and '.join(filter(None, (', '.join(keys[:-1]), keys[-1])))


def _unfit(config: Config, action: str, earlier: Collection[str]) -> list[str]:
    """What would stop an action whose settings are complete."""
    checks: list[Callable[[Config], Iterable[str]]] = []
    if action == 'config':
        checks = [_references]
    if 'model.layers' in NEEDS[action]:
        checks.append(model_problems)
    for mode in _modes(config, action):
        checks.append(functools.partial(_preprocessing, mode=mode))
        if 'prepare' not in earlier:
            checks.append(functools.partial(_data, mode=mode))
    if action in _LOADING and not {'train', 'save'} & set(earlier):
        checks.append(_checkpoint)
    if action == 'train':
        checks += [_optimizer, _learning_rate]
    if action == 'bench' and 'export' not in earlier:
        checks.append(_artifacts)
    if action == 'export':
        checks.append(functools.partial(_preprocessing, mode='validate'))
    found = Problems()
    for check in checks:
        with found.collecting():
            found += list(check(config))
    return found


def _modes(config: Config, action: str) -> Iterator[str]:
    """Which data the action reads."""
    if action == 'train':
        yield 'train'
    if action in ('eval', 'eval-all') or (
            action == 'train' and config.get('train.validate') and config.get('dataset.path.validate')):
        yield 'validate'


def _references(config: Config) -> Iterable[str]:
    """A reference to what is not there; the search itself raises it."""
    config.to_dict()
    return ()


def _preprocessing(config: Config, mode: str) -> Iterator[str]:
    for key in (f'dataset.task.preprocess.{mode}', 'dataset.task.preprocess.final'):
        yield from check_steps(config.get(key), _where(config, key))


def _data(config: Config, mode: str) -> Iterable[str]:
    """Local files that do not exist or cannot hold records; what a URL holds shows when it is read."""
    key = f'dataset.path.{mode}'
    patterns = config.get(key)
    local = filter(is_local, [patterns] if isinstance(patterns, str) else patterns)
    find_files(list(local), _where(config, key))
    return ()


def _checkpoint(config: Config) -> Iterable[str]:
    """The checkpoint that is asked for does not exist, or is a Git-LFS pointer."""
    load = config.get('system.checkpoint.load')
    if load is not None:
        root, model, dataset = map(config.get, ('system.checkpoint.path', 'model.name', 'dataset.name'))
        Store(root, model, dataset).resolve(load, config.get('system.checkpoint.save') or '')
    return ()


def _artifacts(config: Config) -> Iterator[str]:
    key = 'bench.artifact'
    given = config.get(key) or []
    for path in [given] if isinstance(given, str) else given:
        if find(path) is None:
            yield f'{_where(config, key)}: {path} does not exist.'


def _optimizer(config: Config) -> Iterator[str]:
    where = _where(config, 'train.optimizer')
    name = object_spec(config.get('train.optimizer'), where).name
    if not name.startswith(_OPTIMIZERS):
        yield f'{where}: {name} is no optimizer, expected e.g. keras.optimizers.SGD.'


def _learning_rate(config: Config) -> Iterator[str]:
    key = 'train.learning_rate'
    rate, where = config.get(key), _where(config, key)
    learning_rate(rate, where, config.get('train.max_epochs'))
    if settings.is_number(rate) and rate <= 0:
        yield f'{where} is {rate}, expected a number above 0.'


def _where(config: Config, key: str) -> str:
    return f'{config.origin(key)}: {key}'
