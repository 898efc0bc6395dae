"""Files of the original Mayo: how they are recognised, and what their keys are today.

    dataset.preprocess.shape      ->  dataset.task.preprocess.shape, wherever it is set and wherever $(...) names it
    system.batch_size_per_gpu     ->  system.batch_size
    system.pdb                    ->  does nothing, told once by a warning

What is spelled as today but meant something else is marked as of the original beside it, MARKS: its layers by
`model.original`, its steps of preprocessing by `dataset.task.preprocess.original`.

docs/mayo.md is the page about it. Names of objects, such as tensorflow.nn.relu, are in old_names.py.
"""

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from mayo.config.load import Twice
from mayo.config.merge import merge, nest
from mayo.config.node import Append, List, Map, Node, Origin, Path, Reference, Remove, Scalar, Template, join_key, split_key
from mayo.util.errors import UserError

# The old key and today's. The value stays, but for the number of classes, which is `_shifted`.
RENAMED: Mapping[str, str] = {
    'dataset.preprocess': 'dataset.task.preprocess',
    'dataset.num_classes': 'dataset.task.num_classes',
    'dataset.background_class': 'dataset.task.background_class',
    'system.batch_size_per_gpu': 'system.batch_size',
    'train.moving_average_decay': 'train.average',
    'dataset.task.preprocess.final_cpu': 'dataset.task.preprocess.final.cpu',
    'dataset.task.preprocess.final_gpu': 'dataset.task.preprocess.final.gpu',
    'dataset.path.labels': 'dataset.labels',
    'system.max_epochs': 'train.max_epochs',
    'system.checkpoint.save.interval': 'system.checkpoint.every_epochs',
}
# What is marked as of the original or not by whoever sets it last: the key that is set, and the mark.
MARKS: Mapping[str, str] = {
    'model.graph': 'model.original',
    'dataset.task.preprocess.shape': 'dataset.task.preprocess.original.shape',
    'dataset.task.preprocess.train': 'dataset.task.preprocess.original.train',
    'dataset.task.preprocess.validate': 'dataset.task.preprocess.original.validate',
    'dataset.task.preprocess.final': 'dataset.task.preprocess.original.final',
}
# What a trainer of the original counts on where nothing has set it: the original's own defaults.
TRAINER: Mapping[str, int] = {'train.max_epochs': 900, 'system.batch_size': 256}
ENDLESS = 1_000_000  # epochs, for `system.max_epochs: null`
# Keys that only references read: they are known, and mean nothing by themselves.
REFERRED = (
    'model.version',
    *(
        f'dataset.task.{key}'
        for key in (
            *('anchors', 'scales', 'num_cells', 'train_iou_threshold'),
            *('score_threshold', 'nms_iou_threshold', 'nms_max_boxes'),
        )
    ),
)
DETECT = 'detect'  # what mayo.task.image.YOLOv2 is called: `info` alone knows it

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
    'system.gpu_memory_bound': 'TensorFlow takes what it needs',
    'system.visible_gpus': 'system.distribute says what runs',
    'system.search_paths': 'paths are found from the current folder, then from that of Mayo',
    'system.checkpoint.save.countdown': 'an interrupted training saves at once',
    'train.pruner': 'nothing ever read it',
    'retrain': 'nothing ever read it',
    'visualize': 'nothing ever read it',
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
_IGNORED_PATTERNS = [(key.count('.'), re.compile(fnmatch.translate(key)), why) for key, why in IGNORED.items() if '*' in key]
ORIGINAL = 'defaults of the original Mayo'
_DEFAULTS = 'defaults'
SAVED = 'system.checkpoint.save'
LOADED = 'system.checkpoint.load'
_OF_LAYER = re.compile(r'(\w+_)?overrider')
_PREPROCESS = ('dataset', 'task', 'preprocess')
_TYPE = ('dataset', 'task', 'type')
_OLD_TYPES = {'mayo.task.image.Classify': 'classify', 'mayo.task.image.YOLOv2': DETECT}
_OLD_NAME = re.compile(r'(tensorflow|tf)\.(?!keras\.)|mayo\.(task|objects)\.')
_NEW_NAME = re.compile(r'((tensorflow|tf)\.)?keras\.')


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


