"""Keys of the original Mayo: what they are called today, what stands in for those that references name, what does nothing.

    dataset.preprocess.shape      ->  dataset.task.preprocess.shape, wherever it is set and wherever $(...) names it
    system.batch_size_per_gpu     ->  system.batch_size
    system.pdb                    ->  does nothing, told once by a warning

docs/mayo.md is the page about it. Names of objects, such as tensorflow.nn.relu, are in old_names.py.
"""

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from mayo.config.merge import merge, nest
from mayo.config.node import List, Map, Node, Origin, Path, Reference, Scalar, Template, join_key, split_key
from mayo.util.errors import UserError

# The old key and today's. The value stays, but for the number of classes, which is `_shifted`.
RENAMED: Mapping[str, str] = {
    'dataset.preprocess': 'dataset.task.preprocess',
    'dataset.num_classes': 'dataset.task.num_classes',
    'dataset.background_class': 'dataset.task.background_class',
    'system.batch_size_per_gpu': 'system.batch_size',
    'train.moving_average_decay': 'train.average',
}
FINAL = ('final_cpu', 'final_gpu')  # steps after either, of dataset.task.preprocess: `final` holds both in this order

# What $(...) finds where nothing sets the key.
STANDS_FOR: Mapping[str, int] = {
    'system.num_gpus': 1,
    'system.max_gpus': 1,
    'dataset.task.background_class.use': 0,
    'dataset.task.background_class.has': 0,
}

# Keys that do nothing here (* is any text without a dot), and why. A mapping under one of them does nothing either.
IGNORED: Mapping[str, str] = {
    'system.pdb': 'a defect shows its traceback',
    'system.use_pdb': 'a defect shows its traceback',
    'system.num_gpus': 'system.distribute says what runs',
    'system.max_gpus': 'system.distribute says what runs',
    'system.max_num_gpus': 'system.distribute says what runs',
    'system.gpu_mem_fraction': 'TensorFlow takes what it needs',
    'system.memory_fraction': 'TensorFlow takes what it needs',
    'system.gpu_memory_fraction': 'TensorFlow takes what it needs',
    'system.allow_growth': 'TensorFlow takes what it needs',
    'system.search_path.*': 'paths are found from the current folder, then from that of Mayo',
    'system.search_paths': 'paths are found from the current folder, then from that of Mayo',
    'system.visualize_graph': '`info` shows the network',
    'system.summary': '`plot` draws training and gates',
    'system.preprocess': 'system.threads.data says how many threads decode',
    'system.max_num_threads': 'system.threads says how many threads run',
    'system.profile': 'no profile is written',
    'system.log.*': 'the log goes to standard error, a line a message',
    'train.*overrider*': 'overriders belong to layers',
    'system.*overrider*': 'overriders belong to layers',
    'overrider*': 'overriders belong to layers',
}
SAVED = 'system.checkpoint.save'
LOADED = 'system.checkpoint.load'
_OF_LAYER = re.compile(r'(\w+_)?overrider')
_PREPROCESS = ('dataset', 'task', 'preprocess')
_TYPE = ('dataset', 'task', 'type')
_OLD_TYPE = 'mayo.task.image.Classify'
_OLD_NAME = re.compile(r'(tensorflow|tf)\.(?!keras\.)|mayo\.(task|override)\.')
_RESIZING = ('resize', 'distort_bbox')
_METHODS = ('area', 'bicubic', 'bilinear', 'nearest')  # that TensorFlow 1 resized by


class Ignored(NamedTuple):
    """A key that does nothing, who set it, and why it does nothing."""

    key: str
    origin: str
    why: str


def warning(ignored: Iterable[Ignored]) -> str:
    """What to tell the user about them, all at once: a line for each file, or for the words."""
    by_file: dict[str, dict[str, None]] = {}
    for key in ignored:
        by_file.setdefault(key.origin.rpartition(':')[0] or key.origin, {})[key.key] = None
    lines = [f'    {file}: {", ".join(keys)}' for file, keys in by_file.items()]
    return '\n'.join(['these keys of the original Mayo do nothing here; docs/mayo.md says why:', *lines])


