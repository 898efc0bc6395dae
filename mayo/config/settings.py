"""The settings that several read: of the model, the data, training, evaluation, and the machine. Each action declares its own.

`./my config` prints every setting, merged with what the words before `config` say.
"""

import importlib
import re
from collections.abc import Iterable

from mayo.config.dialect import DETECT
from mayo.util.kinds import (
    ABOVE_ZERO,
    AMOUNT,
    AMOUNT_OF_MACS,
    BELOW_ONE,
    FLAG,
    FRACTION,
    MAPPING,
    NAME,
    NUMBER,
    PATHS,
    TEXT,
    Kind,
    choice,
    choice_of,
    each,
    when,
    whole,
)
from mayo.util.settings import Section, Setting, declare


def _is_pattern(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(re.compile(value))
    except re.error:
        return False


PATTERN = when('a regular expression', _is_pattern)
DEVICES = Kind(
    '`auto`, `cpu`, or a list of numbers from 0 up, [0, 1]',
    lambda value: choice('auto', 'cpu').read(value) if isinstance(value, str) else each(whole(0)).read(value),
)
NAMES = Kind('a name, or a list of them', lambda value: (each(TEXT) if isinstance(value, list) else TEXT).read(value))


def _engines() -> Iterable[str]:
    """Those that run compact networks beside everything else: a file in mayo/net/tf/engines enters each.

    This floor has to know their names, so it looks them up on the floor above by name and not by an import statement.
    """
    engines = importlib.import_module('mayo.net.tf.engines').engines
    return [name for name in engines if engines[name].compact is not None]


def _readers() -> Iterable[str]:
    """Those of raw data sets: a file in mayo/data/prepare enters each; looked up as the engines are."""
    return list(importlib.import_module('mayo.data.prepare').readers)


_NAME_A_MODEL = 'name a model before it, e.g. models/cifarnet.yaml'
_NAME_A_DATASET = 'name a dataset before it, e.g. datasets/fashion_mnist.yaml'
_NAME_A_TRAINER = 'name a trainer before it, e.g. trainers/exponential.yaml'

declare(
    Section(
        'model',
        'the network',
        Setting('name', NAME, None, "the folder under checkpoints/ and the first part of each variable's name"),
        Setting('description', TEXT, None, 'what it is called in results'),
        Setting('layers', None, {}, 'NAME: {type: ..., ...}; the types and their keys: docs/layers.md'),
        Setting('graph', None, None, '{from: input, with: [conv0, ...], to: output}, or a list of those'),
        Setting('inputs', None, ['input'], 'the names in `graph` that images come in by'),
        Setting('outputs', None, ['output'], 'and those of the results'),
        Setting('overrider', MAPPING, {}, 'of every layer with weights that has none of its own: docs/overriders.md'),
        Setting(
            'original', FLAG, False, 'true: layers mean what they did in the original Mayo, docs/mayo.md; its files set it'
        ),
        Setting('bn', FLAG, None, 'true: with batch norm, in models that can do without, such as vgg16'),
        remedy=_NAME_A_MODEL,
        changes_session=True,
    ),
    shared=True,
)
declare(
    Section(
        'dataset',
        'images and their classes',
        Setting('name', NAME, None, 'the folder under checkpoints/MODEL/'),
        Setting('description', TEXT, None, 'what it is called in results'),
        Setting(
            'task.type',
            choice('classify', 'mayo.task.image.Classify', DETECT, 'mayo.task.image.YOLOv2'),
            'classify',
            f'or mayo.task.image.Classify, its name in the original Mayo; {DETECT}, its mayo.task.image.YOLOv2, is for `info` alone',
        ),
        Setting('task.num_classes', whole(1), None, 'outputs of the model'),
        Setting('task.background_class.has', FLAG, False, 'label 0 of the records is a background class'),
        Setting('task.background_class.use', FLAG, False, 'the model has an output for it'),
        Setting(
            'task.preprocess.shape',
            None,
            None,
            '{height: , width: , channels: } of what the network reads',
            remedy=_NAME_A_MODEL,
        ),
        Setting('task.shape', MAPPING, None, '{channels: } to decode images with; null: those that the network reads'),
        Setting('task.moment.mean', each(NUMBER), None, 'of each channel, pixels in 0..1: for steps of the original Mayo'),
        Setting('task.moment.std', each(NUMBER), None, 'deviations, likewise'),
        Setting('task.preprocess.train', None, [], 'augmentation steps on one decoded image, in order'),
        Setting('task.preprocess.validate', None, [], 'steps on an image that is not for training'),
        Setting('task.preprocess.final', None, [], 'steps after either; or {cpu: , gpu: }, as the original Mayo had them'),
        *(
            Setting(f'task.preprocess.original.{key}', FLAG, False, meaning)
            for key, meaning in (
                ('shape', 'true: the model is of the original Mayo, whose pixels are 0..1; its files set this and the next'),
                ('train', 'true: those steps are of the original Mayo, docs/mayo.md'),
                ('validate', 'likewise'),
                ('final', 'likewise'),
            )
        ),
        *(
            Setting(
                f'path.{mode}',
                PATHS,
                None,
                'TFRecord files: a path, a glob, a URL that tf.io.gfile opens, or a list of them; or a folder with images '
                'in a folder for each class; path=DIR for both: datasets/folder.yaml',
            )
            for mode in ('train', 'validate')
        ),
        Setting('holdout', BELOW_ONE, 0.1, 'share of each class that validates where both are the same folder; 0: none'),
        Setting(
            'wants',
            TEXT,
            None,
            'what is left for a word to say after the file of a dataset, as the end of a message: '
            'see datasets/folder.yaml, which leaves dataset.path=DIR',
        ),
        Setting('num_examples_per_epoch.train', whole(1), None, 'images; folders say theirs'),
        Setting('num_examples_per_epoch.validate', whole(1), None, 'images; folders say theirs'),
        Setting('labels', TEXT, None, 'text file, one class name a line, in label order'),
        Setting('prepare.type', choice_of(_readers), None, 'what `prepare` makes records of: the reader in mayo/data/prepare'),
        Setting('prepare.source', TEXT, None, "a path of the user's, before every known one"),
        Setting('prepare.instead', TEXT, None, 'the dataset file to prepare where this one selects among its records'),
        Setting('prepare.known', None, [], 'where packages put it'),
        Setting(
            'prepare.classes',
            None,
            None,
            'names in label order: a list, or a file with `FOLDER NAME` lines; null: as the source says',
        ),
        Setting('prepare.urls', None, {}, 'file name: {url: ..., sha256: ...}'),
        Setting('prepare.splits', None, {'train': None, 'validate': None}, 'what to read for each, as `type` wants it'),
        Setting('prepare.shards.train', whole(1), 8, 'files of records'),
        Setting('prepare.shards.validate', whole(1), 1, 'files of records'),
        remedy=_NAME_A_DATASET,
        changes_session=True,
    ),
    shared=True,
)
declare(
    Section(
        'train',
        'how the network learns',
        Setting('max_epochs', ABOVE_ZERO, None, 'passes over the training images'),
        Setting('optimizer', None, None, '{type: keras.optimizers.SGD, momentum: 0.9}'),
        Setting('learning_rate', None, None, 'a number, or {type: one_cycle, ...}; schedules count epochs'),
        Setting(
            'weight_decay',
            AMOUNT,
            0.0,
            'decoupled: times the learning rate, a step, off weights only (not biases, scales or gates)',
        ),
        Setting('label_smoothing', BELOW_ONE, 0.0, 'share of each target that is spread over all classes'),
        Setting('clip_norm', ABOVE_ZERO, None, 'global norm of the gradients'),
        Setting('gate_learning_rate', AMOUNT, 1.0, 'factor on the gradient step of gate variables'),
        Setting(
            'average',
            BELOW_ONE,
            None,
            "decay of the moving average of weights and batch norm's statistics that is evaluated and saved; null: none",
        ),
        Setting(
            'norm_images',
            whole(0),
            0,
            'training images over which batch norm takes its averages anew when training ends, which a short one needs; 0: none',
        ),
        Setting(
            'scale_l1',
            AMOUNT,
            0.0,
            'times the sum of |gamma| of every batch norm, added to the loss: models/override/netslim.yaml',
        ),
        Setting(
            'target_macs',
            AMOUNT_OF_MACS,
            None,
            'the loss pulls the executed MACs of images, in the mean, to so many (30M), by the thresholds of gates with '
            'gate_params.threshold learned; null: it does not',
        ),
        Setting('target_macs_weight', AMOUNT, 1.0, 'of that term of the loss'),
        Setting('trainable', PATTERN, None, 'regular expression of the variable names that train; null: all'),
        Setting('validate', FLAG, True, 'evaluate after each epoch, where dataset.path.validate is set'),
        Setting(
            'distill.checkpoint',
            NAMES,
            None,
            'another network teaches, (1 - weight) cross entropy + weight T^2 KL: its checkpoint, most often of the dense '
            'network, a name in checkpoints/MODEL/DATASET/ or a path; or a list of those: they take turns, a batch each',
        ),
        Setting('distill.mirror', FLAG, False, 'true: each has a second turn, in which it reads the images mirrored'),
        Setting('distill.weight', FRACTION, 0.5, 'of what the teacher says'),
        Setting('distill.temperature', ABOVE_ZERO, 2.0, 'T'),
        remedy=_NAME_A_TRAINER,
        changes_session=True,
    ),
    shared=True,
)
declare(
    Section(
        'eval',
        'passes over images that do not train',
        Setting('batch_size', whole(1), None, 'images at once; null: system.batch_size'),
    ),
    shared=True,
)
declare(
    Section(
        'system',
        'the machine, and where things are',
        Setting('seed', whole(0), 0, 'of fresh weights and of the order of images'),
        Setting(
            'execution',
            choice('auto', 'compact', 'masked'),
            'auto',
            'compact: suppressed channels cost nothing; masked: computed, then zeroed; auto: compact where it can',
        ),
        Setting(
            'engine',
            choice_of(_engines, 'auto'),
            'auto',
            'what runs compact networks: native, our own in C; tensorflow; auto: native if it was built',
        ),
        Setting(
            'precision',
            choice('float32', 'mixed_bfloat16', 'mixed_float16'),
            'float32',
            'float32, mixed_bfloat16 or mixed_float16',
        ),
        Setting('batch_size', whole(1), 128, 'images a step, over all replicas'),
        Setting('threads.data', whole(1), 2, 'that read images'),
        Setting('threads.intra', whole(1), None, 'within an operation; null: what TensorFlow chooses'),
        Setting('threads.inter', whole(1), None, 'of operations; null: what TensorFlow chooses'),
        Setting(
            'distribute',
            choice('auto', 'one', 'mirrored', 'multi_worker'),
            'auto',
            'which devices train; auto: several machines if TF_CONFIG names them, else every GPU, else the one device',
        ),
        Setting(
            'search_path.dataset',
            PATHS,
            ['datasets/'],
            'folders in which a path of records is looked for that is not there itself',
        ),
        *(
            Setting(
                f'search_path.checkpoint.{kind}',
                PATHS,
                None,
                f'folders with the checkpoints to {kind} of this model and dataset, the first that holds one; null: '
                'MODEL/DATASET/ in checkpoint.path',
            )
            for kind in ('load', 'save')
        ),
        Setting(
            'devices',
            DEVICES,
            'auto',
            'cpu: no GPU; [0, 1]: GPUs by number or, on a machine without any, so many parts of the processor, to try it out; '
            'auto: every device',
        ),
        Setting('checkpoint.load', TEXT, None, 'a name in checkpoints/MODEL/DATASET/, `latest`, or a path'),
        Setting(
            'checkpoint.save',
            NAME,
            None,
            'the name that `save` writes, and the start of those that `train` writes: NAME-epoch-N; null: epoch-N',
            remedy='name what it writes, e.g. system.checkpoint.save=imported',
            changes_session=False,
        ),
        Setting('checkpoint.path', TEXT, 'checkpoints', 'the folder that holds MODEL/DATASET/'),
        Setting(
            'checkpoint.resume',
            FLAG,
            False,
            'true: `train` goes on with the newest checkpoint of its run where there is one, so that the same words start and resume',
        ),
        Setting('checkpoint.strict', FLAG, True, 'a variable of the model that the file lacks is an error'),
        Setting('checkpoint.warm_start', FLAG, True, 'a dense checkpoint sets the gates of its gated model'),
        Setting('checkpoint.every_epochs', ABOVE_ZERO, 1, 'training saves that often, and when it ends or is interrupted'),
        Setting('checkpoint.every_minutes', ABOVE_ZERO, 10, 'and at least that often in time'),
        Setting('checkpoint.keep', whole(1), 3, 'checkpoints of a run that stay, besides the best'),
        Setting('shuffle_buffer', whole(0), 10000, 'images among which the next one is drawn in training'),
        Setting(
            'log.every_seconds',
            ABOVE_ZERO,
            30,
            'a line that often where standard error is not a terminal',
            changes_session=False,
        ),
        changes_session=True,
    ),
    shared=True,
)
