"""Which steps an image goes through, of what `dataset.task.preprocess` says: today's, the original Mayo's, or both in turn.

    train or validate, then final               a list of steps, one step, nothing, or the name of a key beside that has them
    final: {cpu: [...], gpu: [...]}             as the original had it

Steps that are marked as the original's, preprocess.original, take pixels in 0..1 and are written out as steps of today:

    {type: distort_color}           {type: distort_color, most: 1.0, brightness: 0.12549}
    {type: normalize_channels}      means and stds of dataset.task.moment
    {type: resize, fill: true}      half_pixel: false
    after final.cpu                 {type: ensure_shape}

Where a list of one kind follows one of the other, a step between them scales the pixels.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mayo.config import Config
from mayo.data.augment import METHODS_1, check_steps
from mayo.util.errors import Problems
from mayo.util.kinds import shown

_log = logging.getLogger(__name__)
PREPROCESS = 'dataset.task.preprocess'
WHITE = 255.0  # a decoded pixel at most; 1.0 in the original
_RENAMED = {'distort_bbox': {'area': 'area_range', 'aspect_ratio': 'aspect_ratio_range'}}
_SIZED = ('random_crop', 'crop_or_pad', 'resize')
_BRIGHTNESS = 32 / 255
_GREY = 0.5  # the mean of a channel where dataset.task.moment says none

Step = Mapping[str, Any]


def steps_of(config: Config, mode: str) -> tuple[Step, ...]:
    """What an image of `mode`, 'train' or 'validate', goes through. Errors: UserError with everything that is wrong."""
    problems = Problems(step_problems(config, mode))
    problems.raise_any()
    marks = config.get(f'{PREPROCESS}.original')
    is_original = _is_of_original(config, mode)
    steps: list[Step] = []
    white = WHITE
    for key, mark in ((mode, marks[mode]), *((key, marks['final']) for key in _final_keys(config))):
        own = _listed(config, key)
        if key == 'final.gpu' and own and is_original:
            steps.append({'type': 'ensure_shape'})
        if own:
            steps += _scaled(white, 1.0 if mark else WHITE)
            white = 1.0 if mark else WHITE
            steps += [_today(config, step) for step in own] if mark else own
    if not any(_listed(config, key) for key in _final_keys(config)):
        steps += _scaled(white, 1.0 if marks['shape'] else WHITE)
    if is_original and {'type': 'ensure_shape'} not in steps:
        steps.append({'type': 'ensure_shape'})
    return tuple(steps)


def step_problems(config: Config, mode: str) -> list[str]:
    """Everything wrong with the steps of a mode, a line each."""
    marks = config.get(f'{PREPROCESS}.original')
    lines: list[str] = []
    for key in (mode, *_final_keys(config)):
        name = f'{PREPROCESS}.{key}'
        steps, where = _listed(config, key), f'{config.origin(name)}: {name}'
        is_original = marks[key.partition('.')[0]]
        if is_original and isinstance(steps, list):
            steps = [_today(config, step, quiet=True) if isinstance(step, Mapping) else step for step in steps]
        lines += check_steps(steps, where)
    return lines


def decoded_channels(config: Config, channels: int) -> int:
    """With how many channels images are decoded, for a network that reads `channels`: as a dataset of the original says."""
    shape = config.get('dataset.task.shape') or {}
    given = shape.get('channels')
    return given if given in (1, 3) and any(_is_of_original(config, mode) for mode in ('train', 'validate')) else channels


def _is_of_original(config: Config, mode: str) -> bool:
    """Whether the model, or any step of a mode, is of the original: then the last one is `ensure_shape`."""
    marks = config.get(f'{PREPROCESS}.original')
    keys = ((mode, marks[mode]), *((key, marks['final']) for key in _final_keys(config)))
    return marks['shape'] or any(mark and _listed(config, key) for key, mark in keys)


def _final_keys(config: Config) -> tuple[str, ...]:
    """The keys below `preprocess` whose steps follow those of either mode."""
    final = config.get(f'{PREPROCESS}.final')
    is_pair = isinstance(final, Mapping) and bool(final) and final.keys() <= {'cpu', 'gpu'}
    return tuple(f'final.{device}' for device in ('cpu', 'gpu') if device in final) if is_pair else ('final',)


def _listed(config: Config, key: str) -> Any:
    """The value of a key as a list of steps; whatever is none, for a check to tell about it."""
    value = config.get(f'{PREPROCESS}.{key}')
    if isinstance(value, str) and value.startswith('_'):
        value = config.get(f'{PREPROCESS}.{value}', value)
    if value is None:
        return []
    return [value] if isinstance(value, Mapping) else value


def _scaled(white: float, wanted: float) -> Iterator[Step]:
    """A step that takes pixels of 0..white to 0..wanted, unless they are."""
    if white != wanted:
        yield {'type': 'linear_map', 'scale': wanted / white}


def _today(config: Config, step: Step, quiet: bool = False) -> Step:
    """A step of the original as one of today. quiet: nothing is told of what it lacks."""
    kind = step.get('type')
    names = _RENAMED.get(str(kind), {})
    step = {names.get(key, key): value for key, value in step.items()}
    if kind in _SIZED and (step.get('height') is None) != (step.get('width') is None):
        step = {key: value for key, value in step.items() if key not in ('height', 'width')}
    if kind in ('resize', 'distort_bbox') and step.get('method', 'bilinear') in METHODS_1:
        return {'half_pixel': False, **step}
    if kind == 'distort_color':
        return {'brightness': _BRIGHTNESS, 'most': 1.0, **step}
    if kind == 'subtract_channel_means':
        return {'means': _means(config, step, quiet), **step}
    if kind == 'normalize_channels':
        return {'means': _means(config, step, quiet), 'stds': config.get('dataset.task.moment.std') or [1.0], **step}
    return step


def _means(config: Config, step: Step, quiet: bool) -> Iterable[float]:
    means: list[float] | None = config.get('dataset.task.moment.mean')
    if means is None and 'means' not in step and not quiet:
        _log.warning('dataset.task.moment.mean is not set: the step %s takes %s of each channel', shown(step), _GREY)
    return [_GREY] if means is None else means
