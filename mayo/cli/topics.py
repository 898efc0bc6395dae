"""`./my help NAME` and `./my ACTION --help`: what an action, a key, a layer, a gate, a step, a schedule or a trainer is.

Every text comes from the declarations, docstrings and comments of the code that does it: there is no second table.
Needs no TensorFlow.
"""

import ast
import difflib
import functools
import inspect
import io
import pathlib
import sys
import textwrap
import tokenize
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mayo.actions import Action, actions
from mayo.cli.habits import KEYS
from mayo.cli.help import program
from mayo.config import Config
from mayo.data.augment import Step, steps
from mayo.layers import GateParams, layer_types
from mayo.layers.functions import short_name
from mayo.layers.keys import REQUIRED, keys_of, known_keys
from mayo.layers.policy import discover, policies
from mayo.training.schedule import schedules
from mayo.util import files, settings
from mayo.util.errors import UserError
from mayo.util.kinds import Kind, shown

_WIDTH = 80
_GATE = '_gate'  # where models have gate_params
_TRIED = (0.5, 2, 64, '30M', 'cpu', 'file.yaml', 'NAME', [0.5], [2], ['NAME'])  # the first that fits is the example


def pages(names: Iterable[str]) -> str:
    """What is known of each of the names. UserError: nothing is known of one; the nearest are told."""
    return '\n\n'.join('\n\n'.join(_pages_of(name)) for name in names)


def _pages_of(name: str) -> list[str]:
    name = name.removesuffix('.')
    if name == 'keys':
        owners = dict.fromkeys(map(_owner, _keys()))
        return [_listed(f'keys of {owner}', [key for key in _keys() if _owner(key) == owner]) for owner in owners]
    if name in _SHELVES:
        return list(_SHELVES[name]().values())
    texts = [shelf()[name] for shelf in _SHELVES.values() if name in shelf()]
    keys = [key for key in _keys() if key.startswith(f'{name}.')]
    if keys and not (name in actions and {section.name for section in actions[name].settings} >= {name}):
        texts.append(_listed(f'keys of {name}', keys))
    if not texts:
        ends = [key for key in _keys() if key.endswith(f'.{name}')]
        if not ends:
            raise UserError(_unknown(name))
        texts = [_listed(f'keys that end in {name}', ends)]
    return texts


def _unknown(name: str) -> str:
    known = {**KEYS, **{title: title for shelf in _SHELVES.values() for title in shelf()}}
    for key in _keys():
        known.setdefault(key.partition('.')[0], key.partition('.')[0])
        known.setdefault(key.rpartition('.')[2], key)
    near = dict.fromkeys(known[title] for title in difflib.get_close_matches(name, known))
    hint = f'did you mean {" or ".join(near)}?' if near else f'known are those of `{program()} help {"`, `".join(_SHELVES)}`.'
    return f'help: nothing is called {name}; {hint}'


# ---- texts


