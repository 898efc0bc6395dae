"""`version`: which Mayo this is; `version --full`, what runs it, for reports of bugs.

./my version --full
"""

from typing import Any

from mayo.actions.base import Run, action
from mayo.util.kinds import FLAG
from mayo.util.schema import listed, named, record, text, whole
from mayo.util.settings import Section, Setting

VERSION = Section(
    'version', 'what `version` tells', Setting('full', FLAG, False, 'true: everything that a report of a bug needs; or --full')
)
_PACKAGES = named('of packages', text('its version; null: not installed', null=True))
RESULT = record(
    'which Mayo this is and, with version.full, what runs it',
    optional=('git', 'python', 'packages', 'extras', 'engine', 'system', 'processor', 'processors', 'flags'),
    mayo=text('its version'),
    git=text('the commit of the checkout, -dirty if files differ from it; null: no checkout', null=True),
    python=text('its version'),
    packages=_PACKAGES,
    extras=named('of packages that single actions need', _PACKAGES),
    engine=text('file of the native engine; null: not compiled', null=True),
    system=text('the operating system'),
    processor=text('its name'),
    processors=whole('that this process may use'),
    flags=listed('instruction sets that matter to engines', text('a name as Linux has it')),
)


@action(
    'version',
    place=300,
    needs=(),
    reads=(),
    loads=False,
    makes=(),
    settings=(VERSION,),
    any_configuration=True,
    unasked='nothing',
    result=RESULT,
)
def act(run: Run) -> None:
    """Version; with --full, of all that runs it, for bug reports."""
    from mayo import __version__

    if not run.config.get('version.full'):
        run.answer({'mayo': __version__}, f'mayo {__version__}')
        return
    from mayo.util.versions import versions

    facts = versions()
    run.answer(facts, '\n'.join(_lines(facts)))


def _lines(facts: dict[str, Any]) -> list[str]:
    """A line each, those of packages below each other."""
    packages = facts['packages'] | {
        f'{package} ({extra})': version for extra, own in facts['extras'].items() for package, version in own.items()
    }
    head = {**facts, 'flags': ' '.join(facts['flags']) or None}
    rows = {key: value for key, value in head.items() if not isinstance(value, dict)} | packages
    width = max(map(len, rows)) + 2
    return [f'{name:<{width}}{"-" if value is None else value}' for name, value in rows.items()]
