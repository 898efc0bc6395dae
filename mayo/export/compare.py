"""An artifact against masked execution, on images that choose different channels: a file may have kept the first one's weights.

Of several times as many random images those are taken whose winners are clearest. Where two saliencies beside the cut differ
by no more than rounding does, two correct programs may pick different channels.
"""
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mayo.export.artifact import Classify, Subject
from mayo.util.errors import RunError

CANDIDATES = 4                  # times as many images as are taken
TOLERANCE = 1e-4                # of the largest output
ANY_SIZE = (320, 256)           # of images where an artifact takes any


class Gated(NamedTuple):
    """What a gate chose: saliency [N, C], mask [N, C]."""
    saliency: np.ndarray
    mask: np.ndarray


Reference = Callable[[np.ndarray], tuple[np.ndarray, Sequence[Gated]]]      # masked execution of images as artifacts take them


@dataclass(frozen=True)
class Inputs:
    """What artifacts are compared on. expected: [N, C] of masked execution; masks: how many differ; gated: whether any may."""
    images: np.ndarray
    expected: np.ndarray
    masks: int
    gated: bool


def inputs(subject: Subject, reference: Reference, count: int, seed: int = 0) -> Inputs:
    """`count` images with clear winners."""
    images = random_images(subject, count * CANDIDATES, seed)
    outputs, gates = reference(images)
    margins = np.min([margin(gate) for gate in gates], axis=0) if gates else np.zeros(len(images))
    best = np.sort(np.argsort(-margins, kind='stable')[:count])
    gates = [gate for gate in gates if not gate.mask.all()]
    masks = np.concatenate([gate.mask[best] for gate in gates], axis=1) if gates else np.ones((count, 1))
    return Inputs(images[best], outputs[best], len(np.unique(masks, axis=0)), bool(gates))


def random_images(subject: Subject, count: int, seed: int = 0) -> np.ndarray:
    """Patches of colour under noise, each image with its own strength in each channel."""
    random = np.random.default_rng(seed)
    *size, channels = subject.dims
    height, width = (side or other for side, other in zip(size, ANY_SIZE, strict=True))
    patches = random.normal(0, 1, (count, 4, 4, channels))
    patches = patches.repeat(-(-height // 4), 1).repeat(-(-width // 4), 2)[:, :height, :width]
    images = (patches + random.normal(0, 0.5, patches.shape)) * random.uniform(0.2, 1, (count, 1, 1, channels))
    images += random.normal(0, 0.3, (count, 1, 1, channels))
    if subject.dtype == 'uint8':
        return np.clip(128 + 64 * images, 0, 255).astype(np.uint8)
    return images.astype(np.float32)


def margin(gate: Gated) -> np.ndarray:
    """[N]: the weakest winner's saliency less the best loser's, over the largest."""
    won = gate.mask > 0
    weakest = np.where(won, gate.saliency, np.inf).min(1)
    best = np.where(won, -np.inf, gate.saliency).max(1)
    return (weakest - best) / np.maximum(gate.saliency.max(1), 1e-30)


def difference(classify: Classify, inputs: Inputs, any_batch: bool) -> float:
    """The largest from masked execution, over the largest output. Each image goes in alone and, if it may, all together."""
    largest = np.abs(inputs.expected).max()
    outputs = [np.concatenate([classify(image[None]) for image in inputs.images])]
    outputs += [classify(inputs.images)] if any_batch else []
    return max(float(np.abs(output - inputs.expected).max() / largest) for output in outputs)


def check(name: str, classify: Classify, inputs: Inputs, any_batch: bool) -> float:
    """`difference`. Errors: RunError if it is more than rounding makes."""
    found = difference(classify, inputs, any_batch)
    if not found <= TOLERANCE:                      # nan is no number to accept
        raise RunError(f'{name} does not compute what masked execution does: outputs differ by {found:.2g} of the largest, '
                       f'expected at most {TOLERANCE:g}. Nothing was written.')
    return found
