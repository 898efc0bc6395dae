"""What is wrong with a configuration for an action, told before anything runs. Needs no TensorFlow.

problems(config, 'eval')    ['`eval` needs dataset.path.validate, which nothing so far sets; ...']
"""

import contextlib
import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from mayo.checkpoint.store import Store
from mayo.config import Config
from mayo.config.names import object_spec
from mayo.data.augment import check_steps
from mayo.data.files import find_files, images_of, is_local
from mayo.data.tree import folder_of
from mayo.net.gates import is_gated
from mayo.session import imported, mean, settings, stored
from mayo.session.spec import model_graph, model_problems
from mayo.training.schedule import learning_rate
from mayo.training.stages import stages_of
from mayo.util.errors import Problems, UserError
from mayo.util.files import find

_MODEL = ('model.layers', 'model.graph', 'dataset.task.preprocess.shape')
_NETWORK = (*_MODEL, 'model.name', 'dataset.name', 'dataset.task.num_classes')
_TRAINING_DATA = (*_NETWORK, 'dataset.path.train', 'dataset.num_examples_per_epoch.train')
_TRAINING = (*_TRAINING_DATA, 'train.max_epochs', 'train.optimizer', 'train.learning_rate')

# The settings without which an action cannot do anything.
NEEDS: dict[str, tuple[str, ...]] = {
    'ls': (),
    'config': (),
    'check': (),
    'info': _MODEL,
    'prepare': ('dataset.name', 'dataset.task.num_classes', 'dataset.prepare.type'),
    'eval': (*_NETWORK, 'dataset.path.validate'),
    'eval-all': (*_NETWORK, 'dataset.path.validate'),
    'train': _TRAINING,
    'anneal': (*_TRAINING_DATA, 'dataset.path.validate', 'train.optimizer', 'train.learning_rate', 'train.anneal.epochs'),
    'plot': (*_NETWORK, 'dataset.path.validate'),
    'search': (*_NETWORK, 'dataset.path.validate'),
    'slim': _NETWORK,
    'predict': (*_NETWORK, 'predict.files'),
    'bench': _NETWORK,
    'export': _NETWORK,
    'reset-num-epochs': _NETWORK,
    'save': _NETWORK,
    'mean': (*_NETWORK, 'mean.checkpoints'),
    'import-weights': (*_NETWORK, 'import.path', 'system.checkpoint.save'),
}
_LOADING = (
    'eval',
    'train',
    'predict',
    'anneal',
    'plot',
    'search',
    'bench',
    'export',
    'reset-num-epochs',
    'save',
    'import-weights',
)
_SAVING = {'train', 'anneal', 'save', 'import-weights'}
_CHOSEN = {'prepare', 'slim', 'search'}  # few networks and datasets are for them: they are looked at when they are named
_OPTIMIZERS = ('keras.optimizers.', 'mayo.train.')

# Who usually sets a setting: the first that its name starts with.
_SETTERS = {
    'model': 'name a model before it, e.g. models/cifarnet.yaml',
    'dataset.task.preprocess': 'name a model before it, e.g. models/cifarnet.yaml',
    'dataset': 'name a dataset before it, e.g. datasets/fashion_mnist.yaml',
    'predict': 'name the images before it, e.g. predict.files=[photos,me.jpg]',
    'train': 'name a trainer before it, e.g. trainers/exponential.yaml',
    'mean': 'name them before it, e.g. mean.checkpoints=[slim,tuned]',
    'import': 'say which file, e.g. import.path=vgg16.h5',
    'system.checkpoint.save': 'name what it writes, e.g. system.checkpoint.save=imported',
}


