"""The ranges of a quantized network in its checkpoint: `mayo/quantized/LAYER`, float32 [2], what the bytes of its source span.

A layer without one computes in float32. Its weights are those of the network, from which the engine makes bytes.
"""

from collections.abc import Mapping

import numpy as np

PREFIX = 'mayo/quantized/'


def ranges_in(tensors: Mapping[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """Those of a file's tensors; none in a file of a network that nobody quantized."""
    return {
        name.removeprefix(PREFIX): (float(span[0]), float(span[1])) for name, span in tensors.items() if name.startswith(PREFIX)
    }


def tensors_of(ranges: Mapping[str, tuple[float, float]]) -> dict[str, np.ndarray]:
    """`ranges` as a file holds them."""
    return {PREFIX + layer: np.array(span, np.float32) for layer, span in ranges.items()}
