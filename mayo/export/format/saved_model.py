"""TensorFlow's SavedModel: any number of images at once, of any size where it preprocesses them."""

import pathlib
import typing

from mayo.export.artifact import Classify, Format, Subject, formats

if typing.TYPE_CHECKING:
    import numpy as np

SNIPPET = """\
import tensorflow as tf
network = tf.saved_model.load('saved_model')
outputs = network.signatures['serving_default'](images=tf.constant(images))['outputs'].numpy()"""


def write(subject: Subject, path: pathlib.Path) -> None:
    """Writes the folder `path`."""
    import tensorflow as tf

    from mayo.export.function import function

    tf.saved_model.save(tf.Module(), str(path), signatures=function(subject, None).get_concrete_function())


def load(path: pathlib.Path) -> Classify:
    """The artifact as TensorFlow runs it."""
    import tensorflow as tf

    model = tf.saved_model.load(str(path))  # has to outlive its signature

    def classify(images: 'np.ndarray') -> 'np.ndarray':
        outputs: np.ndarray = model.signatures['serving_default'](images=tf.constant(images))['outputs'].numpy()
        return outputs

    return classify


formats.register('saved_model')(
    Format(
        title='SavedModel',
        file='saved_model',
        to_write=('tensorflow',),
        to_run=('tensorflow',),
        extra='export',
        any_batch=True,
        any_size=True,
        refuse=lambda subject: [],
        write=write,
        load=load,
        snippet=SNIPPET,
    )
)
