"""XLA: TensorFlow's compiler. `tensorflow` uses it by itself for small maps when it evaluates."""

import functools

from mayo.net.tf.engines.base import PICKLED, Engine, engines
from mayo.net.tf.engines.tensorflow import load

engines.register('xla')(
    Engine(
        packages=('tensorflow',),
        extra='bench',
        network_file=PICKLED,
        masked=False,
        exported=(),
        marker='s',
        load=functools.partial(load, xla=True),
        compact=None,
    )
)
