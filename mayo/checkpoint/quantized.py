"""The ranges of a quantized network in its checkpoint: `mayo/quantized/LAYER`, float32 [2], what the bytes of its source span.

A layer without one computes in float32. Its weights are those of the network, from which the engine makes bytes.

`mayo/quantized_form` says of which numbers they are the ranges; a file without it is of form 1:

    1       the source as the layers before it give it
    2       without the constants of suppressed channels, which stand in the bias of the layer that reads them
"""

from collections.abc import Mapping

import numpy as np

from mayo.util.errors import UserError

PREFIX = 'mayo/quantized/'
FORM_NAME = 'mayo/quantized_form'
FORM = 2


def ranges_in(tensors: Mapping[str, np.ndarray], where: str) -> dict[str, tuple[float, float]]:
    """Those of a file's tensors; none in a file of a network that nobody quantized. UserError: one is no range."""
    spans = {name: span for name, span in tensors.items() if name.startswith(PREFIX)}
    for name, span in spans.items():
        if np.shape(span) != (2,) or not np.isfinite(span).all() or span[0] > span[1]:
            raise UserError(
                f'{where}: {name} is {np.asarray(span).tolist()}, expected the least and the largest number that the layer reads; '
                'the file is broken: `quantize` makes another.'
            )
    return {name.removeprefix(PREFIX): (float(span[0]), float(span[1])) for name, span in spans.items()}


def form_in(tensors: Mapping[str, np.ndarray]) -> int:
    """Of which form a file's ranges are."""
    return int(tensors.get(FORM_NAME, 1))


def tensors_of(ranges: Mapping[str, tuple[float, float]], form: int = FORM) -> dict[str, np.ndarray]:
    """`ranges` as a file holds them; nothing if there are none."""
    stamp = {FORM_NAME: np.array(form, np.int64)} if ranges else {}
    return {PREFIX + layer: np.array(span, np.float32) for layer, span in ranges.items()} | stamp


def without_ranges(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors of a file without what `quantize` added, as they were before."""
    return {name: value for name, value in tensors.items() if not name.startswith(PREFIX) and name != FORM_NAME}
