"""Layer types without weights. None of them costs a multiply-accumulate."""

from mayo.estimate.density import full, gathered, keeps_zero, kept, narrowest
from mayo.estimate.rules import Layer, Named, layer_types, named
from mayo.estimate.shape import Padding, Pair, Shape, clip, need_map, slide
from mayo.util.errors import UserError

SPACE = (1, 2)  # height and width of [N, H, W, C]


@layer_types.register('average_pool')
def average_pool(source: Shape, *, kernel_size: Pair | None = None, stride: Pair = (2, 2), padding: Padding = 'valid') -> Layer:
    """The mean of each window; of the whole map, [1, 1, C], without a kernel size. Padding does not count."""
    return _pool(source, kernel_size, stride, padding)


@layer_types.register('max_pool')
def max_pool(source: Shape, *, kernel_size: Pair | None = None, stride: Pair = (2, 2), padding: Padding = 'valid') -> Layer:
    """The maximum of each window; of the whole map, [1, 1, C], without a kernel size."""
    return _pool(source, kernel_size, stride, padding)


def _pool(source: Shape, kernel: Pair | None, stride: Pair, padding: Padding) -> Layer:
    need_map(source)
    if kernel is None:
        return Layer(shape=Shape((1, 1, source.channels)))
    return Layer(shape=slide(source, clip(kernel, source), stride, padding, source.channels))


@layer_types.register('reduce_mean')
def reduce_mean(source: Shape, *, axis: tuple[int, ...] = SPACE, keepdims: bool = False) -> Layer:
    """The mean over axes of [N, H, W, C]: 1 height, 2 width, 3 or -1 channels."""
    axes = _positions(axis, source)
    last = len(source.dims) - 1
    if last in axes and not keepdims:
        raise UserError('a mean over the channels needs `keepdims: true`.')
    dims = [1 if position in axes else dim for position, dim in enumerate(source.dims) if keepdims or position not in axes]
    return Layer(shape=_vector_or_map(tuple(dims)), flow=full if last in axes else kept)


@layer_types.register('squeeze')
def squeeze(source: Shape, *, axis: tuple[int, ...] = SPACE) -> Layer:
    """Height and width of 1 are dropped: [1, 1, C] becomes [C]."""
    axes = _positions(axis, source)
    if len(source.dims) - 1 in axes or any(source.dims[position] != 1 for position in axes):
        raise UserError(f'`squeeze` drops a height and width of 1, and {source} has others on axis {list(axis)}.')
    dims = tuple(dim for position, dim in enumerate(source.dims) if position not in axes)
    return Layer(shape=_vector_or_map(dims))


def _positions(axis: tuple[int, ...], source: Shape) -> set[int]:
    """Axes of [N, H, W, C] as positions in (H, W, C)."""
    rank = len(source.dims)
    positions = {rank + one if one < 0 else one - 1 for one in axis}
    if not positions <= set(range(rank)):
        raise UserError(f'axis {list(axis)} is not among those of {source}: 1 to {rank}, or -1 for the channels.')
    return positions


def _vector_or_map(dims: tuple[int, ...]) -> Shape:
    if len(dims) not in (1, 3):
        raise UserError('height and width stay or go together; name both axes, [1, 2].')
    return Shape(dims)


@layer_types.register('flatten')
def flatten(source: Shape) -> Layer:
    """[H, W, C] to [H W C]."""
    return Layer(shape=Shape((source.size,)))


@layer_types.register('space_to_depth')
def space_to_depth(source: Shape, *, block_size: int) -> Layer:
    """Each block of positions becomes one position with the channels of all."""
    need_map(source)
    height, width = source.height // block_size, source.width // block_size
    if (height * block_size, width * block_size) != (source.height, source.width):
        raise UserError(f'blocks of {block_size} do not divide a map of {source.height}x{source.width}.')
    return Layer(shape=Shape((height, width, source.channels * block_size**2)))


@layer_types.register('pad')
def pad(source: Shape, *, sides: tuple[Pair, Pair], channels: Pair = (0, 0)) -> Layer:
    """Zeros around the map: a number for all sides, [height, width], or [[top, bottom], [left, right]].

    channels: so many channels of zeros on either side of the others, a number or [before, after].
    """
    need_map(source)
    dims = (source.height + sum(sides[0]), source.width + sum(sides[1]), source.channels + sum(channels))
    return Layer(shape=Shape(dims), flow=full if any(channels) else kept)


@layer_types.register('crop')
def crop(source: Shape, *, sides: tuple[Pair, Pair]) -> Layer:
    """Positions taken off the map, as `pad` adds them."""
    need_map(source)
    height, width = source.height - sum(sides[0]), source.width - sum(sides[1])
    if height < 1 or width < 1:
        raise UserError(f'`crop` takes more off than the {source.height}x{source.width} map has.')
    return Layer(shape=Shape((height, width, source.channels)))


@layer_types.register('dropout')
def dropout(source: Shape, *, keep_prob: float = 0.5, whole: bool = False) -> Layer:
    """In training each value survives with probability `keep_prob`, divided by it; otherwise nothing happens.

    whole: all values of an image share one fate, as the residuals of https://arxiv.org/abs/1603.09382 do.
    """
    return Layer(shape=source)


@layer_types.register('identity')
def identity(source: Shape) -> Layer:
    """Its input."""
    return Layer(shape=source)


@layer_types.register('activation')
def activation(source: Shape, *, mode: Named) -> Layer:
    """relu, relu6, elu, tanh, leaky_relu, swish and hard_swish are 0 at 0; sigmoid is not."""
    return Layer(shape=source, flow=kept if keeps_zero(named('mode', mode)) else full)


@layer_types.register('softmax')
def softmax(source: Shape) -> Layer:
    """Probabilities over the channels, none of them zero."""
    return Layer(shape=source, flow=full)


@layer_types.register('local_response_normalization')
def local_response_normalization(
    source: Shape, *, depth_radius: int = 5, bias: float = 1.0, alpha: float = 1.0, beta: float = 0.5
) -> Layer:
    """x / (bias + alpha sum of x^2 over near channels)^beta, with TensorFlow's defaults: 0 stays 0."""
    need_map(source)
    return Layer(shape=source)


@layer_types.register('concat')
def concat(*sources: Shape) -> Layer:
    """The channels of all inputs, in order."""
    if len({source.dims[:-1] for source in sources}) > 1:
        raise UserError(f'inputs of {_listed(sources)} differ in more than their channels.')
    return Layer(shape=sources[0].with_channels(sum(source.channels for source in sources)), flow=gathered)


@layer_types.register('add')
def add(*sources: Shape) -> Layer:
    """The sum. Its inputs are expanded to all channels: what is zero in one is not in another."""
    return Layer(shape=_common(sources), flow=full)


@layer_types.register('mul')
def mul(*sources: Shape) -> Layer:
    """The product; an input of one position, or of one channel, multiplies all. Zero where any input is zero."""
    return Layer(shape=_common(sources), flow=narrowest)


def _common(sources: tuple[Shape, ...]) -> Shape:
    """Each dimension that of every input, or 1; a vector counts as a map of one position."""
    rank = max(len(source.dims) for source in sources)
    aligned = [(1,) * (rank - len(source.dims)) + source.dims for source in sources]
    dims = tuple(max(sizes) for sizes in zip(*aligned, strict=True))
    if any(size not in (1, dim) for one in aligned for size, dim in zip(one, dims, strict=True)):
        raise UserError(f'inputs of {_listed(sources)} do not fit together.')
    return Shape(dims)


def _listed(sources: tuple[Shape, ...]) -> str:
    return ' and '.join(map(str, sources))
