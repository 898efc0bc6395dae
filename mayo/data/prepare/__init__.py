"""Readers of raw data sets, and the writer of TFRecord files that they share."""

from mayo.data.prepare import cifar, folder, idx
from mayo.data.prepare.archive import unpacked
from mayo.data.prepare.raw import Raw, readers
from mayo.data.prepare.shards import Writing
from mayo.data.prepare.source import kind_of, locate

__all__ = ['Raw', 'Writing', 'cifar', 'folder', 'idx', 'kind_of', 'locate', 'readers', 'unpacked']
