"""TFLite, which LiteRT runs on phones and small boards: one image of a fixed size at a time."""

import dataclasses
import pathlib
import re
import typing
from typing import Any

from mayo.export.artifact import Classify, Format, Subject, formats
from mayo.util.errors import UserError

if typing.TYPE_CHECKING:
    import numpy as np

    from mayo.net.tf.compact.program import Operation, Program

SNIPPET = """\
from ai_edge_litert.interpreter import Interpreter
network = Interpreter('model.tflite')
network.allocate_tensors()
network.set_tensor(network.get_input_details()[0]['index'], images)
network.invoke()
outputs = network.get_tensor(network.get_output_details()[0]['index'])"""

TINY = 1e-30  # a bias that changes nothing


def write(subject: Subject, path: pathlib.Path) -> None:
    """Writes the file `path`. Errors: UserError with the operations that TFLite has not."""
    import tensorflow as tf

    from mayo.export.function import function

    network = function(dataclasses.replace(subject, program=biased(subject.program)), 1, xla=False, products=True)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()], network)
    try:
        path.write_bytes(converter.convert())
    except Exception as error:  # the converter's own kinds have no public name
        lacking = sorted(set(re.findall(r"'(tf\.\w+)' op", str(error))))
        if not lacking:
            raise
        raise UserError(f'export.formats: tflite has no {", ".join(lacking)}, which {subject.name} needs.') from None


def biased(program: 'Program') -> 'Program':
    """The program with a tiny bias wherever it was zero.

    The converter of TensorFlow 2.21 removes a bias of zero, and with it the relu after a product with weights that were gathered.
    """
    import numpy as np

    from mayo.net.tf.compact import program as ops

    def with_bias(layer: Any) -> Any:
        return layer if layer.bias.any() else dataclasses.replace(layer, bias=np.full_like(layer.bias, TINY))

    def changed(operation: 'Operation') -> 'Operation':
        """A fully connected layer, or a gate's layers, with biases; any other operation as it is."""
        if isinstance(operation, ops.Dense):
            return typing.cast(ops.Dense, with_bias(operation))
        if isinstance(operation, ops.Conv) and operation.gate is not None:
            gate = dataclasses.replace(operation.gate, layers=tuple(map(with_bias, operation.gate.layers)))
            return dataclasses.replace(operation, gate=gate)
        return operation

    return dataclasses.replace(program, operations=tuple(map(changed, program.operations)))


def load(path: pathlib.Path) -> Classify:
    """The artifact as LiteRT runs it."""
    from ai_edge_litert.interpreter import Interpreter

    network = Interpreter(str(path))
    network.allocate_tensors()
    (source,), (target,) = network.get_input_details(), network.get_output_details()

    def classify(images: 'np.ndarray') -> 'np.ndarray':
        network.set_tensor(source['index'], images)
        network.invoke()
        outputs: np.ndarray = network.get_tensor(target['index'])
        return outputs

    return classify


formats.register('tflite')(
    Format(
        title='TFLite',
        file='model.tflite',
        to_write=('tensorflow',),
        to_run=('ai_edge_litert',),
        extra='export',
        any_batch=False,
        any_size=False,
        refuse=lambda subject: [],
        write=write,
        load=load,
        snippet=SNIPPET,
    )
)