def overruled(twice: Twice) -> Ignored:
    """What to tell about the first of two keys of the same name."""
    return Ignored(f'{twice.key} (here again in line {twice.again.line})', str(twice.first), 'the last one counts')


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
    return next((why for dots, pattern, why in _IGNORED_PATTERNS if dots == level and pattern.match(key)), None)


def current_path(path: Path) -> Path | None:
    """Today's path of what a reference names by an old one; None if it is no old one."""
    current = path
    for old, new in RENAMED.items():
        before = split_key(old)
        if current[: len(before)] == before:
            current = (*split_key(new), *current[len(before) :])
    if current[:2] == _PREPROCESS[:2] and len(current) > 2 and current[2].startswith('_'):
        current = (*_PREPROCESS, *current[2:])  # as a model of the original names scratch of its preprocessing
    return None if current == path else current


def old_keys_in(path: Path) -> list[str]:
    """The last parts of the old keys that belong in the mapping at `path`."""
    return [split_key(old)[-1] for old in RENAMED if split_key(old)[:-1] == path]


def stand_in(path: Path) -> Scalar | None:
    """What an old key counts as where nothing sets it, and a reference names it."""
    key = join_key(path)
    return Scalar(Origin(_DEFAULTS), STANDS_FOR[key]) if key in STANDS_FOR else None


def is_of_original(tree: Node) -> bool:
    """Whether a file was written for the original: it has a key of RENAMED, or names an object of TensorFlow 1.

    A list `preprocess.final`, or the name of an object of Keras, makes it one of today.
    """
    if not isinstance(tree, Map) or isinstance(_at(tree, (*_PREPROCESS, 'final')), List):
        return False
    names = list(_texts(_without_names_of_data(tree)))
    if any(map(_NEW_NAME.match, names)):
        return False
    return any(_at(tree, split_key(old)) is not None for old in RENAMED) or any(map(_OLD_NAME.match, names))


# What files beside the configurations hold, by the keys of which they have no other, and what they are.
NO_CONFIGURATION: Mapping[tuple[str, ...], str] = {
    (
        'permute',
        'rename',
        'encoding',
    ): 'rules by which the original Mayo converted weights; here import.mapping holds such rules',
    ('layers', 'trainables', 'nontrainables', 'overriders', 'accuracies'): 'what `info` of the original Mayo wrote',
}


def refuse_what_is_none(tree: Map, name: str) -> None:
    """UserError for a file of the original's that is no configuration."""
    for keys, what in NO_CONFIGURATION.items():
        if tree.items and tree.items.keys() <= set(keys):
            raise UserError(f'{name} is no configuration, but {what}.')


def translated(tree: Map, of_original: bool, before: Node) -> tuple[Map, list[Ignored]]:
    """The tree of a file or a word with today's keys, and what of it was left out.

    of_original: whether the file, or one that it imports, was written for the original. before: what it is merged over.
    """
    left: list[Ignored] = []
    for key in ('dataset.num_classes', *(['dataset.task.num_classes'] if _names_old_task(tree) else [])):
        tree = _changed(tree, split_key(key), _shifted)
    tree = _changed(tree, _TYPE, _task)
    tree = _changed(tree, ('system', 'max_epochs'), _epochs)
    tree = _changed(tree, split_key(f'{SAVED}.interval'), lambda node: _interval(node, left))
    for old, new in RENAMED.items():
        tree = _moved(tree, split_key(old), split_key(new))
    tree = _changed(tree, (*_PREPROCESS, 'final'), _whole)
    tree = _changed(tree, ('system', 'search_path', 'checkpoint'), lambda node: _search_path(node, left))
    tree = _changed(tree, split_key(LOADED), _loaded)
    tree = _changed(tree, split_key(SAVED), lambda node: _saved(node, left))
    if of_original:
        for section in ('model', 'dataset'):
            tree = _changed(tree, (section, 'description'), _in_a_line)
        tree = _changed(tree, ('model', 'layers'), _with_classes)
        tree = _with_defaults_of_a_trainer(tree, before)
    return _marked(tree, of_original, before), left


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
    return isinstance(node, Scalar) and node.value in _OLD_TYPES


def _task(node: Node) -> Node:
    return Scalar(node.origin, _OLD_TYPES[str(node.value)]) if isinstance(node, Scalar) and _is_old_type(node) else node


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


