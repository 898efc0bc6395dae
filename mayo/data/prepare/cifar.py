"""Reader of CIFAR-10 and CIFAR-100, as binary or python archive, packed or unpacked.

    binary    a record is the label (CIFAR-100: coarse label, fine label), a byte each, and 3 x 32 x 32 bytes of picture
    python    a pickled mapping with `data` [N, 3072] uint8 and `labels` or `fine_labels`
                                                                        https://www.cs.toronto.edu/~kriz/cifar.html
Pickles are read by a reader that knows NumPy arrays and nothing else, so that a file cannot run code.
"""

from __future__ import annotations

import io
import pathlib
import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mayo.data.class_name import ClassName
from mayo.data.prepare.archive import Member, members
from mayo.data.prepare.raw import Raw, of_pixels, reader, texts
from mayo.util.errors import UserError
from mayo.util.files import shown, text_of
from mayo.util.kinds import TEXT, Kind, each
from mayo.util.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy('numpy')  # `info` asks for the names of readers alone

STANDARD = {'train': [*(f'data_batch_{n}' for n in range(1, 6)), 'train'], 'validate': ['test_batch', 'test']}
NAMES = {'batches.meta': b'label_names', 'meta': b'fine_label_names'}
TEXT_NAMES = ('batches.meta.txt', 'fine_label_names.txt')
IMAGE = 3 * 32 * 32
ARRAYS = {
    ('numpy.core.multiarray', '_reconstruct'),
    ('numpy._core.multiarray', '_reconstruct'),
    ('numpy', 'ndarray'),
    ('numpy', 'dtype'),
    ('_codecs', 'encode'),
}


@reader('cifar', splits=Kind('a list of names of batches', each(TEXT).read))
def cifar(source: pathlib.Path, split: str, batches: Any, classes: Sequence[ClassName] | None) -> Raw:
    """Batches named without `.bin`, CIFAR's own if none are given, in the order of their names."""
    wanted = batches or STANDARD[split]
    batches_read: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    own = None
    for member in members(source):
        name = member.parts[-1]
        if name.removesuffix('.bin') in wanted:
            batches_read[name] = _parse(member.read(), member, source)
        elif name in NAMES:
            own = _names(member, source, NAMES[name]) or own
        elif name in TEXT_NAMES:
            text = text_of(member.read(), f'{shown(source)}: {member.name}')
            own = [line.strip() for line in text.splitlines() if line.strip()] or own
    if not batches_read:
        raise UserError(
            f'{shown(source)} holds no CIFAR batch named {", ".join(wanted)} (for images in a folder '
            'for each class, dataset.prepare.type=folder).'
        )
    pixels, labels = zip(*(batches_read[name] for name in sorted(batches_read)), strict=True)
    return of_pixels(np.concatenate(pixels), np.concatenate(labels), texts(classes) or own)


def _names(member: Member, source: pathlib.Path, key: bytes) -> list[str] | None:
    """The names of classes in a file of them, as Python 2 or 3 wrote it; None if it holds none."""
    names = _unpickle(member, member.read(), source).get(key)
    where = f'{shown(source)}: {member.name}'
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str | bytes) for name in names):
        raise UserError(f'{where}: {key.decode()} is no list of names.')
    return [name if isinstance(name, str) else text_of(name, where) for name in names]


def _parse(content: bytes, member: Member, source: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    """(pixels [N, 32, 32, 3] uint8, labels [N]) of one batch file."""
    if member.name.endswith('.bin'):
        label_bytes = 1 if 'batch' in member.parts[-1] else 2
        if not content or len(content) % (label_bytes + IMAGE):
            raise UserError(
                f'{shown(source)}: {member.name} is truncated or corrupt: {len(content)} bytes are not a '
                f'whole number of records of {label_bytes + IMAGE}.'
            )
        rows = np.frombuffer(content, np.uint8).reshape(-1, label_bytes + IMAGE)
        labels, data = rows[:, label_bytes - 1], rows[:, label_bytes:]
    else:
        batch = _unpickle(member, content, source)
        labels = np.asarray(batch.get(b'labels', batch.get(b'fine_labels', ())))
        data = batch.get(b'data', np.zeros(0))
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape != (len(labels), IMAGE):
            raise UserError(
                f'{shown(source)}: {member.name} is not a CIFAR batch: it needs data [N, {IMAGE}] of bytes and N labels.'
            )
    return data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ARRAYS:
            raise pickle.UnpicklingError(f'it asks for {module}.{name}, which no CIFAR batch needs')
        return super().find_class(module, name)


def _unpickle(member: Member, content: bytes, source: pathlib.Path) -> dict[bytes, Any]:
    try:
        batch = _ArrayUnpickler(io.BytesIO(content), encoding='bytes').load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
        raise UserError(f'{shown(source)}: {member.name} is not a readable CIFAR file: {error}.') from error
    if not isinstance(batch, dict):
        raise UserError(f'{shown(source)}: {member.name} is not a CIFAR file: it holds no mapping.')
    return {key.encode() if isinstance(key, str) else key: value for key, value in batch.items()}
