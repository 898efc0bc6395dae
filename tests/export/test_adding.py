"""To add an export format is to add one file to mayo/export/format: a toy one, added in exactly that way, is complete."""

import pathlib
import subprocess
from collections.abc import Callable

MODELS = pathlib.Path(__file__).parents[2] / 'models'
MNIST = str(MODELS.parent / 'datasets/mnist.yaml')
TOY = '''
"""A program pickled, which TensorFlow runs."""

import pathlib
import pickle

from mayo.export.artifact import Classify, Format, Subject, formats


def write(subject: Subject, path: pathlib.Path) -> None:
    path.write_bytes(pickle.dumps(subject.program))


def load(path: pathlib.Path) -> Classify:
    from mayo.net.tf.compact import CompactNetwork

    network = CompactNetwork(pickle.loads(path.read_bytes()))
    return lambda images: network(images)[0].numpy()


formats.register('toy')(
    Format(
        title='Toy',
        file='model.toy',
        to_write=('pickle',),
        to_run=('pickle',),
        extra='export',
        any_batch=True,
        any_size=False,
        refuse=lambda subject: [],
        write=write,
        load=load,
        snippet='import pickle\\noutputs = images',
    )
)
'''


def test_a_format_is_one_file(my_with: Callable[[str, str], Callable[..., subprocess.CompletedProcess[str]]]) -> None:
    my = my_with('export/format/toy.py', TOY)
    wrong = my('export.formats=[tyo]', str(MODELS / 'gate/lenet5_bn.yaml'), MNIST, 'export')
    assert 'export.formats is [tyo], expected a list, each of it one of onnx, saved_model, tflite, toy' in wrong.stderr
    sized = my('export.formats=[toy]', 'export.preprocess=true', str(MODELS / 'gate/lenet5_bn.yaml'), MNIST, 'export')
    assert 'export.formats: toy preprocesses images of one size only' in sized.stderr
    done = my('export.formats=[toy]', str(MODELS / 'gate/lenet5_bn.yaml'), '_gate.density=0.5', MNIST, 'export')
    assert done.returncode == 0, done.stderr
    assert 'exports/lenet5_bn/mnist/model.toy' in done.stdout
    assert 'Each was loaded and compared with masked execution on 16 images' in done.stdout
