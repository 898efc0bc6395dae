"""Readers of raw data sets, and the writer of TFRecord files that they share."""
from mayo.data.prepare import cifar, folder, idx
from mayo.data.prepare.raw import ClassName, Raw, readers
from mayo.data.prepare.shards import write
from mayo.data.prepare.source import locate

__all__ = ['ClassName', 'Raw', 'cifar', 'folder', 'idx', 'locate', 'readers', 'write']