def problems(config: Config, action: str, earlier: Collection[str] = ()) -> list[str]:
    """Everything wrong for `action`, a line each; empty if it can run.

    earlier: the actions before it on the line, whose results it may build on: `prepare` makes data, `train`
    and `save` make checkpoints. `check` looks at the other actions whose settings are complete.
    """
    if action == 'ls':
        return []
    unread = config.unknown()
    found = [str(key) for key in unread]
    if any(key.keys for key in unread):
        return found  # a value stands where settings belong: no use to look for them
    kinds = settings.problems(config)
    asked = [action]
    if action == 'check':
        asked = [other for other in NEEDS if other not in _CHOSEN and not lacks(config, other)]
    for other in asked:
        missing = lacks(config, other)
        if missing:
            found += _incomplete(config, other, missing)
        elif not kinds:
            found += _unfit(config, other, earlier)
    return list(dict.fromkeys('\n'.join(found + kinds).splitlines()))


def readiness(config: Config) -> dict[str, list[str]]:
    """For each action that needs settings, those that nothing has set."""
    return {action: lacks(config, action) for action, needs in NEEDS.items() if needs and action not in _CHOSEN - {'prepare'}}


def lacks(config: Config, action: str) -> list[str]:
    """The settings that `action` needs and nothing has set."""
    return [key for key in NEEDS[action] if _is_unset(config, key)]


def _is_unset(config: Config, key: str) -> bool:
    try:
        return config.get(key, None) in (None, {}, [])
    except UserError:
        return False  # set, to something that another check tells about


def _incomplete(config: Config, action: str, missing: Sequence[str]) -> Iterator[str]:
    """One line for the settings that lack and are usually set together."""
    if action == 'prepare' and (refused := list(_unpreparable(config))):
        yield from refused
        return
    for remedy in dict.fromkeys(_SETTERS.values()):
        keys = [key for key in missing if _remedy(key) == remedy]
        if keys:
            if remedy == _SETTERS['dataset'] and config.origin('dataset.holdout') != 'defaults':
                remedy = 'say where the images are: dataset.path=DIR'  # datasets/folder.yaml
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
    if action in _LOADING and not _SAVING & set(earlier):
        checks.append(_checkpoint)
    if action in ('train', 'anneal'):
        checks += [_optimizer, _learning_rate]
        if not _SAVING & set(earlier):
            checks.append(_teacher)
    if action == 'anneal':
        checks += [_stages, functools.partial(_gates, action=action)]
    if action == 'plot' and not _SAVING & set(earlier):
        checks.append(_plotted)
    if action == 'search':
        checks += [_goal, functools.partial(_gates, action=action)]
    if action == 'mean' and not _SAVING & set(earlier):
        checks.append(_averaged)
    if action == 'import-weights':
        checks.append(_imported)
    if action == 'bench' and 'export' not in earlier:
        checks.append(_artifacts)
    if action == 'prepare':
        checks.append(_unpreparable)
    if action == 'predict':
        checks.append(_images)
    if action in ('export', 'predict'):
        checks.append(functools.partial(_preprocessing, mode='validate'))
    found = Problems()
    for check in checks:
        with found.collecting():
            found += list(check(config))
    return found


def _modes(config: Config, action: str) -> Iterator[str]:
    """Which data the action reads."""
    if action in ('train', 'anneal'):
        yield 'train'
    if action in ('eval', 'eval-all', 'anneal', 'plot', 'search') or (
        action == 'train' and config.get('train.validate') and config.get('dataset.path.validate')
    ):
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
    if folder_of(patterns) is not None:
        return ()
    local = filter(is_local, [patterns] if isinstance(patterns, str) else patterns)
    find_files(list(local), _where(config, key))
    return ()


def _unpreparable(config: Config) -> Iterable[str]:
    """What keeps `prepare` from writing where dataset.path says."""
    from mayo.session.prepare import problems

    return problems(config)


def _images(config: Config) -> Iterable[str]:
    """predict.files that are not there."""
    key = 'predict.files'
    images_of(config.get(key), _where(config, key))
    return ()


def _store(config: Config) -> Store:
    return Store(*map(config.get, ('system.checkpoint.path', 'model.name', 'dataset.name')))


