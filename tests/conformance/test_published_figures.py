"""What `info` counts is what others published, to the last digit where their convention is ours.

Ours: multiply-accumulates of convolutions and fully connected layers; trainable parameters. `num_params` and `_ops`
(10^9 multiply-accumulates) are in torchvision/models/*.py of torchvision 0.29, and in its documentation.
"""

import math
import pathlib
from typing import Any

import pytest

from mayo.actions.info import info
from mayo.config import Config

ROOT = pathlib.Path(__file__).parents[2]
IMAGENET, CIFAR = 'datasets/imagenet.yaml', 'datasets/cifar10.yaml'
STRIDE_ON_3X3 = ('model.layers._block.layers.conv1.stride=1', 'model.layers._block.layers.conv2.stride=^(stride)')
BACKGROUND = 'dataset.task.background_class.use=true'
SHAPE = 'dataset.task.preprocess.shape'
BRANCH_OF_3X3 = ('model.layers._mixed.layers.conv5x5.kernel_size=3',)  # TF-Slim has it so, and torchvision after it

TORCHVISION = [  # model, words, num_params, _ops
    ('alexnet', (), 61_100_840, 0.714),
    ('vgg16', (), 138_357_544, 15.470),
    ('resnet18', (), 11_689_512, 1.814),
    ('resnet34', (), 21_797_672, 3.664),
    ('resnet50', STRIDE_ON_3X3, 25_557_032, 4.089),
    ('squeezenet_v10', (), 1_248_424, 0.819),
    ('squeezenet_v11', (), 1_235_496, 0.349),
    ('inception_v1', BRANCH_OF_3X3, 6_624_904, 1.498),
    ('inception_v3', (), None, 5.713),  # 27,161,264 parameters with those of the auxiliary classifier
    ('mobilenet_v2', (), 3_504_872, 0.301),
    ('mobilenet_v3_large', (), 5_483_032, 0.217),
    ('efficientnet_b0', (), 5_288_548, 0.386),
    ('densenet121', (), 7_978_856, 2.834),
]
EXACT = [  # model, words, what of the total, how much
    ('vgg16', (), 'dense', 15_470_264_320),  # torchvision's 15.47, all digits
    ('resnet18', (), 'dense', 1_814_073_344),  # its 1.814
    ('inception_v1', ('model.bn=false',), 'trainable', 6_998_552),  # Caffe's bvlc_googlenet, deploy.prototxt
    # the head of TF-Slim's nets/mobilenet_v1.py: 567,716,352 before 1024 x 1001 logits; 106,002,432 before 768 x 1001
    ('mobilenet', (BACKGROUND,), 'dense', 567_716_352 + 1_025_024),
    ('mobilenet', (BACKGROUND, '_width=0.75', f'{SHAPE}.height=128', f'{SHAPE}.width=128'), 'dense', 106_002_432 + 768_768),
]
ROUNDED = [  # model, dataset, words, what, unit, how much, in the paper
    ('resnet18', IMAGENET, (), 'dense', 1e9, 1.8),  # table 1, digits cut off
    ('resnet34', IMAGENET, (), 'dense', 1e9, 3.6),
    ('resnet50', IMAGENET, (), 'dense', 1e9, 3.8),
    ('resnet20', CIFAR, (), 'trainable', 1e6, 0.27),  # table 6
    ('resnet56', CIFAR, (), 'trainable', 1e6, 0.85),
    ('mobilenet', IMAGENET, (), 'dense', 1e6, 569),  # table 6, as is the rest
    ('mobilenet', IMAGENET, (), 'trainable', 1e6, 4.2),
    ('mobilenet', IMAGENET, ('_width=0.75',), 'dense', 1e6, 325),
    ('mobilenet', IMAGENET, ('_width=0.75',), 'trainable', 1e6, 2.6),
    ('mobilenet', IMAGENET, ('_width=0.5',), 'dense', 1e6, 149),
    ('mobilenet', IMAGENET, ('_width=0.5',), 'trainable', 1e6, 1.3),
    ('mobilenet', IMAGENET, ('_width=0.25',), 'dense', 1e6, 41),
    ('mobilenet', IMAGENET, ('_width=0.25',), 'trainable', 1e6, 0.5),
    ('mobilenet_v2', IMAGENET, (), 'dense', 1e6, 300),  # table 4, digits cut off
    ('mobilenet_v2', IMAGENET, (), 'trainable', 1e6, 3.5),
    ('mobilenet_v3_large', IMAGENET, (), 'trainable', 1e6, 5.4),  # table 3
    ('efficientnet_b0', IMAGENET, (), 'trainable', 1e6, 5.3),  # table 2
]


def total(model: str, dataset: Any = IMAGENET, words: Any = ()) -> Any:
    config = Config.default()
    config.merge_file(ROOT / f'models/{model}.yaml')
    config.merge_file(ROOT / dataset)
    for word in words:
        config.merge_word(word)
    return info(config).total


@pytest.mark.parametrize('model, words, parameters, operations', TORCHVISION)
def test_a_model_has_the_parameters_and_operations_of_torchvision(
    model: str, words: tuple[Any, ...], parameters: int | None, operations: float
) -> None:
    counted = total(model, words=words)
    assert round(counted['dense'] / 1e9, 3) == operations
    assert parameters in (counted['trainable'], None)


@pytest.mark.parametrize('model, words, what, published', EXACT)
def test_a_model_has_the_published_count_to_the_last_digit(
    model: str, words: tuple[Any, ...], what: str, published: int
) -> None:
    assert total(model, words=words)[what] == published


@pytest.mark.parametrize('model, dataset, words, what, unit, published', ROUNDED)
def test_a_model_has_the_count_of_its_paper_as_far_as_it_is_printed(
    model: str, dataset: Any, words: tuple[Any, ...], what: str, unit: float, published: float
) -> None:
    digits = len(str(published).partition('.')[2])
    counted = total(model, dataset, words)[what] / unit * 10**digits
    assert round(published * 10**digits) in (round(counted), math.floor(counted))
