"""The scripted method that gives a traced one the original's signature."""

from collections.abc import Iterator
from typing import Any

from torchship.tracing.arguments import Arguments
from torchship.tracing.structure import Structure, named_tuple, script_type


def wrapper_source(
    name: str, flat: str, arguments: Arguments, output: Structure
) -> tuple[str, dict[str, Any]]:
    """TorchScript source of the method `name` around `flat`, and the classes that it names."""
    parameters = ", ".join(
        f"{argument}: {script_type(structure)}"
        for argument, structure in zip(arguments.names, arguments.structures, strict=True)
    )
    taken = _Input()
    for argument, structure in zip(arguments.names, arguments.structures, strict=True):
        taken.take(argument, argument, structure)
    body = taken.lines
    inputs = ", ".join(f"t{i}" for i in range(len(arguments.tensors)))
    body.append(f"r = self.{flat}({inputs})")
    put_together = _Output(len(list(output.tensors())))
    expression = put_together.expression(output)
    body += put_together.lines
    body.append(f"return {expression}")
    head = f"def {name}(self, {parameters}) -> {script_type(output)}:"
    whole = Structure("tuple", items=(*arguments.structures, output))
    return "\n    ".join([head, *body]) + "\n", dict(_named_tuples(whole))


def _named_tuples(structure: Structure) -> Iterator[tuple[str, type]]:
    for item in structure.items:
        yield from _named_tuples(item)
    if structure.type_name:
        yield structure.type_name, named_tuple(structure)


def _key(structure: Structure, i: int) -> Any:
    return structure.keys[i] if structure.kind == "dict" else i


class _Input:
    """Lines that put the tensors of the arguments into t0, t1, ..., and check the rest."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._parts = 0

    def take(self, argument: str, path: str, structure: Structure) -> None:
        if structure.kind == "tensor":
            self.lines.append(f"t{structure.index} = {path}")
        elif structure.kind == "none":
            self._check(f"{path} is None", f"{argument} was traced as None")
        elif structure.kind in ("str", "int", "float", "bool"):
            value = repr(structure.value)
            self._check(f"{path} == {value}", f"{argument} was traced as {value}")
        else:
            self._take_items(argument, path, structure)

    def _take_items(self, argument: str, path: str, structure: Structure) -> None:
        count = len(structure.items)
        if structure.kind != "tuple":
            self._check(f"len({path}) == {count}", f"{argument} was traced with {count} items")
        is_mixed = structure.kind != "tuple" and script_type(structure).endswith("Any]")
        for i, item in enumerate(structure.items):
            inner = f"{path}[{_key(structure, i)!r}]"
            self.take(argument, self._refined(inner, item) if is_mixed else inner, item)

    def _refined(self, path: str, structure: Structure) -> str:
        """A name for a member that TorchScript knows nothing of, once its type was checked."""
        self._parts += 1
        name = f"part{self._parts}"
        self.lines.append(f"{name} = {path}")
        self._check(f"isinstance({name}, {script_type(structure)})", f"{path} is of another type")
        return name

    def _check(self, condition: str, message: str) -> None:
        self.lines.append(f"assert {condition}, {message!r}")


class _Output:
    """Expressions that build the result from the traced method's tensors."""

    def __init__(self, tensors: int) -> None:
        self._is_single = tensors == 1
        self.lines: list[str] = []

    def expression(self, structure: Structure) -> str:
        if structure.index >= 0:
            tensor = "r" if self._is_single else f"r[{structure.index}]"
            return tensor if structure.kind == "tensor" else f"{structure.kind}({tensor})"
        items = [self.expression(item) for item in structure.items]
        if structure.kind == "list":
            return self._list(structure, items)
        if structure.kind == "dict":
            return self._dict(structure, items)
        if structure.kind == "tuple":
            if structure.type_name:
                return f"{structure.type_name}({', '.join(items)})"
            return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
        return repr(structure.value)

    def _list(self, structure: Structure, items: list[str]) -> str:
        name = self._new(script_type(structure), "[]")
        self.lines += [f"{name}.append({item})" for item in items]
        return name

    def _dict(self, structure: Structure, items: list[str]) -> str:
        name = self._new(script_type(structure), "{}")
        self.lines += [
            f"{name}[{key!r}] = {item}" for key, item in zip(structure.keys, items, strict=True)
        ]
        return name

    def _new(self, type_name: str, empty: str) -> str:
        name = f"o{len(self.lines)}"
        self.lines.append(f"{name}: {type_name} = {empty}")
        return name
