r"""Which of our layers a layer of another framework's file is: the mapping files in `models/import/`, and what they do.

    layers:
        block(\d)_conv(\d): conv{1}_{2}         regular expression of their whole name: our name, {1} its first group
        fc(\d): fc{1+5}                         the first group as a number, plus five
        normalization: null                     no layer of ours; the first expression that matches holds
        conv2d(_\d+)?:                          in the order of their numbers, whatever the first is:
            - stem
            - b{1,2}/{x,y}                      b1/x, b1/y, b2/x, b2/y
    reverse_input_channels: [conv1_1]           our layers that get their kernel for BGR images, and see RGB ones
    application: VGG16                          in keras.applications: knows the names of layers that a file only numbers

Their variables become ours: kernel weights (or depthwise_weights), bias biases, gamma, beta and so on BatchNorm/...;
the bias of a convolution whose batch norm takes it away again goes into the moving mean.
"""

import itertools
import pathlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

from mayo.checkpoint.keras_file import Layers
from mayo.util.errors import Problems, UserError, did_you_mean
from mayo.util.files import shown

_KEYS = ('layers', 'reverse_input_channels', 'application')
_GROUP = re.compile(r'\{(\d+)([+-]\d+)?\}')
_BRACES = re.compile(r'\{([^{}]*)\}')
_NUMBER = re.compile(r'(.*?)(?:_(\d+))?')
_VARIABLES = {'kernel': 'weights', 'depthwise_kernel': 'depthwise_weights', 'bias': 'biases'} | {
    name: f'BatchNorm/{name}' for name in ('gamma', 'beta', 'moving_mean', 'moving_variance')
}
_MAYO = re.compile(r'(.+?)/((?:BatchNorm|gate)/.+|[^/]+)')


@dataclass(frozen=True)
class Rule:
    """Their name, as a regular expression, and ours: a template, or for theirs in order; None and nothing for no layer."""

    pattern: re.Pattern[str]
    template: str | None = None
    in_order: tuple[str, ...] = ()


@dataclass(frozen=True)
class LayerMap:
    """What a mapping file says."""

    where: str
    rules: tuple[Rule, ...]
    reverse_input_channels: tuple[str, ...] = ()
    application: str | None = None

    def renamed(self, theirs: Iterable[str]) -> dict[str, str | None]:
        """Our name of each of `theirs`, or None for one to be left out; one that no rule knows has none."""
        names: dict[str, str | None] = {}
        in_order: dict[tuple[int, str], list[tuple[int, str]]] = {}
        for name in theirs:
            for index, rule in enumerate(self.rules):
                match = rule.pattern.fullmatch(name)
                if match and rule.in_order:
                    stem, number = _numbered(name)
                    in_order.setdefault((index, stem), []).append((number, name))
                elif match:
                    names[name] = rule.template and _filled(rule.template, match)
                if match:
                    break
        for (index, _), numbered in in_order.items():
            names |= dict(zip([name for _, name in sorted(numbered)], self.rules[index].in_order, strict=False))
        return names


def _numbered(name: str) -> tuple[str, int]:
    match = _NUMBER.fullmatch(name)
    return (match[1], int(match[2] or 0)) if match else (name, 0)


def _filled(template: str, match: re.Match[str]) -> str:
    r"""The template with the groups of the match in it.

    >>> _filled('b{1+1}/{2}', re.fullmatch(r'block_(\d+)_(.*)', 'block_15_expand'))
    'b16/expand'
    """

    def value(group: re.Match[str]) -> str:
        text = match[int(group[1])] or ''
        return str(int(text) + int(group[2])) if group[2] else text

    return _GROUP.sub(value, template)


def expanded(text: str) -> list[str]:
    """Every text that braces stand for, as in a shell.

    >>> expanded('b{1,2}/{a,b}')
    ['b1/a', 'b1/b', 'b2/a', 'b2/b']
    """
    parts = [part.split(',') if index % 2 else [part] for index, part in enumerate(_BRACES.split(text))]
    return [''.join(chosen) for chosen in itertools.product(*parts)]


