"""An artifact against masked execution, on images that choose different channels: a file may have kept the first one's weights.

Of several times as many random images those are taken whose winners are clear and whose masks differ. Where two saliencies
beside the cut differ by no more than rounding does, two correct programs may pick different channels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mayo.export.artifact import Classify, Subject
from mayo.util.errors import RunError
from mayo.util.trial_images import as_bytes, choices, random_images

CANDIDATES = 4  # times as many images as are taken
CLEAR = 1e-4  # more than rounding, see margin()
TOLERANCE = 1e-3  # of the largest output: rounding in deep networks; a wrong file differs by far more
ANY_SIZE = (320, 256)  # of images where an artifact takes any


class Gated(NamedTuple):
    """What a gate chose: saliency [N, C], mask [N, C]."""

    saliency: np.ndarray
    mask: np.ndarray


Reference = Callable[[np.ndarray], tuple[np.ndarray, Sequence[Gated]]]  # masked execution of images as artifacts take them


@dataclass(frozen=True)
class Inputs:
    """What artifacts are compared on. expected: [N, C] of masked execution; masks: how many differ; gated: whether any may."""

    images: np.ndarray
    expected: np.ndarray
    masks: int
    gated: bool


def inputs(subject: Subject, reference: Reference, count: int, seed: int = 0) -> Inputs:
    """`count` images with clear winners and, as far as there are any, different ones."""
    images = trial_images(subject, count * CANDIDATES, seed)
    outputs, gates = reference(images)
    if not np.isfinite(outputs).all():
        raise RunError(
            'masked execution gives outputs that are not finite for random images, so nothing can be compared with '
            'it; is the network trained?'
        )
    gates = [gate for gate in gates if not gate.mask.all()]
    chosen = _clear_and_different(gates, count) if gates else list(range(count))
    masks = len(set(choices([gate.mask[chosen] for gate in gates]))) if gates else 1
    return Inputs(images[chosen], outputs[chosen], masks, bool(gates))


def _clear_and_different(gates: Sequence[Gated], count: int) -> list[int]:
    """The images whose winners are clearest, those with the masks of another after all others."""
    margins, masks = np.min([margin(gate) for gate in gates], axis=0), choices([gate.mask for gate in gates])
    seen: set[bytes] = set()
    first: list[int] = []
    later: list[int] = []
    for image in np.argsort(-margins, kind='stable').tolist():
        (first if masks[image] not in seen and margins[image] >= CLEAR else later).append(image)
        seen.add(masks[image])
    return [*first, *later][:count]


def trial_images(subject: Subject, count: int, seed: int = 0) -> np.ndarray:
    """Random images as an artifact of the subject takes them."""
    *size, channels = subject.dims
    height, width = (side or other for side, other in zip(size, ANY_SIZE, strict=True))
    images = random_images(count, (height, width, channels), seed)
    return as_bytes(images) if subject.dtype == 'uint8' else images


def margin(gate: Gated) -> np.ndarray:
    """[N]: the weakest winner's saliency less the best loser's, over the largest."""
    won = gate.mask > 0
    weakest = np.where(won, gate.saliency, np.inf).min(1)
    best = np.where(won, -np.inf, gate.saliency).max(1)
    margins: np.ndarray = (weakest - best) / np.maximum(gate.saliency.max(1), 1e-30)
    return margins


def difference(classify: Classify, inputs: Inputs, any_batch: bool) -> float:
    """The largest from masked execution, over the largest output. Each image goes in alone and, if it may, all together."""
    largest = np.abs(inputs.expected).max()
    outputs = [np.concatenate([classify(image[None]) for image in inputs.images])]
    outputs += [classify(inputs.images)] if any_batch else []
    return max(float(np.abs(output - inputs.expected).max() / largest) for output in outputs)


def check(name: str, classify: Classify, inputs: Inputs, any_batch: bool) -> float:
    """`difference`. Errors: RunError if it is more than rounding makes."""
    differs = difference(classify, inputs, any_batch)
    if not differs <= TOLERANCE:  # nan is no number to accept
        raise RunError(
            f'{name} does not compute what masked execution does: outputs differ by {differs:.2g} of the largest, '
            f'expected at most {TOLERANCE:g}. Nothing was written.'
        )
    return differs
