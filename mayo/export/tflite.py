"""TFLite, which LiteRT runs on phones and small boards: one image of a fixed size at a time."""

import dataclasses
import pathlib
import re
from typing import Any

import numpy as np

from mayo.export import saved_model
from mayo.export.artifact import Classify, Format, Subject, fixed_size, formats
from mayo.util.errors import UserError
from mayo.util.lazy import lazy

tf = lazy('tensorflow')
compact = lazy('mayo.net.tf.compact')

SNIPPET = """\
from ai_edge_litert.interpreter import Interpreter
network = Interpreter('model.tflite')
network.allocate_tensors()
network.set_tensor(network.get_input_details()[0]['index'], images)
network.invoke()
outputs = network.get_tensor(network.get_output_details()[0]['index'])"""


TINY = np.float32(1e-30)  # a bias that changes nothing


def write(subject: Subject, path: pathlib.Path) -> None:
    """Writes the file `path`. Errors: UserError with the operations that TFLite has not."""
    function = saved_model.function(dataclasses.replace(subject, program=_biased(subject.program)), 1, xla=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], function)
    try:
        path.write_bytes(converter.convert())
    except Exception as error:  # the converter's own kinds have no public name
        lacking = sorted(set(re.findall(r"'(tf\.\w+)' op", str(error))))
        if not lacking:
            raise
        raise UserError(f'export.formats: tflite has no {", ".join(lacking)}, which {subject.name} needs.') from None


def _biased(program: Any) -> Any:
    """The program with a bias wherever it was zero: the converter of TensorFlow 2.21 removes such a bias, and with it the relu
    after a product with weights that were gathered."""

    def biased(layer: Any) -> Any:
        return layer if layer.bias.any() else dataclasses.replace(layer, bias=np.full_like(layer.bias, TINY))

    def changed(one: Any) -> Any:
        if isinstance(one, compact.program.Dense):
            return biased(one)
        if isinstance(one, compact.program.Conv) and one.gate is not None:
            gate = dataclasses.replace(one.gate, layers=tuple(map(biased, one.gate.layers)))
            return dataclasses.replace(one, gate=gate)
        return one

    return dataclasses.replace(program, operations=tuple(map(changed, program.operations)))


def load(path: pathlib.Path) -> Classify:
    """The artifact as LiteRT runs it."""
    from ai_edge_litert.interpreter import Interpreter

    network = Interpreter(str(path))
    network.allocate_tensors()
    (source,), (target,) = network.get_input_details(), network.get_output_details()

    def run(images: np.ndarray) -> np.ndarray:
        network.set_tensor(source['index'], images)
        network.invoke()
        outputs: np.ndarray = network.get_tensor(target['index'])
        return outputs

    return run


formats.register('tflite')(
    Format('model.tflite', ('tensorflow',), ('ai_edge_litert',), False, fixed_size, write, load, SNIPPET)
)
