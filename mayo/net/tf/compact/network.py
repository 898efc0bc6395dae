"""A program in TensorFlow: the compact network, called as the masked one is.

    outputs, counts = network(images)       images: [N, H, W, C] float32; counts: {layer: int32 [N] active channels}
"""
from typing import Any

import tensorflow as tf

from mayo.net.tf.compact.emit import Image
from mayo.net.tf.compact.program import Program


class CompactNetwork:
    """Runs `program`, image by image where gates choose for each its own channels."""

    def __init__(self, program: Program, xla: bool = False, parallel: int = 4) -> None:
        self.program, self.xla = program, xla
        self.parallel = parallel
        self.one = tf.function(self._one, jit_compile=xla)

    def __call__(self, images: tf.Tensor) -> tuple[Any, dict[str, tf.Tensor]]:
        if images.shape[0] == 1 or not self.program.gated:
            outputs, counts = self.one(images)
            counts = {name: count[None] for name, count in counts.items()}
        else:
            outputs, counts = self._map(images)
        return outputs[0] if len(outputs) == 1 else outputs, counts

    @tf.function
    def _map(self, images: tf.Tensor) -> Any:
        signature = ([tf.TensorSpec(self.program.values[name].dims) for name in self.program.outputs],
                     {name: tf.TensorSpec((), tf.int32) for name in self.program.gated})

        def run(image: tf.Tensor) -> Any:
            outputs, counts = self.one(image[None])
            return [output[0] for output in outputs], counts
        return tf.map_fn(run, images, parallel_iterations=self.parallel, fn_output_signature=signature)

    def _one(self, image: tf.Tensor) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
        run = Image(self.program, dict.fromkeys(self.program.inputs, image), self.xla)
        run.run()
        return [run.values[name] for name in self.program.outputs], run.counts
