"""The same from Python: the words of a command line make a model, and its methods are the actions.

    model = mayo.load('models/gate/cifarnet.yaml', 'datasets/fashion_mnist.yaml', 'system.checkpoint.load=gate50')
    model.evaluate().top1                   ./my ... system.checkpoint.load=gate50 eval
    model.info()                            ./my ... eval info
    model.predict('photos', top=3)          ./my ... predict.files=photos predict.top=3 predict
    model.train('trainers/finetune.yaml')   ./my ... trainers/finetune.yaml train

A method takes further words, which hold from then on. What it would print it returns; messages go to the log `mayo`.
A mistake is a `mayo.util.errors.UserError` with the text that the command line has.
"""

import json
import logging
import os
import pathlib
import sys
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from mayo.actions import Run, actions, checks
from mayo.actions.base import folder_of_results
from mayo.cli import process
from mayo.cli.words import kind, plan
from mayo.config import Config
from mayo.session.own_images import completed
from mayo.util.errors import UserError

if typing.TYPE_CHECKING:
    import numpy as np

    from mayo.estimate.table import Info
    from mayo.export.write import Export
    from mayo.session.evaluate import Evaluation
    from mayo.session.predict import Guess

Word = str | os.PathLike[str] | Mapping[str, Any]
_log = logging.getLogger(__name__)
_ANY = 'info'  # what of it is checked every use of a network needs


class Prediction(NamedTuple):
    """What an image is taken to be: the guesses, the most probable first. image: its path, or its number among those given."""

    image: str
    guesses: 'tuple[Guess, ...]'

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.guesses[0].label

    @property
    def probability(self) -> float:
        """Of that class, in 0..1."""
        return self.guesses[0].probability


class Model:
    """A network, its images and its weights, as words make them; `mayo.load` builds it."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words: tuple[str, ...] = ()
        self._run: Run | None = None
        self._add(words)

    @property
    def words(self) -> tuple[str, ...]:
        """The words so far: a command line up to its action."""
        return self._words

    @property
    def config(self) -> Config:
        """What the words make."""
        config = Config.default()
        for word in self._words:
            if kind(word) == 'file':
                config.merge_file(word)
            else:
                config.merge_word(word)
        return completed(config)

    def info(self) -> 'Info':
        """What each layer costs; after `evaluate`, with the densities that it measured. Shows as a table, in notebooks, too."""
        run = self._at('info')
        from mayo.actions.info import info

        return info(run.config, run.evaluation)

    def evaluate(self, *words: Word) -> 'Evaluation':
        """Top-1, top-5, loss and measured densities over the validation images."""
        self._add(_texts(words))
        run = self._at('eval')
        from mayo.session.evaluate import evaluate

        run.evaluation = evaluate(run.session)
        return run.evaluation

    def predict(self, images: 'str | os.PathLike[str] | Sequence[Any] | np.ndarray', top: int = 1) -> list[Prediction]:
        """What images are taken to be, in their order; a file once.

        images: a path, a folder, a glob, or a list of those; or decoded pictures: an array [H, W], [H, W, 1 or 3] or
        [N, H, W, 1 or 3] of uint8, a picture of Pillow, or a list of those, of any size.
        UserError: a file is not there or no image; TypeError or ValueError: an array is no picture.
        """
        if top < 1:
            raise ValueError(f'top is {top}, expected a whole number from 1 up')
        pixels = _pixels(images)
        if pixels is None:
            paths = [images] if isinstance(images, str | os.PathLike) else list(typing.cast(Iterable[Any], images))
            files = [os.fspath(path) for path in paths]
            run = self._at('predict', f'predict.files={json.dumps(files)}', f'predict.top={top}')
        else:
            run = self._at(_ANY)
        from mayo.session import predict

        result = predict.predict(run.session) if pixels is None else predict.predict_pixels(run.session, pixels, top)
        if result.unreadable:
            raise UserError('\n'.join(result.unreadable))
        return [Prediction(image, tuple(guesses)) for image, guesses in result.guesses.items()]

    def train(self, *words: Word) -> list[dict[str, float]]:
        """Train, saving checkpoints, up to train.max_epochs; what each epoch of the training reached: loss, top1, validation_top1, ..."""
        self._add(_texts(words))
        run = self._at('train')
        session = run.session
        from mayo.checkpoint import history
        from mayo.training.trainer import train

        run.evaluation = None
        train(session)
        return history.read(history.path_of(session.store.folder, session.run))

    def save(self, name: str) -> pathlib.Path:
        """Write the weights as the checkpoint `name`; where it lies."""
        return self._at('save', f'system.checkpoint.save={json.dumps(name)}').session.save(name)

    def export(self, *words: Word) -> 'Export':
        """Write the compact network as files for other programs, compared with it; which, and where."""
        self._add(_texts(words))
        run = self._at('export')
        from mayo.export.command import exported

        names, images, preprocesses, size = (
            run.config.get(f'export.{key}') for key in ('formats', 'images', 'preprocess', 'image_size')
        )
        return exported(run.session, names, folder_of_results(run.config, 'export.path', 'exports'), images, preprocesses, size)

    def __repr__(self) -> str:
        return f'mayo.load({", ".join(map(repr, self._words))})'

    def _repr_html_(self) -> str:
        """The layers table, which needs no weights."""
        return self.info()._repr_html_()

    def _add(self, words: Sequence[str]) -> None:
        """Take further words; none of them if they are not right."""
        both = (*self._words, *words)
        _check_words(both)
        self._words = both

    def _at(self, action: str, *words: str) -> Run:
        """What the action runs with, after its check. words: that hold for it alone. UserError: all that is wrong."""
        _check_backend()
        line = plan([*self._words, *words, action], list(actions), checks.problems, completed)
        config = line.steps[-1].config
        for text in dict.fromkeys(checks.warnings(config, action)):
            _log.warning('%s', text)
        self._run = self._run or Run(config, _start)
        return self._run.at(config)


def load(*words: Word) -> Model:
    """See mayo.load."""
    return Model(_texts(words))


def _texts(words: Iterable[Word]) -> list[str]:
    """Words of a command line. UserError: one is no text, path or mapping."""
    texts: list[str] = []
    for word in words:
        if isinstance(word, Mapping):
            texts += [f'{key}={json.dumps(_plain(value))}' for key, value in word.items()]
        elif isinstance(word, str | os.PathLike):
            texts.append(os.fspath(word))
        else:
            raise UserError(
                f'{word!r} is no word; expected a YAML file, a text such as key.path=value, or {{key.path: value}}.'
            )
    return texts


def _plain(value: Any) -> Any:
    """A path as text, also in lists and mappings."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _check_words(words: Sequence[str]) -> None:
    """UserError: a word is an action, or a file or a key is not right."""
    verbs = [word for word in words if kind(word) == 'action' and word in actions]
    if verbs:
        raise UserError(f'`{verbs[0]}` is an action; call a method of what mayo.load gives, such as .evaluate().')
    plan([*words, 'config'], list(actions), lambda *_: (), completed)


