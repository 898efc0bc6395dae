"""Mayo: networks with Feature Boosting and Suppression, from YAML to accuracy.

    import mayo
    model = mayo.load('models/gate/cifarnet.yaml', 'datasets/fashion_mnist.yaml', {'system.checkpoint.load': 'gate50'})
    model.info(), model.evaluate(), model.predict('me.jpg')

Importing it does nothing else: TensorFlow starts when a network is built. docs/library.md shows the rest.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mayo.cli.library import Model

__version__ = '0.1.0'
__all__ = ['__version__', 'load']


def load(*words: 'str | os.PathLike[str] | Mapping[str, Any]') -> 'Model':
    """The model that words make, read left to right as on the command line: YAML files, `key.path=value`, or {key.path: value}.

    UserError: a word is none of those, or a file is not there or not right; all that is wrong at once.
    """
    from mayo.cli.library import load

    return load(*words)
