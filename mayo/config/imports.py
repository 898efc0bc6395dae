"""YAML files and the files that they import, as documents in the order in which they merge."""

import os
import pathlib
from dataclasses import dataclass

from mayo.config.dialect import is_of_original, refuse_what_is_none
from mayo.config.load import Twice, load
from mayo.config.node import MAX_NODES, List, Map, Node, Scalar
from mayo.util import files
from mayo.util.errors import UserError, nearest

_IMPORT = '_import'
_MAX_BYTES = 4_000_000  # of one file
_MAX_FILES = 500  # imported by one, those that come again each time


@dataclass(frozen=True)
class Document:
    """What one file says. name: of the file; of_original: it, or a file that it imports, was written for the original Mayo.

    twice: keys that are there twice, which are errors but in files of the original.
    """

    tree: Map
    name: str
    of_original: bool
    twice: tuple[Twice, ...] = ()


def documents_of_file(path: str | os.PathLike[str]) -> list[Document]:
    """Those of what a file imports, in order, and then its own. UserError: missing, unreadable, wrong."""
    file = files.find(path)
    if file is None:
        raise UserError(f'{path} does not exist{_hint(str(path), _known_files(path))}')
    return _imported(file, ())


def documents_of_text(text: str, name: str) -> list[Document]:
    """The same for text, whose imports are found from the current folder."""
    return _with_imports(text, pathlib.Path.cwd(), (), name)


def _imported(path: pathlib.Path, chain: tuple[pathlib.Path, ...]) -> list[Document]:
    name, path = _name(path), path.resolve()
    if path in chain:
        names = ' -> '.join(map(_name, (*chain[chain.index(path) :], path)))
        raise UserError(f'{name} imports itself: {names}.')
    return _with_imports(_text(path, name), path.parent, (*chain, path), name)


def _name(path: pathlib.Path) -> str:
    return files.shown(os.path.normpath(path.absolute()))


def _text(path: pathlib.Path, name: str) -> str:
    """What a file holds, if it is one of a size that a configuration may have: a device, or a pipe, never ends."""
    try:
        if path.is_dir():
            raise UserError(f'{name} cannot be read: Is a directory.')
        if not path.is_file():
            raise UserError(f'{name} cannot be read: it is a device or a pipe, not a file.')
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise UserError(f'{name} is {size} bytes; a configuration is at most {_MAX_BYTES}.')
        with open(
            os.open(path, os.O_RDONLY | os.O_NONBLOCK), 'rb'
        ) as file:  # files of /proc claim no size, and may wait or not end
            content = file.read(_MAX_BYTES + 1)
        if content is None or len(content) > _MAX_BYTES:
            raise UserError(f'{name} cannot be read: it waits or does not end, as no file does.')
        return files.text_of(content, name)
    except OSError as error:
        raise UserError(f'{name} cannot be read: {error.strerror}.') from None


def _with_imports(text: str, folder: pathlib.Path, chain: tuple[pathlib.Path, ...], name: str) -> list[Document]:
    """chain: the files that led here, each importing the next."""
    twice: list[Twice] = []
    tree = load(text, name, twice=twice)
    if isinstance(tree, Scalar) and tree.value is None:
        return []
    if not isinstance(tree, Map):
        raise UserError(f'{tree.origin}: {name} holds no mapping; a configuration is `key: value` lines.')
    if chain:  # text of no file is whatever its author says
        refuse_what_is_none(tree, name)
    items = dict(tree.items)
    wanted = items.pop(_IMPORT, None)
    documents: list[Document] = []
    of_original = is_of_original(tree)
    for item in wanted.items if isinstance(wanted, List) else [wanted] if wanted else []:
        documents += _imported(_import_path(item, folder, chain), chain)
        if len(documents) > _MAX_FILES or sum(document.tree.size for document in documents) > MAX_NODES:
            raise UserError(
                f'{item.origin}: {name} imports more than {_MAX_FILES} files or {MAX_NODES} values, those that come again each time.'
            )
        of_original |= documents[-1].of_original
    _refuse_inner_imports(items)
    if twice and not of_original:
        raise UserError('\n'.join(map(str, twice)))
    return [*documents, Document(Map(tree.origin, items), name, of_original, tuple(twice))]


def _import_path(item: Node, folder: pathlib.Path, chain: tuple[pathlib.Path, ...]) -> pathlib.Path:
    """From the importing file's folder, or else as a word of the command line would be found."""
    if not (isinstance(item, Scalar) and isinstance(item.value, str)):
        raise UserError(f'{item.origin}: _import takes the path of a file or a list of them.')
    path = folder / os.path.expanduser(item.value)
    file = path if path.exists() else files.find(item.value)
    if file is None:
        through = f' (through {" -> ".join(map(_name, chain))})' if len(chain) > 1 else ''
        hint = _hint(item.value, _siblings(path, item.value))
        raise UserError(f'{item.origin}: _import: {_name(path)} does not exist{through}{hint}')
    return file


def _refuse_inner_imports(items: dict[str, Node]) -> None:
    for child in items.values():
        if isinstance(child, Map):
            if _IMPORT in child.items:
                raise UserError(f'{child.items[_IMPORT].origin}: _import stands at the top of a file only.')
            _refuse_inner_imports(child.items)


def _hint(written: str, known: list[str]) -> str:
    """The end of a message: the known file that `written` looks like, extensions aside."""
    names = {os.path.splitext(path)[0]: path for path in reversed(known)}
    match = nearest(os.path.splitext(written)[0], names)
    return f'; did you mean {names[match]}?' if match else '.'


def _known_files(path: str | os.PathLike[str]) -> list[str]:
    """YAML files that a user could have meant by `path`."""
    shipped = [
        str(file.relative_to(files.SHIPPED))
        for shelf in ('models', 'datasets', 'trainers')
        for file in sorted((files.SHIPPED / shelf).rglob('*.yaml'))
    ]
    return _siblings(pathlib.Path(path), str(path)) + shipped


def _siblings(path: pathlib.Path, written: str) -> list[str]:
    """The YAML files in the folder of `path`, spelled like `written`."""
    return [os.path.join(os.path.dirname(written), file.name) for file in sorted(path.parent.glob('*.y*ml'))]
