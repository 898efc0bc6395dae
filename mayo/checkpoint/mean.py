"""The weights of several trainings of one network, averaged. https://arxiv.org/abs/2203.05482

    w = sum_i s_i w_i / sum_i s_i           w_i: the weights of checkpoint i, s_i > 0 its share

Batch norm's statistics are averaged as the weights are. Those of one training, or of fine-tunings of one network, are near
enough to each other for that; whether the mean is better than its parts, `eval` on held-out images says.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from mayo.checkpoint import names
from mayo.util.errors import Problems


def mean_of(files: Mapping[str, Mapping[str, np.ndarray]], weights: Sequence[float], where: str) -> dict[str, np.ndarray]:
    """The tensors of the first file, those of floating point averaged over all; without what training left beside them.

    files: the tensors of each by the file's name. where: what named them, for messages. UserError: some have other tensors, or channels, than the first.
    """
    (first, expected), *others = files.items()
    compared = {name: value for name, value in expected.items() if _must_agree(name)}
    problems = Problems()
    for file, tensors in others:
        there = {name: value for name, value in tensors.items() if _must_agree(name)}
        differing = [name for name in sorted(compared.keys() | there.keys()) if not _agree(compared.get(name), there.get(name))]
        if differing:
            more = f' and {len(differing) - 3} more' if len(differing) > 3 else ''
            problems.append(
                f'{where}: {file} is of another network than {first}: {", ".join(differing[:3])}{more} '
                'differ in shape, in the channels that are left, or are in one of them alone.'
            )
    problems.raise_any()
    return {
        name: _mean([tensors[name] for tensors in files.values()], weights) if _is_averaged(value) else value
        for name, value in expected.items()
        if not name.startswith(names.TRAINING)
    }


def _must_agree(name: str) -> bool:
    """What tells of the network, not of the training, nor of the words with which it was made."""
    return name not in (*names.COUNTS, names.CONFIG) and not name.startswith(names.TRAINING)


def _is_averaged(value: np.ndarray) -> bool:
    return np.issubdtype(np.asarray(value).dtype, np.floating)


def _agree(first: np.ndarray | None, other: np.ndarray | None) -> bool:
    """Tensors of one shape and, where they are not averaged, such as which channels were kept, of one content."""
    if first is None or other is None:
        return False
    return first.shape == other.shape if _is_averaged(first) else np.array_equal(first, other)


def _mean(values: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    return np.average(np.stack(values).astype(np.float64), axis=0, weights=weights).astype(values[0].dtype)