def _start() -> None:
    """TensorFlow, as quiet as the command line has it."""
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
    process.start_tensorflow()


def _check_backend() -> None:
    """UserError: Keras runs already, on something else than TensorFlow."""
    keras = sys.modules.get('keras')
    if keras is not None and keras.backend.backend() != 'tensorflow':
        raise UserError(
            f'Keras has started with the backend {keras.backend.backend()}, and Mayo needs tensorflow: set '
            'KERAS_BACKEND=tensorflow before Python starts.'
        )


def _pixels(images: Any) -> 'dict[str, np.ndarray] | None':
    """Decoded pictures by number; None if `images` are paths."""
    if isinstance(images, str | os.PathLike):
        return None
    import numpy as np

    if _is_pillow(images):
        images = [images]
    elif isinstance(images, np.ndarray) or hasattr(images, '__array__'):
        array = np.asarray(images)
        images = [array] if array.ndim in (2, 3) else array
        if array.ndim not in (2, 3, 4):
            raise ValueError(
                f'an array of {array.ndim} dimensions is no picture; expected [H, W], [H, W, 1 or 3] or [N, H, W, 1 or 3]'
            )
    images = list(images)
    paths = [isinstance(image, str | os.PathLike) for image in images]
    if images and all(paths):
        return None
    if any(paths):
        raise TypeError('some of the images are paths and some are not; give either')
    return {str(number): _picture(image, number) for number, image in enumerate(images)}


def _is_pillow(image: Any) -> bool:
    return hasattr(image, 'convert') and hasattr(image, 'mode')


def _picture(image: Any, number: int) -> 'np.ndarray':
    """[H, W] or [H, W, 1 or 3] uint8. Errors: TypeError, ValueError."""
    import numpy as np

    if _is_pillow(image):
        return np.asarray(image.convert('L' if image.mode in ('1', 'L') else 'RGB'))
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8:
        raise TypeError(
            f'image {number} has pixels of {pixels.dtype}, expected uint8, 0 to 255: what decoders of pictures give'
        )
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3)) or 0 in pixels.shape:
        size = ' x '.join(map(str, pixels.shape))
        raise ValueError(f'image {number} is {size}, expected height x width or height x width x 1 or 3')
    return pixels
