"""`check`: whether each action could run, and what would stop those whose settings are complete."""

import typing
from collections.abc import Collection, Iterator

from mayo.actions.base import Product, Run, action, actions
from mayo.util.kinds import PATHS
from mayo.util.schema import flag, listed, named, record, text
from mayo.util.settings import Section, Setting

if typing.TYPE_CHECKING:
    from mayo.config import Config

CHECK = Section(
    'check',
    'what is checked instead of the line itself',
    Setting(
        'original',
        PATHS,
        None,
        'YAML files of the original Mayo, or folders or globs of them: each is tried as `info` would, with those beside it '
        'that it goes with',
    ),
)

RESULT = record(
    'whether each action could run or, with check.original, whether each file loads',
    optional=('actions', 'files'),
    actions=named(
        'by name', record('of one', ready=flag('whether it could run'), needs=listed('that nothing sets', text('a key')))
    ),
    files=named('by path', listed('why it does not load; empty: it does', text('a sentence'))),
)


def check(config: 'Config', products: Collection[Product]) -> Iterator[str]:
    """What would stop the other actions whose settings are complete."""
    from mayo.actions.checks import lacks, stops

    for other in map(actions.__getitem__, actions):
        if other.unasked == 'ready' and other.name != 'check' and not lacks(config, other):
            yield from stops(config, other, products)


@action('check', place=30, needs=(), reads=(), loads=False, makes=(), check=check, settings=(CHECK,), result=RESULT)
def act(run: Run) -> None:
    """Validate everything that an action would need, run nothing."""
    originals = run.config.get('check.original')
    if originals is not None:
        from mayo.actions.originals import report

        return report(run, [originals] if isinstance(originals, str) else originals)
    missing = readiness(run.config)
    lines = (f'{name:<18}{"needs " + ", ".join(keys) if keys else "ready"}' for name, keys in missing.items())
    run.answer({'actions': {name: {'ready': not keys, 'needs': keys} for name, keys in missing.items()}}, '\n'.join(lines))


def readiness(config: 'Config') -> dict[str, list[str]]:
    """For each action that needs settings, those that nothing has set."""
    from mayo.actions.checks import lacks

    return {
        other.name: lacks(config, other)
        for other in map(actions.__getitem__, actions)
        if other.needs(config) and other.unasked != 'nothing'
    }