def is_layer_key(key: str) -> bool:
    """Whether a key of a layer says what overrides it: mayo/override/parse.py.

    >>> is_layer_key('weights_overrider'), is_layer_key('overrider'), is_layer_key('weights_override')
    (True, True, False)
    """
    return _OF_LAYER.fullmatch(key) is not None


def why_ignored(key: str, is_near: bool = False) -> str | None:
    """Why a key of the original does nothing; None for any other key.

    is_near: it looks like one of today's, so that a pattern leaves it to be told as a mistake of typing.
    """
    if key in IGNORED:
        return IGNORED[key]
    if is_near:
        return None
    level = key.count('.')
    return next(
        (why for pattern, why in IGNORED.items() if pattern.count('.') == level and fnmatch.fnmatchcase(key, pattern)), None
    )


def current_path(path: Path) -> Path | None:
    """Today's path of what a reference names by an old one; None if it is no old one."""
    for old, new in RENAMED.items():
        before = split_key(old)
        if path[: len(before)] == before:
            return (*split_key(new), *path[len(before) :])
    return None


def old_keys_in(path: Path) -> list[str]:
    """The last parts of the old keys that belong in the mapping at `path`."""
    return [split_key(old)[-1] for old in RENAMED if split_key(old)[:-1] == path]


def stand_in(path: Path) -> Scalar | None:
    """What an old key counts as where nothing sets it, and a reference names it."""
    key = join_key(path)
    return Scalar(Origin('defaults'), STANDS_FOR[key]) if key in STANDS_FOR else None


def translated(tree: Map) -> tuple[Map, list[Ignored]]:
    """The tree of a file or a word with today's keys, and what of it was left out."""
    is_old = _is_old(tree)
    for key in ('dataset.num_classes', *(['dataset.task.num_classes'] if _names_old_task(tree) else [])):
        tree = _changed(tree, split_key(key), _shifted)
    tree = _changed(tree, _TYPE, lambda node: Scalar(node.origin, 'classify') if _is_old_type(node) else node)
    for old, new in RENAMED.items():
        tree = _moved(tree, split_key(old), split_key(new))
    tree = _changed(tree, _PREPROCESS, lambda node: _preprocessing(node, is_old))
    tree = _changed(tree, split_key(LOADED), _loaded)
    left: list[Ignored] = []
    return _changed(tree, split_key(SAVED), lambda node: _saved(node, left)), left


# ---- moving and changing values in a tree


def _at(tree: Node, path: Path) -> Node | None:
    for part in path:
        child = tree.items.get(part) if isinstance(tree, Map) else None
        if child is None:
            return None
        tree = child
    return tree


def _changed(tree: Map, path: Path, change: Callable[[Node], Node | None]) -> Map:
    """`tree` with `change` made to what is at `path`, if that is there; a change to None takes it away."""
    child = tree.items.get(path[0])
    if child is None or (path[1:] and not isinstance(child, Map)):
        return tree
    new = _changed(child, path[1:], change) if path[1:] and isinstance(child, Map) else change(child)
    if new is child:
        return tree
    items = {key: new if key == path[0] else value for key, value in tree.items.items()}
    return Map(tree.origin, {key: value for key, value in items.items() if value is not None}, tree.dotted)


def _moved(tree: Map, old: Path, new: Path) -> Map:
    node = _at(tree, old)
    return tree if node is None else _placed(_changed(tree, old, lambda node: None), new, node)


def _placed(tree: Map, path: Path, node: Node) -> Map:
    """`tree` with `node` at `path`, merged over what is there; what removes or appends stays as it is."""
    first, rest = path[0], path[1:]
    child = tree.items.get(first)
    if isinstance(child, Map) and rest:
        placed: Node = _placed(child, rest, node)
    else:
        placed = nest(rest, node) if child is None or rest else merge(child, node, path)
    return Map(tree.origin, {**tree.items, first: placed}, tree.dotted)


# ---- values that are written otherwise today


