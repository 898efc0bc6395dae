"""The words of a command line: which is a file, an override or an action, and whether the whole line holds.

models/cifarnet.yaml  system.seed=1  info  system.seed=2  train
file                  override       |     override       |
                                     Step('info', configuration so far)
                                                          Step('train', configuration so far)
"""

import contextlib
import pathlib
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from mayo.cli.habits import meant
from mayo.config import Config
from mayo.config.node import Scalar
from mayo.util import files
from mayo.util.errors import Problems, UserError, did_you_mean, nearest

_SUFFIXES = ('.yaml', '.yml')

# (configuration so far, action, the actions before it on the line) -> what is wrong, a line each
Check = Callable[[Config, str, Collection[str]], Iterable[str]]


class Step(NamedTuple):
    """An action and the configuration that the words before it make."""

    action: str
    config: Config


class Plan(NamedTuple):
    """The checked line: its steps, and the words after the last action, which change nothing."""

    steps: tuple[Step, ...]
    trailing: tuple[str, ...]


def kind(word: str) -> str:
    """'file', 'override' or 'action'; with `=` it is an override, unless a `/` before that says path.

    >>> [kind(word) for word in ('models/lenet5.yaml', 'a.b=c.yaml', 'a+=[1]', '~a.b', 'eval')]
    ['file', 'override', 'override', 'override', 'action']
    """
    key, equals, _ = word.partition('=')
    if equals and '/' not in key and not word.startswith('-'):
        return 'override'
    if word.lower().endswith(_SUFFIXES):
        return 'file'
    return 'override' if word.startswith('~') else 'action'


def yaml_files() -> list[str]:
    """Every YAML file that a user could have meant, as they would type it."""
    folders = ('', 'models', 'models/gate', 'models/override', 'datasets', 'trainers')
    paths = (
        path
        for base in (pathlib.Path.cwd(), files.SHIPPED)
        for folder in folders
        for path in sorted((base / folder).glob('*.y*ml'))
        if path.suffix in _SUFFIXES
    )
    return list(dict.fromkeys(files.shown(path) for path in paths))


def plan(
    words: Sequence[str], actions: Collection[str], check: Check, complete: Callable[[Config], Config] = lambda config: config
) -> Plan:
    """Read the whole line before anything runs; one `UserError` tells every problem of it.

    complete: adds to the configuration of an action what is found elsewhere than in words and files.
    After a word that is wrong but near a known one, reading goes on as if that one had been meant: so a
    misspelt dataset is one problem, and not also a dozen settings that are missing without it.
    """
    config = Config.default()
    whole: Config | None = None  # `config`, completed
    steps: list[Step] = []
    trailing: list[str] = []
    problems = Problems()
    for word, problem in meant(words, actions, lambda word: kind(word) == 'action' and word not in actions, yaml_files):
        if problem:
            problems.append(problem)
        if word is None:
            continue
        if kind(word) == 'action':
            action = _action(word, actions, problems)
            if action:
                with problems.collecting():
                    whole = whole or complete(config)
                    problems += check(whole, action, {step.action for step in steps})
                    steps.append(Step(action, whole))
            trailing = []
        else:
            before, config, whole = config, config.copy(), None
            _merge(word, config, problems)
            if kind(word) == 'file':
                problems += _overwritten(trailing, before, config, word)
            trailing.append(word)
    if not steps and not problems:
        problems.append(
            'these words name no action, so there is nothing to do; end with one, e.g. `info`, '
            '`eval` or `train` (`--help` lists them).'
        )
    problems.raise_any()
    return Plan(tuple(steps), tuple(trailing))


def _action(word: str, actions: Collection[str], problems: Problems) -> str | None:
    if word in actions:
        return word
    known = [*actions, '--help', '--version', *yaml_files()]
    hint = did_you_mean(word, known) or f'. Known: {", ".join(actions)}.'
    problems.append(f'command line: unknown action `{word}`{hint}')
    return nearest(word, actions)


def _overwritten(words: Collection[str], before: Config, after: Config, file: str) -> Iterable[str]:
    """A line for each of the words since the last action whose value a file that was named after it replaces."""
    still = {standing.path for standing in after.word_values()}
    for lost in before.word_values():
        now = after.node(lost.path)
        same = isinstance(now, Scalar) and isinstance(lost.node, Scalar) and now.value == lost.node.value
        if lost.origin.word in words and lost.path not in still and not same:
            yield (
                f'{lost.origin}: {lost.origin.word} has no effect: {file}, named after it, sets {lost.key} '
                f'({after.origin(lost.key)}); put the word behind the file.'
            )


def _merge(word: str, config: Config, problems: Problems) -> None:
    with problems.collecting():
        if kind(word) == 'override':
            config.merge_word(word)
        else:
            config.merge_file(word)
        return
    guess = nearest(word, yaml_files()) if kind(word) == 'file' and files.find(word) is None else None
    if guess:
        with contextlib.suppress(UserError):
            config.merge_file(guess)
