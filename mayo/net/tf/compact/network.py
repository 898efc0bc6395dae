"""A program in TensorFlow: the compact network, called as the masked one is.

    outputs, masks = network(images)        images: [N, H, W, C] float32; masks: {layer: bool [N, C] active channels}

Gates choose for each image its own channels, so a batch is a parallel map over its images. Other ways were slower, for
MCifarNet at density 0.5 in batches of 64, in processor time of the map: all images in each operation, with batched gathers
and matrix products, 1.3 (XLA) and 1.7; that in pieces of 4 or 16 images, 1.3 and more.
"""

import math
import os
from typing import Any

import tensorflow as tf

from mayo.net.tf.compact.emit import Image
from mayo.net.tf.compact.program import Program, require_fixed_counts

SMALL = 2**17  # numbers in the largest map, up to which XLA wins


class CompactNetwork:
    """Runs `program` with the weights it holds.

    xla: compile what happens to an image. Its convolutions of large maps take a fifth longer than TensorFlow's, but each
    operation costs less than TensorFlow's ten microseconds; None chooses by the size of the maps. parallel: images at once.
    Errors: ValueError for gates with a threshold, of which the number of winners varies.
    """

    def __init__(self, program: Program, xla: bool | None = None, parallel: int | None = None) -> None:
        require_fixed_counts(program, 'TensorFlow')
        self.program = program
        self.xla = max(math.prod(value.dims) for value in program.values.values()) <= SMALL if xla is None else xla
        self.parallel = parallel or os.cpu_count() or 1
        self.alone = tf.function(self._alone, jit_compile=self.xla, autograph=False)
        self.each = tf.function(self._each, autograph=False)

    def __call__(self, images: tf.Tensor) -> tuple[Any, dict[str, tf.Tensor]]:
        alone = images.shape[0] == 1 or not self.program.gated
        outputs, masks = self.alone(images) if alone else self.each(images)
        return outputs[0] if len(outputs) == 1 else outputs, masks

    def _alone(self, images: tf.Tensor) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
        """One image, or, without gates, any number."""
        run = Image(self.program, dict.fromkeys(self.program.inputs, images), self.xla)
        run.run()
        return [run.values[name] for name in self.program.outputs], {name: mask[None] for name, mask in run.masks.items()}

    def _each(self, images: tf.Tensor) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
        signature = (
            [tf.TensorSpec(self.program.values[name].dims) for name in self.program.outputs],
            {name: tf.TensorSpec((self.program.values[name].width,), tf.bool) for name in self.program.gated},
        )

        def run(image: tf.Tensor) -> Any:
            return tf.nest.map_structure(lambda value: value[0], self.alone(image[None]))

        return tf.map_fn(run, images, parallel_iterations=self.parallel, fn_output_signature=signature)
