"""A program in onnxruntime, called as the compact network of TensorFlow is, also inside a tf.function.

    outputs, counts = network(images)       images: [N, H, W, C] float32; counts: {layer: int32 [N] active channels}

With gates each image goes through by itself: as many at once as there are processors, a thread for each, as handing parts of a
small operation from thread to thread costs more than it gives. Needs the packages onnx and onnxruntime.
"""
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from mayo.net.tf.compact import onnx_blocks
from mayo.net.tf.compact.onnx import onnx_model
from mayo.net.tf.compact.onnx_writer import ACTIVE
from mayo.net.tf.compact.program import Program


class OnnxNetwork:
    """Runs `program` with the weights it holds. parallel: images at once, None for one a processor; one alone has them all."""

    def __init__(self, program: Program, parallel: int | None = None) -> None:
        import onnxruntime
        onnxruntime.disable_telemetry_events()
        self.program = program
        self.alone = bool(program.gated)
        processors = os.cpu_count() or 1
        parallel = (parallel or processors) if self.alone else 1
        model = onnx_model(program, batch=1 if self.alone else None, counts=True,
                           block=onnx_blocks.block_size() if self.alone else None)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1 if parallel > 1 else processors
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=['CPUExecutionProvider'])
        self.layers = [output.name.removesuffix(ACTIVE) for output in self.session.get_outputs()[len(program.outputs):]]
        self.threads = ThreadPoolExecutor(parallel)

    def __call__(self, images: tf.Tensor) -> tuple[Any, dict[str, tf.Tensor]]:
        kinds = [tf.float32] * len(self.program.outputs) + [tf.int32] * len(self.layers)
        values = tf.nest.flatten(tf.numpy_function(self.run, [images], kinds, stateful=False))      # one alone is no list
        count = images.shape[0]
        outputs = [tf.ensure_shape(value, (count, *self.program.values[name].dims))
                   for name, value in zip(self.program.outputs, values, strict=False)]
        counts = {name: tf.ensure_shape(value, (count,))
                  for name, value in zip(self.layers, values[len(outputs):], strict=True)}
        return outputs[0] if len(outputs) == 1 else outputs, counts

    def run(self, images: np.ndarray) -> list[np.ndarray]:
        """The outputs, then the counts of each gated layer."""
        if self.alone:
            results = self.threads.map(self._run, np.split(images, len(images)))
            values = [np.concatenate(parts) for parts in zip(*results, strict=True)]
        else:
            values = self._run(images)
        split = len(self.program.outputs)
        return values[:split] + [count.astype(np.int32) for count in values[split:]]

    def _run(self, images: np.ndarray) -> list[np.ndarray]:
        values: list[np.ndarray] = self.session.run(None, {'images': images})
        return values
