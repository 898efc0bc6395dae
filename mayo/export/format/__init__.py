"""The formats: a file of this folder says everything about each, and enters it into mayo.export.artifact.formats.

Every file is imported here, so that adding a format is adding a file. What takes time to import, it imports when it writes or loads.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f'{__name__}.{_module.name}')