def _wrapped(text: str, indent: str = '') -> str:
    return textwrap.fill(
        ' '.join(text.split()),
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _prose(text: str) -> str:
    """A docstring: paragraphs wrapped; commands, examples and formulas, which are indented or start with a sign, as they are."""
    blocks = inspect.cleandoc(text).split('\n\n')
    kept = ('    ', './my', '>>>', '[')
    return '\n\n'.join(block if '\n    ' in block or block.startswith(kept) else _wrapped(block) for block in blocks)


def _key(name: str, default: Any, meaning: str, expected: str) -> str:
    """A key as lists have it: its default, what it means, what is expected."""
    head = f'  {name}' if default is REQUIRED else f'  {name}={shown(_plain(default))}'
    lines = [head + ('        must be given' if default is REQUIRED else '')]
    lines += [_wrapped(meaning, '      ')] if meaning else []
    lines += [_wrapped(f'expected: {expected}', '      ')] if expected else []
    return '\n'.join(lines)


def _plain(value: Any) -> Any:
    """A default as YAML has it."""
    if hasattr(value, 'kwargs'):  # a named object
        return short_name(value) if not value.kwargs else {'type': short_name(value), **value.kwargs}
    if isinstance(value, tuple):
        parts = [_plain(part) for part in value]
        return parts[0] if len(parts) == 2 and parts[0] == parts[1] else parts
    return value


def _example(key: str, kind: Kind | None, default: Any) -> str:
    tried = (default, *(kind.names if kind else ()), *_TRIED)
    value = next((value for value in tried if value not in (None, {}, []) and (kind is None or kind.fits(value))), None)
    if (kind is None and default in (None, {}, [])) or value is None:
        return ''
    text = shown(value).replace(', ', ',')
    return f'example: {key}={text}' if not set('[]{}*') & set(text) else f"example: '{key}={text}'"


# ---- keys


class _Key:
    """A key that a word can set: of a section, or of a gate."""

    def __init__(self, default: Any, meaning: str, kind: Any) -> None:
        self.default, self.meaning, self.kind = default, meaning, kind

    @property
    def expected(self) -> str:
        return str(getattr(self.kind, 'expected', ''))


@functools.cache
def _keys() -> Mapping[str, _Key]:
    of_sections = {key: _Key(setting.default, setting.meaning, setting.kind) for key, setting in settings.settings().items()}
    comments = _comments(GateParams)
    of_gates = {
        f'{_GATE}.{name}': _Key(key.default, comments.get(name, ''), key.kind) for name, key in keys_of(GateParams).items()
    }
    return {**of_sections, **of_gates}


def _owner(key: str) -> str:
    """The section that declares a key, or that of gates."""
    return next((section.name for section in settings.sections() if key in section.settings), _GATE)


def _listed(title: str, keys: Iterable[str]) -> str:
    about = [section.meaning for section in settings.sections() if title == f'keys of {section.name}']
    rows = (_key(name, key.default, key.meaning, key.expected) for name in keys for key in [_keys()[name]])
    return '\n'.join([f'{title}: {about[0]}' if about else title, *rows])


def _of_key(name: str) -> str:
    key = _keys()[name]
    kind = key.kind if isinstance(key.kind, Kind) else None
    remedy = settings.settings()[name].remedy if name in settings.settings() else ''
    lines = [f'key {name}', _key(name, key.default, key.meaning, key.expected)]
    lines += [f'      {text}' for text in (_example(name, kind, key.default), remedy) if text]
    return '\n'.join(lines)


def _comments(thing: type) -> Mapping[str, str]:
    """The comment beside each field of a dataclass and of those that it extends."""
    comments: dict[str, str] = {}
    for part in reversed(thing.__mro__):
        if '__annotations__' not in vars(part) or part.__module__ == 'builtins':
            continue
        source = textwrap.dedent(inspect.getsource(part))
        beside = {
            token.start[0]: token.string.lstrip('# ')
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type == tokenize.COMMENT
        }
        for field in ast.parse(source).body[0].body:  # type: ignore[attr-defined]
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                lines = range(field.lineno, (field.end_lineno or field.lineno) + 1)
                comments[field.target.id] = ' '.join(beside[line] for line in lines if line in beside)
    return comments


# ---- shelves: by title, a page


def _of_action(action: Action) -> str:
    blocks = [f'action {action.name}: {action.line}.', _prose(sys.modules[action.run.__module__].__doc__ or '')]
    config = Config.default()
    needs = {key: settings.remedy(key) for key in action.needs(config)}
    facts = [f'needs {", ".join(key for key in needs if needs[key] == way)}: {way}' for way in dict.fromkeys(needs.values())]
    facts += ['needs a model with gates: those of models/gate'] if action.gated(config) else []
    facts += ['starts from system.checkpoint.load'] if action.loads else []
    facts += [f'follows the keys of train: {program()} help train'] if action.trains(config) else []
    if facts:
        blocks.append('\n'.join(_wrapped(fact, '  ') for fact in facts))
    blocks += [_listed(f'keys of {section.name}', section.settings) for section in action.settings]
    return '\n\n'.join(blocks)


def _of_layer(name: str) -> str:
    kind = layer_types[name]
    comments, keys = _comments(kind), keys_of(kind)
    more = {getattr(key.kind, 'more', ''): name for name, key in keys.items()}
    lines = [f'layer {name}', _prose(kind.__doc__ or '')]
    for key in known_keys(kind):
        if key not in keys:
            lines.append(_key(key, None, f'further arguments of {more[key]}', 'a mapping'))
        elif isinstance(keys[key].kind, type):
            lines.append(_key(key, {}, f'a mapping; its keys: {program()} help {_GATE}', ''))
        else:
            lines.append(_key(key, keys[key].default, comments.get(key, ''), _expected(keys[key].kind)))
    needed = {key: 'relu' if key == 'mode' else 2 for key in keys if keys[key].default is REQUIRED}
    lines.append(f'example: NAME: {shown({"type": name, **needed})}')
    return '\n'.join(lines)


def _expected(kind: Any) -> str:
    package = getattr(kind, 'package', '')
    return f'a name of {package.removesuffix(".")}, {{type: name, ...}}, or null' if package else getattr(kind, 'expected', '')


def _of_gate(name: str) -> str:
    kind = type(policies[name])
    about = sys.modules[kind.__module__].__doc__ or ''
    tail = f'example: {_GATE}.policy={name}\nkeys: {program()} help {_GATE}'
    return '\n'.join((f'gate {name}: {(kind.__doc__ or "").strip()}', _prose(about), tail))


def _of_step(name: str) -> str:
    step: Step = steps[name]
    lines = [f'step {name}', _prose(step.function.__doc__ or '')]
    lines += [_key(key, step.defaults.get(key, REQUIRED), '', kind.expected) for key, kind in step.kinds.items()]
    lines.append(f"example: 'dataset.task.preprocess.train+=[{{type: {name}}}]'")
    return '\n'.join(lines)


def _of_schedule(name: str) -> str:
    function = schedules[name]
    about = inspect.cleandoc(function.__doc__ or '').partition('>>>')[0].strip()
    parameters = inspect.signature(function).parameters.values()
    keys = [parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    lines = [f'schedule {name}', _prose(about)]
    lines += [_key(key.name, REQUIRED if key.default is key.empty else key.default, '', '') for key in keys]
    lines.append(f'example: train.learning_rate.type={name}')
    return '\n'.join(lines)


def _of_trainer(path: pathlib.Path) -> str:
    """The comment that the file opens with."""
    lines: list[str] = []
    for line in path.read_text(encoding='utf-8').splitlines():
        if not line.startswith('#'):
            break
        lines.append(line.removeprefix('#').removeprefix(' '))
    return '\n'.join((f'trainer {files.shown(path)}', *lines))


def _gates() -> dict[str, str]:
    discover()
    return {name: _of_gate(name) for name in policies}


def _trainers() -> dict[str, str]:
    paths = sorted((files.SHIPPED / 'trainers').glob('*.yaml'))
    return {name: _of_trainer(path) for path in paths for name in [path.stem]}


_SHELVES: Mapping[str, Callable[[], Mapping[str, str]]] = {
    'actions': functools.cache(lambda: {name: _of_action(actions[name]) for name in actions}),
    'keys': functools.cache(lambda: {name: _of_key(name) for name in _keys()}),
    'layers': functools.cache(lambda: {name: _of_layer(name) for name in layer_types}),
    'gates': functools.cache(_gates),
    'steps': functools.cache(lambda: {name: _of_step(name) for name in steps}),
    'schedules': functools.cache(lambda: {name: _of_schedule(name) for name in schedules}),
    'trainers': functools.cache(_trainers),
}
