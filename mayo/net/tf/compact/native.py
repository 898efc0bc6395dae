"""A program in the native engine (mayo_runtime), called as the compact network of TensorFlow is, also inside a tf.function.

outputs, masks = network(images)        images: [N, H, W, C] float32; masks: {layer: bool [N, C] active channels}
"""

from typing import Any

import numpy as np
import tensorflow as tf

from mayo_runtime.native import BUILD, Engine, instruction_sets, library, multiplies_bfloat16, unsupported
from mayo_runtime.program import Program

__all__ = ['BUILD', 'NativeNetwork', 'instruction_sets', 'library', 'multiplies_bfloat16', 'unsupported']


class NativeNetwork:
    """Runs `program` with the weights it holds; threads, instructions and errors are those of mayo_runtime.native.Engine."""

    def __init__(self, program: Program, threads: int | None = None, instructions: str | None = None) -> None:
        self.engine = Engine(program, threads, instructions)

    def __call__(self, images: tf.Tensor) -> tuple[Any, dict[str, tf.Tensor]]:
        program, widths, count = self.engine.program, self.engine.widths, images.shape[0]
        kinds = [tf.float32] * len(program.outputs) + [tf.bool]
        *outputs, masks = tf.numpy_function(self.run, [images], kinds, stateful=False)
        outputs = [
            tf.ensure_shape(value, (count, *program.values[name].dims))
            for name, value in zip(program.outputs, outputs, strict=True)
        ]
        each = tf.split(tf.ensure_shape(masks, (count, sum(widths.values()))), list(widths.values()), axis=1) if widths else []
        return outputs[0] if len(outputs) == 1 else outputs, dict(zip(widths, each, strict=True))

    @property
    def macs(self) -> int:
        """Multiply-accumulates since the network was made, see Engine.macs."""
        return self.engine.macs

    def seconds(self, image: np.ndarray) -> dict[str, float]:
        """What each operation takes of one image [1, H, W, C], by the value that it computes."""
        return self.engine.seconds(image)

    def run(self, images: np.ndarray) -> list[np.ndarray]:
        """The outputs, then which channels were active, see Engine.run."""
        return self.engine.run(images)
