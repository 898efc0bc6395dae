"""Weights of torchvision, imported: the same images have the same logits there and here.

Random weights, batch norm's statistics too. torch is large and is not installed with the tests; a Python that has it is named:

    MAYO_TORCH=PYTHON python -m pytest -n 0 -rP tests/conformance/test_torchvision.py
"""

import os
import pathlib
import subprocess

import keras
import numpy as np
import pytest

from mayo.actions.import_weights import import_weights
from mayo.config import Config
from mayo.session.base import Session

ROOT = pathlib.Path(__file__).parents[2]
TORCH = os.environ.get('MAYO_TORCH')
NETWORKS = {  # of torchvision: of ours
    'alexnet': 'alexnet',
    'vgg16': 'vgg16',
    'vgg16_bn': 'vgg16_bn',
    'resnet18': 'resnet18',
    'resnet34': 'resnet34',
    'resnet50': 'resnet50',
    'mobilenet_v2': 'mobilenet_v2',
    'mobilenet_v3_large': 'mobilenet_v3_large',
    'densenet121': 'densenet121',
    'squeezenet1_0': 'squeezenet_v10',
    'squeezenet1_1': 'squeezenet_v11',
    'efficientnet_b0': 'efficientnet_b0',
    'googlenet': 'inception_v1',
    'inception_v3': 'inception_v3',
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(TORCH is None, reason='MAYO_TORCH names no Python that has torch and torchvision'),
]


@pytest.mark.parametrize('theirs', NETWORKS)
def test_imported_weights_give_the_logits_of_torchvision(
    theirs: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run([TORCH or '', ROOT / 'tests/golden/torch/networks.py', tmp_path, theirs], check=True)
    with np.load(tmp_path / f'{theirs}.npz') as file:
        images, expected = file['images'], file['logits']
    for initializer in (keras.initializers.VarianceScaling, keras.initializers.TruncatedNormal):
        monkeypatch.setattr(initializer, '__call__', lambda self, shape, dtype=None: keras.ops.zeros(shape, dtype))
    monkeypatch.setattr(Session, 'save', lambda self: None)
    ours = NETWORKS[theirs]
    for base in (ours, 'gate/resnet50') if ours == 'resnet50' else (ours,):  # a gate starts from batch norm
        config = Config.default()
        config.merge_file(ROOT / f'models/{base}.yaml')
        overlay = ROOT / f'models/torchvision/{ours}.yaml'
        if overlay.exists():
            config.merge_file(overlay)
        for word in ('dataset.name=none', 'dataset.task.num_classes=1000', f'import.path={tmp_path}/{theirs}.pth'):
            config.merge_word(word)
        session = Session(config)
        import_weights(session)
        logits = session.network(images)[0].numpy()
        differs = np.abs(logits - expected).max() / np.ptp(expected)
        print(f'{theirs} in models/{base}.yaml: logits differ by {differs:.1e} of their range')
        assert differs < 1e-4
