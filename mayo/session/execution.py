"""How the network runs when it does not train: masked, as in training, or compact, where suppressed channels cost nothing.

    system.execution    compact     an error where compact execution cannot serve a layer
                        masked      everything is computed, then multiplied by the mask
                        auto        compact where it can serve every layer, else masked, saying why

    system.engine       native      our own engine, in C, runs compact networks
                        tensorflow  operations of TensorFlow do
                        auto        native where it was built and there is no GPU

Compact execution computes in float32, whatever system.precision says of training; of a checkpoint that `quantize` wrote, the
layers that have ranges compute in int8, also where there are no gates. docs/precision.md
"""

import logging
from collections.abc import Callable

import tensorflow as tf

from mayo.net.gates import gates_of, varying
from mayo.net.tf.compact import Program, lower, unsupported
from mayo.net.tf.compact.narrow import multiplying, narrowed
from mayo.net.tf.engines import engines
from mayo.net.tf.engines.base import Compact
from mayo.session.base import Session
from mayo.util.errors import UserError

_log = logging.getLogger(__name__)
Run = Callable[[tf.Tensor], tuple[tf.Tensor, dict[str, tf.Tensor]]]  # to the outputs, and the mask of each gated layer


def execution_of(session: Session) -> str:
    """`compact` or `masked`; a dense network is `masked`, unless it is quantized.

    Errors: UserError where system.execution is `compact` and a layer cannot be, with each layer and the reason.
    """
    wanted = session.config.get('system.execution')
    if wanted == 'masked' and session.quantized:
        _log.info('masked execution computes in float32: the ranges of %s are for compact execution', session.weights)
    if wanted == 'masked' or not (gates_of(session.graph) or session.quantized):
        return 'masked'
    reasons = unsupported(session.graph) or _refused_by_all(session)
    if reasons and wanted == 'compact':
        raise UserError('\n'.join([f'{session.config.origin("system.execution")}: system.execution is compact, but', *reasons]))
    for reason in reasons:
        _log.info('masked execution: %s', reason)
    return 'masked' if reasons else 'compact'


def runner(session: Session, execution: str) -> Run:
    """A function of images [N, H, W, C] to the outputs and each gated layer's mask; weights as they are now.

    masks: [N, C], or [N, H, C] with a gate for each row; true, or 1, where a channel is active.

    The masked one follows the weights; the compact one holds them as constants.
    """
    network = session.network
    if execution == 'compact':
        return _compact(session)

    def masked(images: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        outputs, stats = network(images, training=False)
        return outputs, {name: stat.mask for name, stat in stats.items()}

    return masked


def _compact(session: Session) -> Run:
    """The compact network in the engine that system.engine says; auto: the one of largest preference that can.

    Errors: UserError where an engine is asked for that was not built, or cannot run the network.
    """
    return compact_runner(session, program_of(session))


def program_of(session: Session) -> Program:
    """The operations of the compact network; those of layers with ranges in int8."""
    program = lower(session.network, session.input_shape)
    if not session.quantized:
        return program
    wide = {operation.output: 'float32' for operation in multiplying(program) if operation.output not in session.quantized}
    return narrowed(program, 'int8', session.quantized, wide)


def compact_runner(session: Session, program: Program) -> Run:
    """`program` in the engine that system.engine says. Errors: as `runner`."""
    wanted = session.config.get('system.engine')
    if wanted != 'auto' and (reasons := _candidates(session)[wanted].reasons(program)):
        raise UserError('\n'.join([f'{session.config.origin("system.engine")}: system.engine is {wanted}, but', *reasons]))
    return next(compact.run(program) for compact in _candidates(session).values() if not compact.reasons(program))


def _candidates(session: Session) -> dict[str, Compact]:
    """The engines that may run it here, or the one that system.engine says; the preferred first."""
    wanted, able = session.config.get('system.engine'), {name: engines[name].compact for name in engines}
    if wanted != 'auto':
        return {name: compact for name, compact in able.items() if compact is not None and name == wanted}
    has_gpu = bool(tf.config.list_physical_devices('GPU'))
    here = {name: compact for name, compact in able.items() if compact is not None and (compact.on_gpu or not has_gpu)}
    return dict(sorted(here.items(), key=lambda item: item[1].preference, reverse=True))


def _refused_by_all(session: Session) -> list[str]:
    """Why no engine here runs the network where the number of active channels varies; of others TensorFlow runs all."""
    if not varying(session.graph):
        return []
    program = lower(session.network, session.input_shape)
    refusals = [compact.reasons(program) for compact in _candidates(session).values()]
    return [reason for reasons in refusals for reason in reasons] if all(refusals) else []
