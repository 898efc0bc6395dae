"""What the network takes images to be: labels and probabilities for image files of any size."""

import concurrent.futures
import csv
import io
import json
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf
import yaml

from mayo.data import augment, record
from mayo.data.augment import Shape
from mayo.data.files import images_of
from mayo.data.picture import Unreadable
from mayo.session.base import Session
from mayo.session.data import class_names
from mayo.session.execution import execution_of, runner
from mayo.session.steps import decoded_channels, steps_of
from mayo.util.errors import UserError
from mayo.util.format import percent, table
from mayo.util.progress import Progress


class Guess(NamedTuple):
    """A class, its number among the network's outputs, and how probable it is."""

    label: str
    number: int
    probability: float


class Predictions(NamedTuple):
    """The best guesses for each file, in order, and a line about each file that is no readable image."""

    guesses: Mapping[str, Sequence[Guess]]
    unreadable: Sequence[str]


def predict(session: Session, key: str = 'predict.files', patterns: str | Sequence[str] | None = None) -> Predictions:
    """Run the network on image files, each through the preprocessing of validation.

    key: the setting that says which; patterns: what it says, where that is not its value itself.
    Errors: UserError where a file or a glob is not there.
    """
    config = session.config
    session.load()
    files = images_of(patterns or config.get(key), f'{config.origin(key)}: {key}')
    names = _names(session)
    height, width, channels = session.input_shape.dims
    shape = height, width, channels
    steps, decoded = steps_of(config, 'validate'), decoded_channels(config, channels)
    probabilities = _classifier(session)
    guesses: dict[str, list[Guess]] = {}
    unreadable: list[str] = []
    batch_size = config.get('eval.batch_size') or config.get('system.batch_size')
    with Progress('predict', len(files), every_seconds=config.get('system.log.every_seconds')) as progress:
        for batch in _batches(files, lambda file: image_of(file, shape, steps, decoded), batch_size, unreadable):
            best = tf.math.top_k(probabilities(tf.stack(list(batch.values()))), min(config.get('predict.top'), len(names)))
            for file, values, numbers in zip(batch, best.values.numpy(), best.indices.numpy(), strict=True):
                guesses[file] = [
                    Guess(names[number], int(number), float(value)) for value, number in zip(values, numbers, strict=True)
                ]
            if progress.due():
                progress.show(len(guesses) + len(unreadable))
    return Predictions(guesses, unreadable)


def image_of(file: str, shape: Shape, steps: Sequence[Mapping[str, Any]], channels: int | None = None) -> Any:
    """What the network reads of an image file, [H, W, C]: as by validation, except that steps for images that fit get one.

    channels: of the decoded image; None: those of `shape`.
    UserError: it is no image, or the steps do not make it fit.
    """
    try:
        pixels = record.read(pathlib.Path(file).read_bytes(), channels or shape[2])
        height, width = pixels.shape[:2]
        image = augment.apply(pixels, shape, tf.zeros([2], 'int64'), augment.fitted(steps, shape, (height, width)))
    except OSError as error:
        raise UserError(f'{file} cannot be read: {error.strerror}.') from error
    except Unreadable as error:
        raise UserError(f'{file} is not a readable image: {error}.') from error
    except (tf.errors.InvalidArgumentError, ValueError) as error:
        raise UserError(f'{file} is not a readable image: {record.reason(error)}') from error
    if tuple(image.shape) != tuple(shape):
        raise UserError(
            f'{file}: the preprocessing of validation makes {"x".join(map(str, image.shape))} of it, but the '
            f'network reads {"x".join(map(str, shape))}.'
        )
    return image


def _batches(files: Sequence[str], read: Callable[[str], Any], size: int, unreadable: list[str]) -> Iterator[dict[str, Any]]:
    """Images by file, `size` at once, read by threads; what cannot be read goes to `unreadable`."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for start in range(0, len(files), size):
            some = files[start : start + size]
            batch = {}
            for file, image in zip(some, [pool.submit(read, file) for file in some], strict=True):
                try:
                    batch[file] = image.result()
                except UserError as error:
                    unreadable.append(str(error))
            if batch:
                yield batch


def _classifier(session: Session) -> Callable[[Any], Any]:
    """A function of images [N, H, W, C] to probabilities [N, classes]."""
    run = runner(session, execution_of(session))
    is_probability = session.network.is_probability

    @tf.function(input_signature=[tf.TensorSpec([None, *session.input_shape.dims])], autograph=False)
    def probabilities(images: tf.Tensor) -> tf.Tensor:
        outputs = tf.cast(run(images)[0], tf.float32)
        return outputs if is_probability else tf.nn.softmax(outputs)

    return probabilities


def _names(session: Session) -> Sequence[str]:
    """The names of the classes; their numbers where nothing names them."""
    config = session.config
    if config.get('dataset.labels') is None and config.get('dataset.prepare.classes') is None:
        return [str(number) for number in range(config.get('dataset.task.num_classes'))]
    return class_names(config)


def render(predictions: Predictions, format: str) -> str:
    """The predictions as text. format: one of FORMATS."""
    return FORMATS[format](predictions)


def _table(predictions: Predictions) -> str:
    rows = [
        [_on_a_line(file) if rank == 0 else '', guess.label, percent(guess.probability)]
        for file, guesses in predictions.guesses.items()
        for rank, guess in enumerate(guesses)
    ]
    return table(['file', 'label', 'probability'], rows, left=2) if rows else ''


def _on_a_line(file: str) -> str:
    """A name without line breaks and other control characters, which a terminal would obey."""
    return re.sub(r'[\x00-\x1f\x7f-\x9f\u2028\u2029]', lambda character: repr(character[0])[1:-1], file)


def _json(predictions: Predictions) -> str:
    """UTF-8 whatever files are called: bytes that are none stand as escaped surrogates, of which Python's os.fsencode makes them again."""
    text = json.dumps(
        [
            {'file': file, 'predictions': [guess._asdict() for guess in guesses]}
            for file, guesses in predictions.guesses.items()
        ],
        indent=2,
        ensure_ascii=False,
    )
    return re.sub('[\ud800-\udfff]', lambda surrogate: f'\\u{ord(surrogate[0]):04x}', text)


def _csv(predictions: Predictions) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(['file', 'rank', *Guess._fields])
    for file, guesses in predictions.guesses.items():
        for rank, guess in enumerate(guesses, 1):
            writer.writerow([file, rank, guess.label, guess.number, f'{guess.probability:.6f}'])
    return text.getvalue()


def _yaml(predictions: Predictions) -> str:
    """{file: its class}, as the original Mayo has it; with several guesses a list of them."""
    labels = {file: [guess.label for guess in guesses] for file, guesses in predictions.guesses.items()}
    short = {file: names[0] if len(names) == 1 else names for file, names in labels.items()}
    return yaml.safe_dump(short, sort_keys=False, allow_unicode=True)


FORMATS: dict[str, Callable[[Predictions], str]] = {'table': _table, 'json': _json, 'csv': _csv, 'yaml': _yaml}
