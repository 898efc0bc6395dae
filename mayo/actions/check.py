"""`check`: whether each action could run, and what would stop those whose settings are complete."""

import typing
from collections.abc import Collection, Iterator

from mayo.actions.base import Product, Run, action, actions
from mayo.util.kinds import PATHS
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


def check(config: 'Config', products: Collection[Product]) -> Iterator[str]:
    """What would stop the other actions whose settings are complete."""
    from mayo.actions.checks import lacks, stops

    for other in map(actions.__getitem__, actions):
        if other.unasked == 'ready' and other.name != 'check' and not lacks(config, other):
            yield from stops(config, other, products)


@action('check', place=30, needs=(), reads=(), loads=False, makes=(), check=check, settings=(CHECK,))
def act(run: Run) -> None:
    """Validate everything that an action would need, run nothing."""
    originals = run.config.get('check.original')
    if originals is not None:
        from mayo.actions.originals import report

        return report([originals] if isinstance(originals, str) else originals)
    for name, missing in readiness(run.config).items():
        print(f'{name:<18}{"needs " + ", ".join(missing) if missing else "ready"}')


def readiness(config: 'Config') -> dict[str, list[str]]:
    """For each action that needs settings, those that nothing has set."""
    from mayo.actions.checks import lacks

    return {
        other.name: lacks(config, other)
        for other in map(actions.__getitem__, actions)
        if other.needs(config) and other.unasked != 'nothing'
    }
