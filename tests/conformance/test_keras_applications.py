"""Models of the zoo against Keras Applications: the same layers with weights, and the same logits from the same weights."""
import pathlib
from collections import Counter

import keras
import numpy as np
import pytest

from mayo.config import Config
from mayo.estimate import estimate
from mayo.session.info import info
from mayo.session.spec import input_shape, model_graph

ROOT = pathlib.Path(__file__).parents[2]
MODELS = {      # name: Keras's, with its published number of parameters: https://keras.io/api/applications
    'vgg16': ('VGG16', 138_357_544),
    'resnet50': ('ResNet50', 25_636_712),
    'inception_v3': ('InceptionV3', 23_851_784),
    'mobilenet': ('MobileNet', 4_253_864),
    'mobilenet_v2': ('MobileNetV2', 3_538_984),
    'mobilenet_v3_large': ('MobileNetV3Large', 5_507_432),
    'efficientnet_b0': ('EfficientNetB0', 5_330_571),
    'densenet121': ('DenseNet121', 8_062_504),
}
MORE = {        # parameters of Keras's model that ours does without
    'resnet50': 26_560,         # biases in front of batch norm, which takes them away
    'efficientnet_b0': 7,       # the preprocessing of images
}
