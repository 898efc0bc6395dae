"""What each setting may hold: one row for every key of `system.yaml` that holds a single value.

A setting whose default is null may be null, which means "not set". Needs no TensorFlow.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mayo.config import Config
from mayo.data.prepare import readers
from mayo.util.errors import Problems
from mayo.util.format import amount, share


class Kind(NamedTuple):
    """What to tell the user that is expected, and the test of a value."""

    expected: str
    fits: Callable[[Any], bool]


def is_number(value: object) -> bool:
    """Whether `value` is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def whole(least: int) -> Kind:
    """A whole number from `least` up."""
    return Kind(f'a whole number from {least} up', lambda v: type(v) is int and v >= least)


def choice(*names: str) -> Kind:
    """One of `names`."""
    return Kind(f'one of {", ".join(names)}', lambda v: isinstance(v, str) and v in names)


def _is_pattern(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(re.compile(value))
    except re.error:
        return False


def _is_size(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(side) is int and side >= 1 for side in value)


def _is_share(value: object) -> bool:
    try:
        return (is_number(value) or isinstance(value, str)) and 0 <= share(str(value)) < 1
    except ValueError:
        return False


def _is_amount(value: object) -> bool:
    try:
        return (is_number(value) or isinstance(value, str)) and amount(str(value)) >= 1
    except (ValueError, OverflowError):
        return False


def _are_paths(value: object) -> bool:
    paths = value if isinstance(value, list) else [value]
    return bool(paths) and all(isinstance(path, str) and path for path in paths)


def _are_checkpoints(value: object) -> bool:
    if isinstance(value, dict) and not all(map(ABOVE_ZERO.fits, value.values())):
        return False
    return isinstance(value, list | dict) and len(value) > 1 and all(isinstance(name, str) and name for name in value)


def each(kind: Kind) -> Kind:
    """A list of one or more values of a kind."""
    return Kind(f'a list, each of it {kind.expected}', lambda v: isinstance(v, list) and bool(v) and all(map(kind.fits, v)))


def or_null(kind: Kind) -> Kind:
    """What may be null although its default is not."""
    return Kind(f'{kind.expected}, or null', lambda v: v is None or kind.fits(v))


FLAG = Kind('true or false', lambda v: isinstance(v, bool))
TEXT = Kind('text', lambda v: isinstance(v, str))
NAME = Kind('a name: some text without /', lambda v: isinstance(v, str) and v != '' and '/' not in v)
AMOUNT = Kind('a number from 0 up', lambda v: is_number(v) and v >= 0)
ABOVE_ZERO = Kind('a number above 0', lambda v: is_number(v) and v > 0)
BELOW_ONE = Kind('a number in [0, 1)', lambda v: is_number(v) and 0 <= v < 1)
LENGTHS = Kind('a number above 0, or a list of them', lambda v: ABOVE_ZERO.fits(v) or each(ABOVE_ZERO).fits(v))
CHANNELS = Kind(
    'whole numbers from 1 up by layer, such as {conv0: 32, conv1: 48}',
    lambda v: isinstance(v, dict) and bool(v) and all(type(count) is int and count >= 1 for count in v.values()),
)
CHECKPOINTS = Kind('two names or more, [one, other], or a share above 0 for each, {one: 1, other: 3}', _are_checkpoints)
NAMES = Kind('a name, or a list of them', lambda v: TEXT.fits(v) or each(TEXT).fits(v))
FRACTION = Kind('a number in (0, 1]', lambda v: is_number(v) and 0 < v <= 1)
PICTURE = Kind('a path that ends in .png, .svg or .pdf', lambda v: isinstance(v, str) and v.endswith(('.png', '.svg', '.pdf')))
PATHS = Kind('a path, a glob or a URL, or a list of them', _are_paths)
YAML_FILE = Kind('a path that ends in .yaml', lambda v: isinstance(v, str) and v.endswith('.yaml') and not v.endswith('/.yaml'))
SHARE = Kind('a share in [0, 1), such as 0.005 or 0.5%', _is_share)
AMOUNT_OF_MACS = Kind('a number from 1 up, such as 30000000 or 30M', _is_amount)
SIZE = Kind('[height, width], each a whole number from 1 up', _is_size)
PATTERN = Kind('a regular expression', _is_pattern)

SETTINGS: Mapping[str, Kind] = {
    'model.name': NAME,
    'model.description': TEXT,
    'model.bn': FLAG,
    'dataset.name': NAME,
    'dataset.description': TEXT,
    'dataset.task.type': choice('classify', 'mayo.task.image.Classify'),
    'dataset.task.num_classes': whole(1),
    'dataset.task.background_class.has': FLAG,
    'dataset.task.background_class.use': FLAG,
    'dataset.path.train': PATHS,
    'dataset.path.validate': PATHS,
    'dataset.num_examples_per_epoch.train': whole(1),
    'dataset.num_examples_per_epoch.validate': whole(1),
    'dataset.holdout': BELOW_ONE,
    'dataset.labels': TEXT,
    'dataset.prepare.type': choice(*readers),
    'dataset.prepare.source': TEXT,
    'dataset.prepare.instead': TEXT,
    'dataset.prepare.shards.train': whole(1),
    'dataset.prepare.shards.validate': whole(1),
    'train.max_epochs': ABOVE_ZERO,
    'train.weight_decay': AMOUNT,
    'train.label_smoothing': BELOW_ONE,
    'train.clip_norm': ABOVE_ZERO,
    'train.gate_learning_rate': AMOUNT,
    'train.average': BELOW_ONE,
    'train.scale_l1': AMOUNT,
    'train.trainable': PATTERN,
    'train.validate': FLAG,
    'train.distill.checkpoint': NAMES,
    'train.distill.mirror': FLAG,
    'train.distill.weight': FRACTION,
    'train.distill.temperature': ABOVE_ZERO,
    'train.anneal.from': FRACTION,
    'train.anneal.to': FRACTION,
    'train.anneal.step': FRACTION,
    'train.anneal.densities': each(FRACTION),
    'train.anneal.epochs': LENGTHS,
    'train.anneal.final_epochs': ABOVE_ZERO,
    'train.anneal.gate_epochs': AMOUNT,
    'train.anneal.fit_images': whole(0),
    'anneal.until_top1': FRACTION,
    'anneal.restart': FLAG,
    'eval.batch_size': whole(1),
    'eval.path': TEXT,
    'predict.files': PATHS,
    'predict.top': whole(1),
    'predict.format': choice('table', 'json', 'csv'),
    'predict.path': TEXT,
    'info.format': choice('table', 'json', 'yaml', 'csv'),
    'info.path': TEXT,
    'bench.batch_sizes': each(whole(1)),
    'bench.densities': each(FRACTION),
    'bench.networks': each(choice('dense', 'masked', 'compact', 'static')),
    'bench.engines': each(choice('native', 'onnxruntime', 'openvino', 'tensorflow', 'xla')),
    'bench.artifact': PATHS,
    'bench.rounds': whole(1),
    'bench.images': whole(1),
    'bench.format': choice('table', 'json'),
    'bench.path': TEXT,
    'bench.plot': PICTURE,
    'slim.density': FRACTION,
    'slim.target_macs': AMOUNT_OF_MACS,
    'slim.channels': CHANNELS,
    'slim.min_channels': whole(1),
    'slim.round_to': whole(1),
    'slim.fold': FLAG,
    'slim.model': YAML_FILE,
    'export.formats': each(choice('onnx', 'saved_model', 'tflite')),
    'export.path': TEXT,
    'export.preprocess': FLAG,
    'export.image_size': SIZE,
    'export.images': whole(16),
    'plot.pictures': each(choice('channels', 'saliency', 'macs', 'tradeoff', 'training')),
    'plot.examples': FLAG,
    'plot.checkpoints': each(TEXT),
    'plot.images': whole(1),
    'plot.path': TEXT,
    'import.path': TEXT,
    'import.mapping': TEXT,
    'mean.checkpoints': CHECKPOINTS,
    'search.target_macs': AMOUNT_OF_MACS,
    'search.max_drop': SHARE,
    'search.images': or_null(whole(1)),
    'search.densities': each(FRACTION),
    'search.trials': whole(1),
    'search.storage': TEXT,
    'search.path': YAML_FILE,
    'config.origin': FLAG,
    'system.seed': whole(0),
    'system.execution': choice('auto', 'compact', 'masked'),
    'system.engine': choice('auto', 'native', 'tensorflow'),
    'system.precision': choice('float32', 'mixed_bfloat16', 'mixed_float16'),
    'system.batch_size': whole(1),
    'system.threads.data': whole(1),
    'system.threads.intra': whole(1),
    'system.threads.inter': whole(1),
    'system.distribute': choice('auto', 'one', 'mirrored', 'multi_worker'),
    'system.checkpoint.load': TEXT,
    'system.checkpoint.save': NAME,
    'system.checkpoint.path': TEXT,
    'system.checkpoint.strict': FLAG,
    'system.checkpoint.warm_start': FLAG,
    'system.checkpoint.every_epochs': ABOVE_ZERO,
    'system.checkpoint.every_minutes': ABOVE_ZERO,
    'system.checkpoint.keep': whole(1),
    'system.shuffle_buffer': whole(0),
    'system.log.every_seconds': ABOVE_ZERO,
}


def problems(config: Config) -> list[str]:
    """Every setting that holds what it may not, a line each: who set it, and what was expected."""
    defaults = Config.default()
    found = Problems()
    for key, kind in SETTINGS.items():
        with found.collecting():
            value = config.get(key, None)
            if not kind.fits(value) and not (value is None and defaults.get(key) is None):
                found.append(f'{config.origin(key)}: {key} is {value!r}, expected {kind.expected}.')
    return found
