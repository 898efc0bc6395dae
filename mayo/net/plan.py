"""The work of `build_graph`: entries place layers and name values, which are then put in order."""

import graphlib
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mayo.config.node import join_key
from mayo.net.scope import Entry, Ref, Scope, brief, module_scope, substitute, without_scratch
from mayo.util.errors import Problems, UserError, did_you_mean


@dataclass(frozen=True)
class Placed:
    """A layer with a place in the graph. key: its dotted configuration key."""

    type: str
    params: dict[str, Any]
    key: str


class Plan:
    """Every vertex with what it comes from, gathered entry by entry. `problems` holds what is wrong."""

    def __init__(self, where: Callable[[str], str], of_original: bool = False) -> None:
        self.where, self.of_original = where, of_original
        self.problems = Problems()
        self.sources: dict[Ref, tuple[Ref, ...]] = {}
        self.placed: dict[Ref, Placed] = {}
        self.idle: dict[
            str, list[str]
        ] = {}  # the keys of layers that no entry places, with the names of those placed beside it

    def say(self, key: str) -> str:
        """The start of a message about a configuration key: 'models/x.yaml:41: model.layers.conv0'."""
        place = self.where(key)
        return f'{place}: {key}' if place else key

    def place(self, scope: Scope) -> None:
        """Enter what the entries of the scope's graph place and name."""
        where = self.say(f'{scope.key}.graph')
        if not isinstance(scope.layers, Mapping):
            key = f'{scope.key}.layers'
            self.problems.append(f'{self.say(key)} is {brief(scope.layers)}, expected a mapping of layers.')
            return
        entries = self._entries(scope)
        named = [name for entry in entries for name in entry.to]
        for name in dict.fromkeys(named):
            if named.count(name) > 1 or name in scope.inputs:
                self.problems.append(f'{where}: `to: {name}` names a value that exists already.')
        layers = {name for entry in entries for name in entry.through}
        for name, params in scope.params.items() if entries else ():
            if name not in layers and params is not None:  # null takes a layer of an imported file away
                self.idle[f'{scope.key}.layers.{join_key([name])}'] = sorted(layers)
        for entry in entries:
            with self.problems.collecting():
                self._place_entry(scope, entry, {*scope.inputs, *named}, layers)
        for name in scope.outputs:
            if scope.value(name) not in self.sources and name not in named:
                hint = did_you_mean(name, named) or f'; add `to: {name}` to the entry that gives it.'
                self.problems.append(f'{where}: nothing gives the output `{name}`{hint}')

    def _entries(self, scope: Scope) -> list[Entry]:
        """The graph's entries, checked and with `^(name)` replaced."""
        key, graph = f'{scope.key}.graph', scope.graph
        entries = [graph] if isinstance(graph, Mapping) else graph
        if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
            self.problems.append(
                f'{self.say(key)} is {brief(graph)}, expected {{from: input, with: [...], to: output}} or a list of those.'
            )
            return []
        checked = []
        for position, entry in enumerate(entries):
            with self.problems.collecting():
                where = self.say(key if entry is graph else f'{key}.{position}')
                checked.append(Entry.read(substitute(entry, scope.arguments, where), where))
        return checked

    def _place_entry(self, scope: Scope, entry: Entry, values: set[str], layers: set[str]) -> None:
        """Send the values that the entry starts from through its layers, and name what comes out."""
        for name in entry.source:
            if name not in values and name not in layers:
                hint = did_you_mean(name, values | layers) or f'; values: {", ".join(sorted(values))}.'
                raise UserError(f'{entry.where}: `from: {name}` is not a value of this graph{hint}')
        refs = [scope.value(name) if name in values else scope.layer(name) for name in entry.source]
        for name in entry.through:
            refs = self._send(scope, name, refs, entry.where)
        if len(refs) == 1:
            refs = refs * len(entry.to)
        if len(refs) != len(entry.to):
            raise UserError(
                f'{entry.where}: {len(refs)} values, but {len(entry.to)} names in `to`; '
                'name each, or join them with a layer such as concat or add.'
            )
        for name, ref in zip(entry.to, refs, strict=True):
            self.sources.setdefault(scope.value(name), (ref,))

    def _send(self, scope: Scope, name: str, refs: list[Ref], where: str) -> list[Ref]:
        """Place the layer `name` after `refs`; what comes out of it."""
        layers = scope.params
        if name not in layers:
            hint = did_you_mean(name, layers) or f'; layers: {", ".join(layers) or "none"}.'
            raise UserError(f'{where}: `with` places `{name}`, which is no layer{hint}')
        ref = scope.layer(name)
        if ref in self.sources:
            raise UserError(
                f'{where}: the layer `{name}` is placed twice; a layer has one place, give the second another name.'
            )
        key = f'{scope.key}.layers.' + name.replace('.', '\\.')
        params = layers[name]
        if not isinstance(params, Mapping) or not isinstance(params.get('type'), str):
            raise UserError(f'{self.say(key)} is {brief(params)}, expected a mapping with a `type`.')
        self.sources[ref] = tuple(refs)
        kind = substitute(params['type'], scope.arguments, self.say(key))
        if kind == 'module':
            return self._send_module(scope, ref, key, params)
        params = substitute(without_scratch(params), scope.arguments, self.say(key))
        del params['type']
        self.placed[ref] = Placed(kind, params, key)
        return [ref]

    def _send_module(self, outer: Scope, ref: Ref, key: str, params: Mapping[str, Any]) -> list[Ref]:
        """Place what is inside a module, each name behind the module's own; its outputs."""
        where = self.say(key)
        scope = module_scope(outer, ref.name, key, params, where, strict=not self.of_original)
        refs = self.sources[ref]
        if len(refs) != len(scope.inputs):
            raise UserError(f'{where}: a module of {len(scope.inputs)} inputs ({", ".join(scope.inputs)}) gets {len(refs)}.')
        for name, source in zip(scope.inputs, refs, strict=True):
            self.sources[scope.value(name)] = (source,)
        self.place(scope)
        results = [scope.value(name) for name in scope.outputs]
        self.sources[ref] = (results[0],)  # `from: MODULE` means its first output
        return results

    def ordered(self) -> Iterator[Ref]:
        """Every vertex after its sources; among those that are ready, the first placed first."""
        sorter = graphlib.TopologicalSorter(self.sources)
        try:
            sorter.prepare()
        except graphlib.CycleError as error:
            cycle = ' -> '.join(ref.name for ref in error.args[1])
            raise UserError(f'{self.say("model.graph")} has a cycle: {cycle}; a value cannot depend on itself.') from None
        rank = {ref: position for position, ref in enumerate(self.sources)}
        ready: list[tuple[int, Ref]] = []
        while sorter.is_active():
            for ref in sorter.get_ready():
                heapq.heappush(ready, (rank.get(ref, -1), ref))
            _, ref = heapq.heappop(ready)
            sorter.done(ref)
            yield ref

    def needed(self, outputs: list[Ref]) -> set[Ref]:
        """Every vertex that an output comes from."""
        reached: set[Ref] = set()
        waiting = list(outputs)
        while waiting:
            ref = waiting.pop()
            if ref not in reached:
                reached.add(ref)
                waiting += self.sources.get(ref, ())
        return reached