def _checkpoint(config: Config) -> Iterable[str]:
    """The checkpoint that is asked for does not exist, or is a Git-LFS pointer."""
    load = config.get('system.checkpoint.load')
    if load is not None:
        _store(config).resolve(load, config.get('system.checkpoint.save') or '')
    return ()


def _averaged(config: Config) -> Iterable[str]:
    """Checkpoints to average that do not exist."""
    mean.shares(config, _store(config))
    return ()


def _teacher(config: Config) -> Iterable[str]:
    """The checkpoint of a network that is to teach does not exist."""
    stored.teachers(config, _store(config))
    return ()


def _stages(config: Config) -> Iterable[str]:
    stages_of(config)
    return ()


def _gates(config: Config, action: str) -> Iterator[str]:
    """A network whose density nothing can lower."""
    if not is_gated(model_graph(config)):
        yield (
            f'{config.origin("model.layers")}: `{action}` needs a model with gates, e.g. models/gate/cifarnet.yaml; '
            'this one has none.'
        )


def _goal(config: Config) -> Iterator[str]:
    """A search needs one goal."""
    keys = ('search.target_macs', 'search.max_drop')
    chosen = [key for key in keys if config.get(key) is not None]
    if len(chosen) != 1:
        said = ' and '.join(chosen) + ' are both set' if chosen else 'neither is set'
        yield f'`search` needs one of {" or ".join(keys)}, but {said}; set e.g. search.target_macs=30M or search.max_drop=0.5%.'


def _plotted(config: Config) -> Iterable[str]:
    """A checkpoint that is to be drawn does not exist."""
    key = 'plot.checkpoints'
    _store(config).resolve_all(config.get(key) or [], key=key)
    return ()


def _imported(config: Config) -> Iterable[str]:
    """The file that is to be imported is not there, or nothing says what its layers are."""
    imported.source(config)
    imported.mapping(config)
    return ()


def _artifacts(config: Config) -> Iterator[str]:
    key = 'bench.artifact'
    given = config.get(key) or []
    for path in [given] if isinstance(given, str) else given:
        if find(path) is None:
            yield f'{_where(config, key)}: {path} does not exist.'


def _optimizer(config: Config) -> Iterator[str]:
    key = 'train.optimizer'
    where = _where(config, key)
    with _teaching(config, key):
        name = object_spec(config.get(key), where).name
    if not name.startswith(_OPTIMIZERS):
        yield f'{where}: {name} is no optimizer, expected e.g. keras.optimizers.SGD.'


def _learning_rate(config: Config) -> Iterator[str]:
    key = 'train.learning_rate'
    rate, where = config.get(key), _where(config, key)
    with _teaching(config, key):
        learning_rate(rate, where, config.get('train.max_epochs') or 1)
    if settings.is_number(rate) and rate <= 0:
        yield f'{where} is {rate}, expected a number above 0.'


@contextlib.contextmanager
def _teaching(config: Config, key: str) -> Iterator[None]:
    """Around a check of `{type: ..., argument: ...}`: an argument left over from another type is told with how to drop it."""
    try:
        yield
    except UserError as error:
        given = config.get(key)
        kind = config.origin(f'{key}.type')
        left = (
            [
                f'{key}.{name}'
                for name in given
                if f'takes no {name};' in f'{error};'.replace('(', ';') and config.origin(f'{key}.{name}') != kind
            ]
            if isinstance(given, Mapping)
            else []
        )
        if not left:
            raise
        said = ', '.join(f'{name} ({config.origin(name)})' for name in left)
        raise UserError(
            f'{error}\n{_where(config, f"{key}.type")} is {given["type"]}, but beside it is left, for another '
            f'type: {said}; drop it with {" ".join(f"~{name}" for name in left)}, or everything with ~{key} '
            f'before {key}.type=...'
        ) from None


def _where(config: Config, key: str) -> str:
    return f'{config.origin(key)}: {key}'
