"""`ls`: what there is to name on a command line, a line each, with what it is for and how large it is."""

import pathlib
import re
from collections.abc import Iterator

from mayo.actions.base import Run, action, width
from mayo.util import files
from mayo.util.errors import MayoError
from mayo.util.format import short, size

_SHELVES = ('models', 'models/gate', 'models/override', 'datasets', 'trainers')
_COMMENT = re.compile(r'#\s?(.*)')
_SENTENCE_END = re.compile(r'[.;](\s|$)')


@action('ls', place=10, needs=(), reads=(), loads=False, makes=(), any_configuration=True)
def act(run: Run) -> None:
    """List models, gates, datasets, trainers and checkpoints."""
    print(listing(run.config.get('system.checkpoint.path'), width()))


def listing(checkpoints: str, width: int | None) -> str:
    """Models, gates, datasets, trainers and checkpoints as a user would name them, under their shelves.

    checkpoints: the folder of MODEL/DATASET/NAME; width: of the screen in columns, None for any.
    """
    from mayo.checkpoint import store

    sections = [(shelf, [_described(path) for path in _yaml(shelf)]) for shelf in _SHELVES]
    sections.append((checkpoints, [(path, _bundle_size(path), '') for path in store.all_names(checkpoints)]))
    lines = []
    for shelf, rows in sections:
        lines += ['', shelf] if rows else []
        longest = max((len(files.shown(path)) for path, _, _ in rows), default=0)
        for path, amount, purpose in rows:
            line = f'  {files.shown(path):<{longest}}  {amount:>10}  {purpose}'.rstrip()
            lines.append(_fitted(line, width))
    return '\n'.join(lines[1:])


def _described(path: pathlib.Path) -> tuple[pathlib.Path, str, str]:
    return path, _macs(path) if path.parent.name in ('models', 'gate') else '', _purpose(path)


def _fitted(line: str, width: int | None) -> str:
    return line if width is None or len(line) <= width else f'{line[: width - 3].rstrip()}...'


def _yaml(shelf: str) -> Iterator[pathlib.Path]:
    """The YAML files of a shelf here and among the shipped ones; here comes first."""
    seen = set()
    for base in dict.fromkeys((pathlib.Path.cwd(), files.SHIPPED)):
        for path in sorted((base / shelf).glob('*.y*ml')):
            if path.name not in seen:
                seen.add(path.name)
                yield path


def _header(path: pathlib.Path) -> list[str]:
    """The comment that the file opens with."""
    lines = []
    for line in path.read_text(encoding='utf-8', errors='replace').splitlines():
        match = _COMMENT.match(line)
        if not match:
            break
        lines.append(match[1])
    return lines


def _purpose(path: pathlib.Path) -> str:
    """The first sentence of the opening comment."""
    text = ' '.join(line for line in _header(path) if not line.startswith(' '))
    return _SENTENCE_END.split(text, maxsplit=1)[0]


def _macs(path: pathlib.Path) -> str:
    """Dense MACs of a model with the files of the example command in its header; '' without one."""
    examples = ([word for word in line.split() if word.endswith('.yaml')] for line in _header(path))
    names = next((names for names in examples if any(name.endswith(path.name) for name in names)), [])
    from mayo.actions.info import info
    from mayo.config import Config

    config = Config.default()
    try:
        for name in names:
            config.merge_file(files.find(name) or name)
        return f'{short(info(config).total["dense"])} MACs'
    except MayoError:
        return ''


def _bundle_size(path: pathlib.Path) -> str:
    parts = path.parent.glob(f'{path.name}.data-*')
    return size(sum(part.stat().st_size for part in parts))
