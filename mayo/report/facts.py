"""What report.html shows, as data: mappings, lists, numbers and texts, which the page draws in the browser.

active      share in percent of a class's images for which a channel is active, whole numbers [K][C]
bits        the channels that an image woke in a layer, '0110...'
"""

import base64
import dataclasses
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mayo.checkpoint.history import runs
from mayo.data.picture import png
from mayo.estimate import estimate
from mayo.report.heatmap import channel_order

if typing.TYPE_CHECKING:
    from mayo.session.base import Session
    from mayo.session.evaluate import Evaluation

CELLS = 20_000  # of a map of classes and channels: beyond, only the classes whose channels differ most are drawn


def facts(
    session: 'Session',
    result: 'Evaluation',
    others: Mapping[str, tuple['Session', 'Evaluation']],
    times: Sequence[Mapping[str, Any]] = (),
    images: int | None = None,
    examples: int = 24,
) -> dict[str, Any]:
    """All of it. result: of the session's weights. others: of the checkpoints beside them, by name. times: what `bench` says."""
    from mayo.session.gate_use import gate_use

    costs = estimate(session.graph, session.input_shape, result.counts)
    use = gate_use(session, images) if result.counts else None
    return {
        'title': str(session.config.get('model.description') or session.model_name),
        'dataset': str(session.config.get('dataset.description') or session.config.get('dataset.name')),
        'name': session.weights or 'random weights',
        'result': _row(session.weights or 'random weights', session, result),
        'others': [_row(name, *both) for name, both in others.items()],
        'times': list(times),
        'layers': [_layer(cost, result) for cost in costs],
        'edges': [[source, node.name] for node in session.graph for source in node.inputs],
        'inputs': list(session.graph.inputs),
        'training': runs(session.store.folder),
        'channels': _channels(use) if use else {},
        'examples': _examples(session, examples) if examples else [],
    }


def _row(name: str, session: 'Session', result: 'Evaluation') -> dict[str, Any]:
    """A network of the comparison."""
    costs = estimate(session.graph, session.input_shape, result.counts)
    return {
        'name': name,
        'precision': 'int8' if session.quantized else 'float32',
        'top1': result.top1,
        'top5': result.top5,
        'loss': result.loss,
        'images': result.images,
        'density': result.mean_density,
        'dense': sum(cost.dense for cost in costs),
        'executed': sum(cost.executed for cost in costs),
        'weights': sum(cost.weight_bytes for cost in costs),
        'spread': dataclasses.asdict(result.executed) if result.executed and result.executed.is_wide else None,
    }


def _layer(cost: Any, result: 'Evaluation') -> dict[str, Any]:
    live = result.liveliness.get(cost.name)
    return {
        'name': cost.name,
        'type': cost.type,
        'shape': str(cost.shape),
        'channels': cost.shape.dims[-1],
        'parameters': cost.trainable + cost.state,
        'dense': cost.dense,
        'executed': cost.executed,
        'density': cost.density,
        **({name: getattr(live, name) for name in ('always', 'sometimes', 'never', 'turnover')} if live else {}),
    }


def _channels(use: Any) -> dict[str, Any]:
    """Of each gated layer: how many channels every class uses and none does, and the map of those that differ."""
    layers = {}
    for layer in use.layers:
        seen = np.flatnonzero(~np.isnan(layer.active).all(1))
        active = layer.active[seen]
        order, always, never = channel_order(active)
        middle = order[always : active.shape[1] - never]
        most = max(CELLS // max(len(middle), 1), 1)
        if len(seen) > most:
            chosen = np.sort(np.argsort(-active[:, middle].var(1))[:most])
            seen, active = seen[chosen], active[chosen]
        layers[layer.name] = {
            'width': int(layer.active.shape[1]),
            'always': always,
            'never': never,
            'channels': middle.tolist(),
            'classes': [use.classes[number] for number in seen],
            'left_out': int((~np.isnan(layer.active).all(1)).sum() - len(seen)),
            'active': np.rint(100 * active[:, middle]).astype(int).tolist(),
        }
    return layers


def _examples(session: 'Session', number: int) -> list[dict[str, Any]]:
    """The first validation images of as many classes as there are: what each is taken to be, and the channels that it woke."""
    from mayo.session import data
    from mayo.session.gate_use import class_labels

    classes = class_labels(session.config)
    pixels, labels = _spread(data.data_of(session.config, 'validate'), session, number, len(classes))
    outputs, stats = session.network(pixels, training=False)
    scores = np.asarray(outputs, np.float32)
    masks = {name: _rows(np.asarray(stat.mask), len(pixels)) for name, stat in stats.items()}
    low, high = float(pixels.min()), float(pixels.max())
    rows = []
    for index, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        counts = {name: np.array([mask[index].sum()]) for name, mask in masks.items()}
        costs = {cost.name: cost for cost in estimate(session.graph, session.input_shape, counts or None)}
        guess = int(scores[index].argmax())
        rows.append(
            {
                'picture': _uri(image, low, high),
                'label': classes[int(label)],
                'guess': classes[guess],
                'executed': sum(cost.executed for cost in costs.values()),
                'layers': {
                    name: {'bits': ''.join('1' if bit else '0' for bit in mask[index] > 0), 'executed': costs[name].executed}
                    for name, mask in masks.items()
                },
            }
        )
    return rows


def _spread(source: Any, session: 'Session', number: int, classes: int) -> tuple['np.ndarray', 'np.ndarray']:
    """So many validation images of as many classes as the first thousand have, in the order of their labels."""
    from mayo.session import data

    chosen: list[tuple[int, Any]] = []
    counts = np.zeros(classes, int)
    each = -(-number // classes)
    seen = 0
    with source.reading():
        for images, labels in data.epoch_of(session.config, 'validate', data=source):
            for image, label in zip(images.numpy(), labels.numpy(), strict=True):
                if counts[label] < each and len(chosen) < number:
                    counts[label] += 1
                    chosen.append((int(label), image))
            seen += len(labels)
            if len(chosen) == number or seen >= 1000:
                break
    chosen.sort(key=lambda pair: pair[0])
    return np.stack([image for _, image in chosen]), np.array([label for label, _ in chosen])


def _rows(mask: 'np.ndarray', images: int) -> 'np.ndarray':
    """[N, C], also of a gate for each row of an image, where a channel is active in any."""
    return mask.reshape(images, -1, mask.shape[-1]).max(1)


def _uri(image: 'np.ndarray', low: float, high: float) -> str:
    """An image [H, W, C] as the network reads it as a PNG file in a link."""
    scaled = np.clip((image - low) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)
    colour = scaled[..., :3] if scaled.shape[-1] >= 3 else np.repeat(scaled[..., :1], 3, -1)
    return 'data:image/png;base64,' + base64.b64encode(png(np.ascontiguousarray(colour))).decode()


def times_of(measurements: Iterable[Any]) -> list[dict[str, Any]]:
    """Of a group of `bench`: what each mode takes, in milliseconds."""
    return [
        {
            'label': measured.label,
            'network': measured.network,
            'precision': measured.precision,
            'ms': 1000 * measured.seconds.median,
            'p5': 1000 * measured.seconds.p5,
            'p95': 1000 * measured.seconds.p95,
            'macs': measured.macs,
        }
        for measured in measurements
    ]
