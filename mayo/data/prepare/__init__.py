"""Readers of raw data sets, and the writer of TFRecord files that they share. Needs no TensorFlow until it reads or writes.

Every file of this folder is imported here, so that adding a reader is adding a file: raw.py tells how.
"""

import importlib
import pkgutil

from mayo.data.prepare.archive import unpacked
from mayo.data.prepare.raw import Raw, Reader, readers
from mayo.data.prepare.shards import Writing
from mayo.data.prepare.source import locate, on_disk, reader_of

__all__ = ['Raw', 'Reader', 'Writing', 'locate', 'on_disk', 'reader_of', 'readers', 'unpacked']

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f'{__name__}.{_module.name}')
