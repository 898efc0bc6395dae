"""A network in int8: ranges measured on images, what that costs in accuracy, and which layers lose most. docs/precision.md"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from mayo.net.tf.compact import Program, lower, unsupported
from mayo.net.tf.compact.calibrate import ranges_of
from mayo.net.tf.compact.narrow import multiplying, narrowed
from mayo.session import data
from mayo.session.base import Session
from mayo.session.evaluate import Evaluation, evaluate
from mayo.session.execution import compact_runner
from mayo.util.errors import UserError
from mayo.util.format import table

_log = logging.getLogger(__name__)
JUDGES = 32  # images on which layers are compared


@dataclass(frozen=True)
class Quantized:
    """before, after: on the validation images, in float32 and int8.

    losses: by layer, how far the outputs move if that layer alone is in int8, relative to their size (Euclidean norms).
    wide: the layers that stay in float32.
    """

    before: Evaluation
    after: Evaluation
    losses: dict[str, float]
    wide: tuple[str, ...]

    def render(self) -> str:
        """What `quantize` prints."""
        lost = self.before.top1 - self.after.top1
        lines = [
            f'float32 top-1 {self.before.top1:.2%}, int8 top-1 {self.after.top1:.2%}, a loss of {lost:.2%}'.replace('%', ' %'),
            table(
                ['layer', 'outputs moved by', 'precision'],
                [
                    [layer, f'{loss:.2%}'.replace('%', ' %'), 'float32' if layer in self.wide else 'int8']
                    for layer, loss in sorted(self.losses.items(), key=lambda item: -item[1])
                ],
            ),
        ]
        return '\n'.join(lines)


def quantize(session: Session, images: int, mode: str, method: str, max_drop: float | None) -> Quantized:
    """Measure ranges and give them to the session, whose compact network is in int8 from then on.

    images: on how many, of `mode`, train or validate. max_drop: of top-1, above which the layers that lose most stay in float32,
    one after the other.

    Errors: UserError where the network cannot be compact, its weights or what they make of images are not finite, or the images
    are none, or all of one colour.
    """
    session.load()
    session.quantized = {}
    if reasons := unsupported(session.graph):
        raise UserError('\n'.join(['`quantize` makes a compact network, but', *reasons]))
    broken = [name for name, variable in session.named().items() if not np.isfinite(variable.numpy()).all()]
    if broken:
        raise UserError(f'`quantize` cannot: of {session.weights}, {", ".join(broken)} are not finite numbers.')
    batches = list(_images(session, images, mode))
    program = lower(session.network, session.input_shape)
    try:
        ranges = ranges_of(program, lambda watched: compact_runner(session, watched), batches, method)
    except ValueError as error:
        raise UserError(f'`quantize`: {error}') from None
    for layer, span in ranges.items():
        if span == (0, 0):
            _log.warning('%s reads nothing but zeros on these images: its range is empty, and any other number is lost', layer)
    losses = _losses(session, batches[0][:JUDGES], ranges)
    before = evaluate(session, quiet=True)
    session.quantized = dict(ranges)
    after = evaluate(session, quiet=True)
    wide: list[str] = []
    for layer in sorted(losses, key=lambda layer: -losses[layer]):
        if max_drop is None or before.top1 - after.top1 <= max_drop:
            break
        wide.append(layer)
        del session.quantized[layer]
        after = evaluate(session, quiet=True)
        _log.info('%s stays in float32: top-1 %.2f %%', layer, 100 * after.top1)
    return Quantized(before, after, losses, tuple(wide))


def _images(session: Session, count: int, mode: str) -> Iterator[np.ndarray]:
    """Batches of `count` images in all, fewer where there are not so many."""
    source = data.data_of(session.config, mode)
    left, coloured = count, False
    with source.reading():
        for batch, _ in data.epoch_of(session.config, mode, data=source, batch_size=min(count, JUDGES)):
            images = batch.numpy()[:left]
            coloured = coloured or bool((np.ptp(images, axis=(1, 2)) > 0).any())
            left -= len(images)
            yield images
            if not left:
                break
    if left == count:
        raise UserError(f'`quantize`: there is no image of `{mode}` to measure ranges with.')
    if not coloured:
        raise UserError(
            f'`quantize`: each of the {count - left} images of `{mode}` is of one colour, which says nothing of others.'
        )
    if left:
        _log.warning('quantize.images is %d, but there are only %d of `%s`', count, count - left, mode)


def _losses(session: Session, images: np.ndarray, ranges: dict[str, tuple[float, float]]) -> dict[str, float]:
    """See Quantized.losses."""
    program = lower(session.network, session.input_shape)
    names = [operation.output for operation in multiplying(program)]
    expected = _outputs(session, program, images)
    size = float(np.linalg.norm(expected)) or 1.0

    def loss(layer: str) -> float:
        others = {name: 'float32' for name in names if name != layer}
        moved = _outputs(session, narrowed(program, 'int8', ranges, others), images) - expected
        return float(np.linalg.norm(moved)) / size

    return {layer: loss(layer) for layer in names}


def _outputs(session: Session, program: Program, images: np.ndarray) -> np.ndarray:
    """Side by side."""
    outputs, _ = compact_runner(session, program)(tf.constant(images))
    parts = outputs if isinstance(outputs, list) else [outputs]
    return np.concatenate([np.asarray(part).reshape(len(images), -1) for part in parts], 1)