def _in_a_line(node: Node) -> Node:
    """A text with a colon, which YAML reads as a mapping, as the text that was meant."""
    if not isinstance(node, Map) or not all(isinstance(child, Scalar) for child in node.items.values()):
        return node
    lines = (f'{key}: {child.value}' for key, child in node.items.items() if isinstance(child, Scalar))
    return Scalar(node.origin, ', '.join(lines))


def _with_classes(node: Node) -> Node:
    """Layers in which `num_outputs: num_classes`, as older files have it, is a reference."""
    if not isinstance(node, Map):
        return node
    items = {
        key: Template(child.origin, (Reference(('dataset.task.num_classes',)),))
        if key == 'num_outputs' and isinstance(child, Scalar) and child.value == 'num_classes'
        else _with_classes(child)
        for key, child in node.items.items()
    }
    return Map(node.origin, items, node.dotted)


def _epochs(node: Node) -> Node:
    """No end is a number that no training reaches."""
    return Scalar(node.origin, ENDLESS) if isinstance(node, Scalar) and node.value is None else node


def _interval(node: Node, left: list[Ignored]) -> Node | None:
    if isinstance(node, Scalar) and node.value in (0, False, None):
        left.append(Ignored(f'{SAVED}.interval: 0', str(node.origin), 'training saves'))
        return None
    return node


def _with_defaults_of_a_trainer(tree: Map, before: Node) -> Map:
    if not any(_at(tree, ('train', key)) is not None for key in ('learning_rate', 'optimizer')):
        return tree
    for key, value in TRAINER.items():
        path = split_key(key)
        so_far = _at(before, path)
        is_set = so_far is not None and so_far.origin.name != _DEFAULTS
        if _at(tree, path) is None and not is_set:
            tree = _placed(tree, path, Scalar(Origin(ORIGINAL), value))
    return tree


def _marked(tree: Map, of_original: bool, before: Node) -> Map:
    """The tree with the marks of what it sets, where they differ from what is so far, and it does not set them itself."""
    for key, mark in MARKS.items():
        node, path = _at(tree, split_key(key)), split_key(mark)
        if node is None or not _sets(node) or _at(tree, path) is not None:
            continue
        if key.endswith('.shape') and not of_original and _at(tree, ('model', 'graph')) is None:
            continue  # another size for the model that is there
        so_far = _at(before, path)
        if of_original != (isinstance(so_far, Scalar) and so_far.value is True):
            tree = _placed(tree, path, Scalar(node.origin, of_original))
    return tree


def _search_path(node: Node, left: list[Ignored]) -> Node | None:
    if isinstance(node, Map):
        return node
    left.append(Ignored('system.search_path.checkpoint', str(node.origin), 'system.checkpoint.path says where they are'))
    return None


def _whole(node: Node) -> Node:
    """{cpu: , gpu: } as a mapping, that takes the place of a list."""
    is_pair = isinstance(node, Map) and node.dotted and node.items.keys() <= {'cpu', 'gpu'}
    return Map(node.origin, node.items) if is_pair and isinstance(node, Map) else node


def _sets(node: Node) -> bool:
    """Whether it is another value, and not a change inside the one that is there."""
    if isinstance(node, Append | Remove):
        return False
    return not (isinstance(node, Map) and node.dotted) or bool({'cpu', 'gpu'} & node.items.keys())


def _loaded(node: Node) -> Node:
    """true is the latest checkpoint, false and an empty text none, a number that epoch."""
    if isinstance(node, Scalar) and node.value == '':
        return Scalar(node.origin, None)
    if not isinstance(node, Scalar) or isinstance(node.value, str | float | None):
        return node
    if isinstance(node.value, bool):
        return Scalar(node.origin, 'latest' if node.value else None)
    return Scalar(node.origin, f'epoch-{node.value}')


def _saved(node: Node, left: list[Ignored]) -> Node | None:
    """true and `latest` are the names that training gives anyway; of a path the last part is the name.

    A mapping said how often, and how long to wait for a second thought.
    """
    if isinstance(node, Map) and node.items.keys() <= {'countdown'}:
        for key, child in node.items.items():
            left.append(Ignored(f'{SAVED}.{key}', str(child.origin), IGNORED[f'{SAVED}.{key}']))
        return None
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
