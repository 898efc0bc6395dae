"""The engines: what runs networks. A file of this folder says everything about each: what it needs, which files it runs, how it loads them.

Every file is imported here, so that adding an engine is adding a file. Importing them imports neither TensorFlow nor NumPy, as
the names of the engines are part of the settings; what takes time to import, they import when they load.
"""

import importlib
import pkgutil

from mayo.net.tf.engines.base import Engine, Job, Loaded, Masked, engines, of_file, of_networks

__all__ = ['Engine', 'Job', 'Loaded', 'Masked', 'engines', 'of_file', 'of_networks']

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f'{__name__}.{_module.name}')
