"""What is wrong with a configuration for an action, told before anything runs. Needs no TensorFlow.

problems(config, 'eval')    ['`eval` needs dataset.path.validate, which nothing so far sets; ...']

Every action is checked for what its declaration says: needs, reads, loads, trains, gated; then its own check is asked.
"""

import contextlib
import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from mayo.actions.base import CHECKPOINTS, RECORDS, Action, Check, Product, actions
from mayo.config import Config
from mayo.config.dialect import DETECT
from mayo.config.names import object_spec
from mayo.data.files import find_files, is_local
from mayo.data.tree import folder_of
from mayo.net.gates import is_gated
from mayo.session.data import search_path
from mayo.session.idle import idle_lines
from mayo.session.spec import model_graph, model_problems
from mayo.session.steps import step_problems
from mayo.training.schedule import learning_rate
from mayo.training.teachers import teachers
from mayo.util.errors import Problems, UserError
from mayo.util.kinds import is_number
from mayo.util.settings import remedy

_OPTIMIZERS = ('keras.optimizers.', 'mayo.train.')


def problems(config: Config, name: str, earlier: Collection[str] = ()) -> list[str]:
    """Everything wrong for the action `name`, a line each; empty if it can run.

    earlier: the actions before it on the line, on whose results it may build.
    """
    action = actions[name]
    if action.any_configuration:
        return []
    unknown = config.unknown()
    lines = [str(key) for key in unknown]
    if any(key.keys for key in unknown):
        return lines  # a value stands where settings belong: no use to look for them
    lines += config.unread()
    misfits = config.misfits()
    products = frozenset(kind for before in earlier for kind in actions[before].makes)
    lines += stops(config, action, products, incomplete_alone=bool(misfits))
    return list(dict.fromkeys('\n'.join(lines + misfits).splitlines()))


def warnings(config: Config, name: str) -> Iterable[str]:
    """What has no effect for the action `name` and may be meant so, a line each: the configuration has no problem."""
    return idle_lines(config, model_graph(config)) if 'model.layers' in actions[name].needs(config) else ()


def stops(config: Config, action: Action, products: Collection[Product], incomplete_alone: bool = False) -> list[str]:
    """What would stop an action: the settings that it lacks or, where none is lacking, what its checks tell.

    incomplete_alone: leave out the checks, as where settings have values that they may not have.
    """
    missing = lacks(config, action)
    if missing and action.check_first and action.check is not None:
        checks: Iterable[Callable[[Config], Iterable[str]]] = [_own(action.check, products)]
    else:
        checks = [] if missing or incomplete_alone else _checks(config, action, products)
    lines = Problems()
    for check in checks:
        with lines.collecting():
            lines += list(check(config))
    return lines or (list(_incomplete(config, action, missing)) if missing else [])


def lacks(config: Config, action: Action) -> list[str]:
    """The settings that `action` needs and nothing has set."""
    return [key for key in action.needs(config) if _is_unset(config, key)]


def _is_unset(config: Config, key: str) -> bool:
    try:
        return config.get(key, None) in (None, {}, [])
    except UserError:
        return False  # set, to something that another check tells about


def _incomplete(config: Config, action: Action, missing: Sequence[str]) -> Iterator[str]:
    """One line for the settings that lack and are usually set together."""
    for remedy_of_some in dict.fromkeys(map(remedy, missing)):
        keys = [key for key in missing if remedy(key) == remedy_of_some]
        way = remedy_of_some
        if way == remedy('dataset.name'):
            way = config.get('dataset.wants') or way
        yield f'`{action.name}` needs {_listed(keys)}, which nothing so far sets; {way}.'


def _listed(keys: Sequence[str]) -> str:
    """The keys as a sentence says them: a, b and c."""
    return ' and '.join(filter(None, (', '.join(keys[:-1]), keys[-1])))


def _checks(config: Config, action: Action, products: Collection[Product]) -> Iterator[Callable[[Config], Iterable[str]]]:
    """Those that follow from the declaration, and the action's own, in the order in which a user would mend things."""
    if 'model.layers' in action.needs(config):
        yield model_problems
    if action.loads or action.trains(config) or any(action.reads(config)):
        yield _task
    for mode in action.reads(config):
        yield functools.partial(_preprocessing, mode='validate' if mode == 'steps' else mode)
        if mode != 'steps' and RECORDS not in products:
            yield functools.partial(_data, mode=mode)
    if action.loads and CHECKPOINTS not in products:
        yield _checkpoint
    if action.trains(config):
        yield _optimizer
        yield _learning_rate
        if CHECKPOINTS not in products:
            yield _teacher
    if action.check is not None:
        yield _own(action.check, products)
    if action.gated(config):
        yield functools.partial(_gates, action=action)


def _task(config: Config) -> Iterator[str]:
    """A task that networks are described for, but neither trained nor evaluated."""
    key = 'dataset.task.type'
    if config.get(key) == DETECT:
        yield f'{_where(config, key)} is {DETECT}: detection is not here, beyond what `info` says of its networks.'


def _own(check: Check, products: Collection[Product]) -> Callable[[Config], Iterable[str]]:
    return lambda config: check(config, products)


def _preprocessing(config: Config, mode: str) -> Iterator[str]:
    yield from step_problems(config, mode)


def _data(config: Config, mode: str) -> Iterable[str]:
    """Local files that do not exist or cannot hold records; what a URL holds shows when it is read."""
    key = f'dataset.path.{mode}'
    patterns = config.get(key)
    if folder_of(patterns) is not None:
        return ()
    local = filter(is_local, [patterns] if isinstance(patterns, str) else patterns)
    find_files(list(local), _where(config, key), search_path(config))
    return ()


def _checkpoint(config: Config) -> Iterable[str]:
    """The checkpoint that is asked for does not exist, is a Git-LFS pointer, or has gates that the model has not."""
    from mayo.session.stored import store_of, without_its_gates  # NumPy comes with it

    load = config.get('system.checkpoint.load')
    if load is None:
        return ()
    prefix = store_of(config).resolve(load, config.get('system.checkpoint.save') or '')
    if config.get('system.checkpoint.strict') and without_its_gates(prefix, model_graph(config)):
        return (
            f'{_where(config, "system.checkpoint.load")}: {load} is of a network with gates, and this model has none; '
            f'name models/gate/{config.get("model.name")}.yaml, or a checkpoint of the dense network.',
        )
    return ()


def _teacher(config: Config) -> Iterable[str]:
    """The checkpoint of a network that is to teach does not exist."""
    from mayo.session.stored import store_of

    teachers(config, store_of(config))
    return ()


def _gates(config: Config, action: Action) -> Iterator[str]:
    """A network whose density nothing can lower."""
    if not is_gated(model_graph(config)):
        yield (
            f'{config.origin("model.layers")}: `{action.name}` needs a model with gates, e.g. models/gate/cifarnet.yaml; '
            'this one has none.'
        )


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
    if is_number(rate) and rate <= 0:
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
        leftovers = ', '.join(f'{name} ({config.origin(name)})' for name in left)
        raise UserError(
            f'{error}\n{_where(config, f"{key}.type")} is {given["type"]}, but beside it is left, for another '
            f'type: {leftovers}; drop it with {" ".join(f"~{name}" for name in left)}, or everything with ~{key} '
            f'before {key}.type=...'
        ) from None


def _where(config: Config, key: str) -> str:
    return f'{config.origin(key)}: {key}'
