"""TFLite, which LiteRT runs on phones and small boards: one image of a fixed size at a time."""
import pathlib
import re

import numpy as np

from mayo.export import saved_model
from mayo.export.artifact import Classify, Format, Subject, fixed_size, formats
from mayo.util.errors import UserError
from mayo.util.lazy import lazy

tf = lazy('tensorflow')

SNIPPET = '''\
from ai_edge_litert.interpreter import Interpreter
network = Interpreter('model.tflite')
network.allocate_tensors()
network.set_tensor(network.get_input_details()[0]['index'], images)
network.invoke()
outputs = network.get_tensor(network.get_output_details()[0]['index'])'''


def write(subject: Subject, path: pathlib.Path) -> None:
    """Writes the file `path`. Errors: UserError with the operations that TFLite has not."""
    function = saved_model.function(subject, 1, xla=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], function)
    try:
        path.write_bytes(converter.convert())
    except Exception as error:                      # the converter's own kinds have no public name
        lacking = sorted(set(re.findall(r"'(tf\.\w+)' op", str(error))))
        if not lacking:
            raise
        raise UserError(f'export.formats: tflite has no {", ".join(lacking)}, which {subject.name} needs.') from None


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


formats.register('tflite')(Format(
    'model.tflite', ('tensorflow',), ('ai_edge_litert',), False, fixed_size, write, load, SNIPPET))
