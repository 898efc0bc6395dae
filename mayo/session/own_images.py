"""Folders of images in place of records: what a configuration with dataset.path=DIR leaves to be found there. No TensorFlow.

dataset.path=DIR                    becomes {train: DIR/train, validate: DIR/validation}, or DIR for both
dataset.path.SPLIT=DIR              gives dataset.num_examples_per_epoch.SPLIT and, where nothing says them,
                                    dataset.task.num_classes and dataset.prepare.classes; and models whose
                                    preprocessing is for images that fit get a step that makes them fit
"""

import pathlib
from typing import Any

from mayo.config import Config
from mayo.data.augment import takes_any_size
from mayo.data.class_name import CLASSES, ClassName, is_text, lines_of
from mayo.data.tree import Tree, folder_of, held_out, labelled, splits_of, tree_of, without
from mayo.util.errors import UserError
from mayo.util.files import find, shown
from mayo.util.kinds import whole

MODES = ('train', 'validate')


def completed(config: Config) -> Config:
    """`config` with what its folders of images say; itself if it names none.

    UserError: a folder is not there or holds no image, or classes differ from what the configuration says.
    """
    try:
        path = config.get('dataset.path', None)
    except UserError:
        return config  # a reference to nothing, which whoever reads it tells
    if isinstance(path, str):
        folder = folder_of(path)
        if folder is None:
            what = (
                'is no folder; files of records are dataset.path.train and dataset.path.validate'
                if find(path)
                else ('does not exist')
            )
            raise UserError(f'{config.origin("dataset.path")}: dataset.path: {path} {what}.')
        if not is_text(str(folder.resolve())):
            raise UserError(f'{config.origin("dataset.path")}: dataset.path: {path!r} is no UTF-8 text; rename the folder.')
        splits = splits_of(folder)
        if not config.get('dataset.holdout') and splits.get('train') == splits.get('validate'):
            del splits['validate']
        path = {mode: str(splits[mode]) if mode in splits else None for mode in MODES}
        name = config.get('dataset.name') or folder.resolve().name
        config = _merged(config, folder, {'path': path, 'name': name})
    if not isinstance(path, dict) or not any(folder_of(path.get(mode)) for mode in MODES):
        return config
    return _counted(config)


def _counted(config: Config) -> Config:
    trees = {mode: tree for mode in MODES if (tree := images_of(config, mode)) is not None}
    first = next(iter(trees.values()))
    outputs, background = config.get('dataset.task.num_classes'), int(config.get('dataset.task.background_class.use'))
    classes = [name.key for name in known_classes(config) or ()] or list(first.images)
    for tree in trees.values():
        labelled(tree, classes)
    if outputs not in (None, len(classes) + background):
        raise UserError(
            f'{shown(first.folder)} holds {len(classes)} classes, but dataset.task.num_classes is {outputs} '
            f'({config.origin("dataset.task.num_classes")}).'
        )
    values: dict[str, Any] = {
        'num_examples_per_epoch': {mode: sum(map(len, tree.images.values())) for mode, tree in trees.items()},
        'task': {'num_classes': len(classes) + background, 'preprocess': _fitting(config)},
    }
    if config.get('dataset.prepare.classes') is None:
        values['prepare'] = {'classes': classes}
    return _merged(config, first.folder, values)


def _fitting(config: Config) -> dict[str, list[Any]]:
    """Steps that first make images of any size fit, for a model whose own steps are for images that do."""
    fitting = {}
    preprocess: Any = config.get('dataset.task.preprocess', None)
    shape = preprocess.get('shape') if isinstance(preprocess, dict) else None
    sides: list[Any] = [shape.get('height'), shape.get('width')] if isinstance(shape, dict) else [None]
    is_original = isinstance(preprocess, dict) and preprocess['original']['shape']  # whose last step makes images fit
    for mode in MODES if all(map(whole(1).fits, sides)) and not is_original else ():
        steps = preprocess.get(mode)
        if isinstance(steps, list) and all(isinstance(step, dict) for step in steps) and not takes_any_size(steps):
            fitting[mode] = [
                {'type': 'resize', 'shorter_side': max(map(whole(1).read, sides)), 'antialias': True},
                {'type': 'crop_or_pad'},
                *steps,
            ]
    return fitting


def _merged(config: Config, folder: pathlib.Path, values: dict[str, Any]) -> Config:
    config = config.copy()
    config.merge_values({'dataset': values}, f'images in {shown(folder)}')
    return config


def images_of(config: Config, mode: str) -> Tree | None:
    """The images that `mode` reads from a folder; None if it reads records."""
    folders = {name: folder_of(config.get(f'dataset.path.{name}', None)) for name in MODES}
    folder = folders[mode]
    if folder is None:
        return None
    tree = tree_of(folder)
    if folders['train'] != folders['validate']:
        return tree
    out = held_out(tree, config.get('dataset.holdout'))
    if not any(out.images.values()):
        raise UserError(
            f'{shown(folder)} holds too few images to hold {config.get("dataset.holdout"):g} of each class out '
            'for validation (dataset.holdout).'
        )
    rest = without(tree, out)
    gone = [name for name, images in rest.images.items() if not images]
    if gone:
        raise UserError(
            f'{shown(folder)}: to hold {config.get("dataset.holdout"):g} of each class out for validation (dataset.holdout) leaves no '
            f'image to train on of {", ".join(gone[:5])}{f" and {len(gone) - 5} more classes" if len(gone) > 5 else ""}.'
        )
    return out if mode == 'validate' else rest


def known_classes(config: Config) -> list[ClassName] | None:
    """What dataset.prepare.classes says: a list of names, or a file with a class a line, its folder and then its name."""
    key = 'dataset.prepare.classes'
    if config.get(key) is None:
        return None
    classes = CLASSES.checked(config.get(key), f'{config.origin(key)}: {key}')
    if isinstance(classes, list):
        return [ClassName(name, name) for name in classes]
    path = find(classes)
    if path is None:
        raise UserError(f'{config.origin(key)}: {key}: {classes} does not exist.')
    lines = [line.split(maxsplit=1) for line in lines_of(path) if line.strip()]
    return [ClassName(words[0], words[-1].strip()) for words in lines]