def read_map(path: pathlib.Path) -> LayerMap:
    """The mapping file `path`. UserError with everything that is wrong with it."""
    where = shown(path)
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f'{where}: not valid YAML: {" ".join(str(error).split())}.') from None
    if not isinstance(content, dict) or not isinstance(content.get('layers'), dict):
        raise UserError(f'{where}: no mapping of layers, expected `layers:` and below it lines THEIR_NAME: OUR_NAME.')
    problems = Problems(
        f'{where}: unknown key `{key}`{did_you_mean(str(key), _KEYS) or "; known: " + ", ".join(_KEYS) + "."}'
        for key in content
        if key not in _KEYS
    )
    rules = []
    for pattern, ours in content['layers'].items():
        with problems.collecting():
            rules.append(_rule(f'{where}: layers.{pattern}', pattern, ours))
    reverse = content.get('reverse_input_channels') or []
    if not _are_names(reverse):
        problems.append(f'{where}: reverse_input_channels is {reverse!r}, expected a list of our layers.')
    application = content.get('application')
    if not isinstance(application, str | None):
        problems.append(f'{where}: application is {application!r}, expected a name in keras.applications.')
    problems.raise_any()
    return LayerMap(where, tuple(rules), tuple(reverse), application)


def _rule(where: str, pattern: Any, ours: Any) -> Rule:
    try:
        compiled = re.compile(str(pattern))
    except re.error as error:
        raise UserError(f'{where}: no regular expression: {error}.') from None
    if isinstance(ours, list) and _are_names(ours):
        return Rule(compiled, in_order=tuple(itertools.chain.from_iterable(map(expanded, ours))))
    if ours is not None and not isinstance(ours, str):
        raise UserError(f'{where} is {ours!r}, expected the name of a layer of ours, a list of them, or null.')
    groups = [int(group[1]) for group in _GROUP.finditer(ours or '')]
    if groups and max(groups) > compiled.groups:
        raise UserError(f'{where}: {ours} names group {max(groups)}, but the expression has {compiled.groups}.')
    return Rule(compiled, ours)


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def by_layer(tensors: Mapping[str, np.ndarray]) -> Layers:
    """The tensors of a bundle as those of a file of layers: vgg_16/conv1/weights is the variable weights of vgg_16/conv1."""
    layers: Layers = {}
    for name, value in tensors.items():
        match = _MAYO.fullmatch(name)
        layer, variable = (match[1], match[2]) if match else ('', name)
        layers.setdefault(layer, {})[variable] = value
    return layers


def translated(layers: Layers, layer_map: LayerMap, model: str, wanted: Collection[str]) -> dict[str, np.ndarray]:
    """The tensors of `layers` under our names; one without a layer of ours keeps its own.

    wanted: names of the network's variables, with the model's before them.
    """
    names = layer_map.renamed(layers)
    tensors: dict[str, np.ndarray] = {}
    sources: dict[str, str] = {}
    for theirs, variables in layers.items():
        ours = names.get(theirs, '')
        for variable, value in variables.items() if ours is not None else ():
            name = _our_name(f'{model}/{ours}', variable, wanted) if ours else '/'.join(filter(None, (theirs, variable)))
            if name in tensors:
                raise UserError(f'{layer_map.where}: {sources[name]} and {theirs} are both {ours}.')
            tensors[name], sources[name] = value, theirs
    for layer in layer_map.reverse_input_channels:
        kernel = f'{model}/{layer}/weights'
        if kernel in tensors:
            tensors[kernel] = tensors[kernel][:, :, ::-1]
    return dict(_without_biases_before_norm(tensors, wanted))


def _our_name(layer: str, variable: str, wanted: Collection[str]) -> str:
    if variable == 'kernel' and f'{layer}/depthwise_weights' in wanted:
        return f'{layer}/depthwise_weights'
    return f'{layer}/{_VARIABLES.get(variable, variable)}'


def _without_biases_before_norm(tensors: Mapping[str, np.ndarray], wanted: Collection[str]) -> Iterator[tuple[str, np.ndarray]]:
    """norm(conv(x) + bias) has the moving mean m that norm(conv(x)) has with m - bias."""

    def folded(layer: str) -> bool:
        return f'{layer}/biases' in tensors and f'{layer}/biases' not in wanted and f'{layer}/BatchNorm/moving_mean' in tensors

    for name, value in tensors.items():
        if name.endswith('/BatchNorm/moving_mean') and folded(layer := name.removesuffix('/BatchNorm/moving_mean')):
            yield name, value - tensors[f'{layer}/biases']
        elif not (name.endswith('/biases') and folded(name.removesuffix('/biases'))):
            yield name, value