def _shifted(node: Node) -> Node:
    """The number of classes of the records, as the number of the model's: a background class is used or not, there or not."""
    if isinstance(node, Scalar) and type(node.value) is int:
        parts: tuple[str | Reference, ...] = (str(node.value),)
    elif isinstance(node, Template):
        parts = ('(', *node.parts, ')')
    else:
        return node
    use, has = (Reference((f'dataset.task.background_class.{key}',)) for key in ('use', 'has'))
    return Template(node.origin, (*parts, ' + ', use, ' - ', has), arith=True)


def _names_old_task(tree: Map) -> bool:
    return _is_old_type(_at(tree, _TYPE))


def _is_old_type(node: Node | None) -> bool:
    return isinstance(node, Scalar) and node.value == _OLD_TYPE


def _is_old(tree: Map) -> bool:
    """Whether a file was written for the original: it has a key of RENAMED, or names an object of TensorFlow 1."""
    return any(_at(tree, split_key(old)) is not None for old in RENAMED) or any(
        _OLD_NAME.match(text) for text in _texts(_without_names_of_data(tree))
    )


def _without_names_of_data(tree: Map) -> Map:
    """The tree without what `dataset` says beside its task: a class of images may be called `tf.x`."""
    dataset = tree.items.get('dataset')
    if not isinstance(dataset, Map):
        return tree
    task = {key: child for key, child in dataset.items.items() if key == 'task'}
    return Map(tree.origin, {**tree.items, 'dataset': Map(dataset.origin, task)})


def _texts(node: Node) -> Iterator[str]:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        yield node.value
    for child in node.children():
        yield from _texts(child)


def _preprocessing(node: Node, is_old: bool) -> Node:
    """`final_cpu` and `final_gpu` are `final`; in an old file resizing samples as TensorFlow 1 did."""
    if not isinstance(node, Map):
        return node
    finals = [node.items[key] for key in FINAL if key in node.items]
    items = {key: value for key, value in node.items.items() if key not in FINAL}
    if finals:
        items['final'] = _joined(finals)
    if is_old:
        items = {key: _resizing(value) for key, value in items.items()}
    return Map(node.origin, items, node.dotted)


def _joined(finals: list[Node]) -> Node:
    lists = [value for value in finals if isinstance(value, List)]
    others = [value for value in finals if not isinstance(value, List) and not _is_null(value)]
    steps = tuple(step for value in lists for step in value.items)
    if not others:
        return List(finals[0].origin, steps)
    if len(others) > 1 or steps:
        raise UserError(f'{others[0].origin}: {" and ".join(FINAL)} become one list, `final`; write both as lists.')
    return others[0]


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _resizing(steps: Node) -> Node:
    if not isinstance(steps, List):
        return steps
    return List(steps.origin, tuple(_resizing_step(step) for step in steps.items))


def _resizing_step(step: Node) -> Node:
    kind = step.items.get('type') if isinstance(step, Map) else None
    if not isinstance(step, Map) or not isinstance(kind, Scalar) or kind.value not in _RESIZING:
        return step
    method = step.items.get('method')
    if isinstance(method, Scalar) and method.value not in _METHODS:
        return step
    return Map(step.origin, {**step.items, 'half_pixel': step.items.get('half_pixel', Scalar(step.origin, False))})


def _loaded(node: Node) -> Node:
    """true is the latest checkpoint, false none, a number that epoch."""
    if not isinstance(node, Scalar) or isinstance(node.value, str | float | None):
        return node
    if isinstance(node.value, bool):
        return Scalar(node.origin, 'latest' if node.value else None)
    return Scalar(node.origin, f'epoch-{node.value}')


def _saved(node: Node, left: list[Ignored]) -> Node:
    """true and `latest` are the names that training gives anyway; of a path the last part is the name."""
    value = node.value if isinstance(node, Scalar) else None
    if value is True or value == 'latest':
        return Scalar(node.origin, None)
    if value is False:
        left.append(Ignored(f'{SAVED}: false', str(node.origin), 'training saves'))
        return Scalar(node.origin, None)
    if isinstance(value, str) and value.rstrip('/').count('/'):
        folder, _, name = value.rstrip('/').rpartition('/')
        left.append(Ignored(f'{SAVED}: the folder {folder}', str(node.origin), 'checkpoints lie in system.checkpoint.path'))
        return Scalar(node.origin, name)
    return node
