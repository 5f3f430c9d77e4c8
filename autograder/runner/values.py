"""Values of a student's notebook, as data.

``to_wire`` turns live objects into plain data and is the only code that looks at a student's
objects; it runs in the student's process and looks at exact types, so that a subclass or an
object with its own ``__eq__`` or ``__torch_function__`` never takes part. ``from_wire`` turns
that data into the records below on the trusted side, where nothing of the student's runs, and
``to_live`` makes the arguments of a call in the student's process.

Wire form: ``None``, ``bool``, ``int`` (64 bits), ``float``, ``str`` and ``bytes`` stand for
themselves; everything else is a list whose first item is a tag.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch

from autograder.runner.wire import WireError

MAX_DEPTH: Final = 24
"""Containers nested deeper than this travel as an opaque type name."""
MAX_ITEMS: Final = 20_000
"""Containers with more items than this travel as an opaque type name."""
MAX_BYTES: Final = 32 * 1024 * 1024
"""Tensors, arrays, strings and bytes above this size travel as an opaque type name."""
MAX_FIGURES: Final = 40
_MAX_POINTS: Final = 200_000

DTYPES: Final[Mapping[str, torch.dtype]] = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.bool,
        torch.uint8,
        torch.int8,
        torch.int16,
        torch.int32,
        torch.int64,
        torch.float16,
        torch.bfloat16,
        torch.float32,
        torch.float64,
        torch.complex64,
        torch.complex128,
    )
}
_DTYPE_NAMES: Final = {dtype: name for name, dtype in DTYPES.items()}
_ARRAY_KINDS: Final = "biufc"


@dataclass(frozen=True, eq=False)
class TensorValue:
    """A tensor of the student's, and what autograd knows of it."""

    tensor: torch.Tensor
    """Its values: a plain, detached tensor on the CPU, of the same shape and dtype."""
    device: str
    """Where it lay, as ``str(tensor.device)``: ``cpu``, ``cuda:0``."""
    requires_grad: bool
    is_leaf: bool
    grad: TensorValue | None
    """Its accumulated gradient, if any."""
    grad_fn: str | None
    """The name of the function that made it, such as ``AddBackward0``."""
    memory: int
    """The address of its first element: equal for values that share memory."""

    @property
    def dtype(self) -> torch.dtype:
        """The tensor's dtype."""
        return self.tensor.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        return tuple(self.tensor.shape)


@dataclass(frozen=True, eq=False)
class ArrayValue:
    """A NumPy array or scalar (an array of shape ``()``) of the student's."""

    array: np.ndarray[Any, Any]
    memory: int
    """The address of its first element: equal for values that share memory."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype."""
        dtype: np.dtype[Any] = self.array.dtype
        return dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return tuple(self.array.shape)


@dataclass(frozen=True, eq=False)
class LineValue:
    """A line of a matplotlib plot: float64 points and its label (empty when it has none)."""

    x: np.ndarray[Any, Any]
    y: np.ndarray[Any, Any]
    label: str


@dataclass(frozen=True, eq=False)
class AxesValue:
    """The axes of a matplotlib figure as data."""

    lines: tuple[LineValue, ...]
    title: str
    xlabel: str
    ylabel: str
    legend: tuple[str, ...]
    grid: bool
    xlim: tuple[float, float]
    ylim: tuple[float, float]


@dataclass(frozen=True, eq=False)
class FigureValue:
    """A matplotlib figure as data."""

    axes: tuple[AxesValue, ...]


@dataclass(frozen=True)
class FunctionValue:
    """Something callable in the student's namespace; call it with ``Submission.call``."""

    type_name: str


@dataclass(frozen=True)
class OpaqueValue:
    """Something that does not travel: only the name of its type is known."""

    type_name: str


Value = (
    TensorValue
    | ArrayValue
    | FigureValue
    | FunctionValue
    | OpaqueValue
    | None
    | bool
    | int
    | float
    | complex
    | str
    | bytes
    | list[Any]
    | tuple[Any, ...]
    | dict[Any, Any]
    | set[Any]
    | torch.dtype
    | torch.device
    | torch.Size
)


@dataclass(frozen=True)
class Expression:
    """A function passed to the student's code, as the source of a Python expression.

    The names ``torch`` and ``math`` are defined in it.
    """

    source: str
    function: Callable[..., Any] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Compile the expression for the trusted side."""
        compiled = eval(self.source, {"torch": torch, "math": math})  # the teacher's own text
        object.__setattr__(self, "function", compiled)


# --- live objects to the wire ----------------------------------------------------------------


def to_wire(obj: Any, depth: int = 0) -> Any:
    """Describe a live object as plain data; what cannot travel becomes an opaque type name."""
    kind = type(obj)
    if obj is None or kind is bool or kind is float:
        return obj
    encoder = _ENCODERS.get(kind)
    if encoder is None and isinstance(obj, torch.Tensor):
        encoder = _tensor_to_wire
    if encoder is None and isinstance(obj, np.generic):
        encoder = _scalar_to_wire
    if encoder is not None and depth < MAX_DEPTH:
        try:
            wire = encoder(obj, depth)
        except (RuntimeError, TypeError, ValueError, AttributeError, MemoryError):
            wire = None  # e.g. a sparse tensor, an array of objects
        if wire is not None:
            return wire
    if _is_figure(obj):
        return figure_to_wire(obj)
    return ["function" if callable(obj) else "opaque", _type_name(kind)]


def _type_name(kind: type) -> str:
    return str(type.__dict__["__qualname__"].__get__(kind))[:200]


def _int_to_wire(obj: int, depth: int) -> Any:
    if -(2**63) <= obj < 2**63:
        return obj
    return ["int", format(obj, "x")] if obj.bit_length() <= 4096 else None


def _text_to_wire(obj: str | bytes, depth: int) -> Any:
    return obj if len(obj) <= MAX_BYTES // 4 else None


def _tensor_to_wire(tensor: torch.Tensor, depth: int, with_grad: bool = True) -> Any:
    """Facts and bytes of a tensor; methods are called unbound, past any subclass's own."""
    with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
        plain = torch.Tensor.as_subclass(torch.Tensor.detach(tensor), torch.Tensor)
        if plain.dtype not in _DTYPE_NAMES or plain.layout is not torch.strided:
            return None
        if plain.numel() * plain.element_size() > MAX_BYTES:
            return None
        data = plain.cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
        grad = _attribute(tensor, "grad") if _attribute(tensor, "is_leaf") else None
        grad_fn = _attribute(tensor, "grad_fn")
        facts = {
            "dtype": _DTYPE_NAMES[plain.dtype],
            "shape": list(plain.shape),
            "data": data.view(torch.uint8).numpy().tobytes() if data.numel() else b"",
            "device": str(plain.device),
            "requires_grad": bool(_attribute(tensor, "requires_grad")),
            "is_leaf": bool(_attribute(tensor, "is_leaf")),
            "grad": _tensor_to_wire(grad, depth, False) if grad is not None and with_grad else None,
            "grad_fn": None if grad_fn is None else str(type(grad_fn).__name__)[:200],
            "memory": plain.data_ptr(),
        }
    return ["tensor", facts]


def _attribute(tensor: torch.Tensor, name: str) -> Any:
    """torch's own attribute of a tensor, whatever a subclass defines under that name."""
    return vars(torch._C.TensorBase)[name].__get__(tensor)


def _array_to_wire(array: np.ndarray[Any, Any], depth: int) -> Any:
    plain = np.asarray(array)
    if plain.dtype.kind not in _ARRAY_KINDS or plain.nbytes > MAX_BYTES:
        return None
    native = plain.dtype.newbyteorder("=")
    facts = {
        "dtype": native.str,
        "shape": list(plain.shape),
        "data": np.ascontiguousarray(plain.astype(native, copy=False)).tobytes(),
        "memory": int(plain.__array_interface__["data"][0]),
    }
    return ["array", facts]


def _scalar_to_wire(scalar: np.generic, depth: int) -> Any:
    return _array_to_wire(np.asarray(scalar), depth)


def _items_to_wire(tag: str) -> Callable[[Any, int], Any]:
    def encode(obj: Sequence[Any], depth: int) -> Any:
        if len(obj) > MAX_ITEMS:
            return None
        return [tag, [to_wire(item, depth + 1) for item in list(obj)]]

    return encode


def _dict_to_wire(obj: dict[Any, Any], depth: int) -> Any:
    if len(obj) > MAX_ITEMS:
        return None
    pairs = list(obj.items())
    return ["dict", [[to_wire(k, depth + 1), to_wire(v, depth + 1)] for k, v in pairs]]


def _expression_to_wire(obj: Expression, depth: int) -> Any:
    return ["expression", obj.source]


_ENCODERS: Final[Mapping[type, Callable[[Any, int], Any]]] = {
    int: _int_to_wire,
    str: _text_to_wire,
    bytes: _text_to_wire,
    complex: lambda obj, depth: ["complex", [obj.real, obj.imag]],
    torch.Tensor: _tensor_to_wire,
    torch.nn.Parameter: _tensor_to_wire,
    np.ndarray: _array_to_wire,
    list: _items_to_wire("list"),
    tuple: _items_to_wire("tuple"),
    set: _items_to_wire("set"),
    frozenset: _items_to_wire("set"),
    dict: _dict_to_wire,
    torch.Size: lambda obj, depth: ["size", [int(n) for n in obj]],
    torch.dtype: lambda obj, depth: ["dtype", str(obj).removeprefix("torch.")],
    torch.device: lambda obj, depth: ["device", str(obj)],
    Expression: _expression_to_wire,
}


def _is_figure(obj: Any) -> bool:
    from matplotlib.figure import Figure

    return isinstance(obj, Figure)


def figure_to_wire(figure: Any) -> Any:
    """Describe a matplotlib figure, open or closed: its axes, lines, labels, legend, grid."""
    return ["figure", [_axes_to_wire(axes) for axes in figure.axes[:50]]]


def _axes_to_wire(axes: Any) -> dict[str, Any]:
    own = axes.get_legend()
    legends = [own] if own is not None else axes.figure.legends  # fig.legend() serves all axes
    ticks = [*axes.xaxis.get_major_ticks()[:3], *axes.yaxis.get_major_ticks()[:3]]
    return {
        "lines": [_line_to_wire(line) for line in list(axes.get_lines())[:200]],
        "title": str(axes.get_title())[:500],
        "xlabel": str(axes.get_xlabel())[:500],
        "ylabel": str(axes.get_ylabel())[:500],
        "legend": [str(t.get_text())[:500] for one in legends for t in one.get_texts()],
        "grid": any(bool(tick.gridline.get_visible()) for tick in ticks),
        "xlim": [float(end) for end in axes.get_xlim()],
        "ylim": [float(end) for end in axes.get_ylim()],
    }


def _line_to_wire(line: Any) -> dict[str, Any]:
    label = str(line.get_label())
    return {
        "x": _points(line.get_xdata(orig=False)),
        "y": _points(line.get_ydata(orig=False)),
        "label": "" if label.startswith("_") else label[:500],
    }


def _points(data: Any) -> bytes:
    return np.asarray(data, dtype=np.float64).reshape(-1)[:_MAX_POINTS].tobytes()


# --- the wire to records, on the trusted side ------------------------------------------------


def from_wire(wire: Any, depth: int = 0) -> Value:
    """Read a value that came from a student's process.

    Raises:
        WireError: the data is not of the wire form, or its sizes do not agree.
    """
    if wire is None or isinstance(wire, bool | int | float | str | bytes):
        return wire
    if depth > MAX_DEPTH + 1 or not isinstance(wire, list) or len(wire) != 2:
        raise WireError("not a value")
    tag, content = wire
    decoder = _DECODERS.get(tag) if isinstance(tag, str) else None
    if decoder is None:
        raise WireError("a value of unknown kind")
    try:
        return decoder(content, depth)
    except WireError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, OverflowError) as error:
        raise WireError(f"a malformed {tag}: {type(error).__name__}") from error


def _shape_from_wire(shape: Any, item_size: int, data: Any) -> tuple[int, ...]:
    """Check that a shape is one and that the bytes are exactly what it needs."""
    if not isinstance(shape, list) or len(shape) > 64 or not isinstance(data, bytes):
        raise WireError("a malformed shape")
    if not all(type(n) is int and 0 <= n < 2**40 for n in shape):
        raise WireError("a malformed shape")
    if math.prod(shape) * item_size != len(data):
        raise WireError("the bytes do not fit the shape")
    return tuple(shape)


def _tensor_from_wire(facts: Any, depth: int) -> TensorValue:
    dtype = DTYPES[facts["dtype"]]
    shape = _shape_from_wire(facts["shape"], dtype.itemsize, facts["data"])
    grad = facts["grad"]
    if grad is not None and (depth > MAX_DEPTH or grad[0] != "tensor"):
        raise WireError("a malformed gradient")
    return TensorValue(
        tensor=_tensor_of_bytes(facts["data"], dtype, shape),
        device=_text(facts["device"]),
        requires_grad=bool(facts["requires_grad"]),
        is_leaf=bool(facts["is_leaf"]),
        grad=None if grad is None else _tensor_from_wire(grad[1], MAX_DEPTH + 1),
        grad_fn=None if facts["grad_fn"] is None else _text(facts["grad_fn"]),
        memory=int(facts["memory"]),
    )


def _tensor_of_bytes(data: bytes, dtype: torch.dtype, shape: tuple[int, ...]) -> torch.Tensor:
    if not data:
        return torch.empty(shape, dtype=dtype)
    if dtype is torch.bool:  # any other byte than 0 and 1 would be undefined
        return (torch.frombuffer(bytearray(data), dtype=torch.uint8) != 0).reshape(shape)
    return torch.frombuffer(bytearray(data), dtype=dtype).reshape(shape)


def _array_from_wire(facts: Any, depth: int) -> ArrayValue:
    dtype = np.dtype(_text(facts["dtype"]))
    if dtype.kind not in _ARRAY_KINDS:
        raise WireError("an array of objects")
    shape = _shape_from_wire(facts["shape"], dtype.itemsize, facts["data"])
    array = np.frombuffer(facts["data"], dtype=dtype).reshape(shape).copy()
    return ArrayValue(array, int(facts["memory"]))


def _items_from_wire(items: Any, depth: int) -> list[Any]:
    if not isinstance(items, list) or len(items) > MAX_ITEMS:
        raise WireError("a malformed container")
    return [from_wire(item, depth + 1) for item in items]


def _dict_from_wire(pairs: Any, depth: int) -> dict[Any, Any]:
    """A dict; entries whose key is no plain data are dropped (no grader can ask for them)."""
    if not isinstance(pairs, list) or len(pairs) > MAX_ITEMS:
        raise WireError("a malformed dict")
    result: dict[Any, Any] = {}
    for key, value in pairs:
        plain_key = from_wire(key, depth + 1)
        if isinstance(plain_key, bool | int | float | str | bytes | torch.dtype | torch.device):
            result[plain_key] = from_wire(value, depth + 1)
    return result


def _set_from_wire(items: Any, depth: int) -> set[Any]:
    plain = _items_from_wire(items, depth)
    return {item for item in plain if isinstance(item, bool | int | float | str | bytes)}


def _figure_from_wire(axes: Any, depth: int) -> FigureValue:
    return FigureValue(tuple(_axes_from_wire(facts) for facts in axes))


def _axes_from_wire(facts: Any) -> AxesValue:
    return AxesValue(
        lines=tuple(
            LineValue(_floats(line["x"]), _floats(line["y"]), _text(line["label"]))
            for line in facts["lines"]
        ),
        title=_text(facts["title"]),
        xlabel=_text(facts["xlabel"]),
        ylabel=_text(facts["ylabel"]),
        legend=tuple(_text(text) for text in facts["legend"]),
        grid=bool(facts["grid"]),
        xlim=_pair(facts["xlim"]),
        ylim=_pair(facts["ylim"]),
    )


def _floats(data: Any) -> np.ndarray[Any, Any]:
    if not isinstance(data, bytes):
        raise WireError("malformed points")
    return np.frombuffer(data, dtype=np.float64).copy()


def _pair(ends: Any) -> tuple[float, float]:
    low, high = ends
    return float(low), float(high)


def _text(text: Any) -> str:
    if not isinstance(text, str):
        raise WireError("not a text")
    return text


def _big_int(text: Any, depth: int) -> int:
    if len(_text(text)) > 1100:
        raise WireError("an integer too long")
    return int(text, 16)


_DECODERS: Final[Mapping[str, Callable[[Any, int], Value]]] = {
    "int": _big_int,
    "complex": lambda content, depth: complex(*_pair(content)),
    "tensor": _tensor_from_wire,
    "array": _array_from_wire,
    "list": _items_from_wire,
    "tuple": lambda content, depth: tuple(_items_from_wire(content, depth)),
    "set": _set_from_wire,
    "dict": _dict_from_wire,
    "size": lambda content, depth: torch.Size(_items_from_wire(content, depth)),
    "dtype": lambda content, depth: DTYPES.get(_text(content)) or OpaqueValue("torch.dtype"),
    "device": lambda content, depth: torch.device(_text(content)),
    "figure": _figure_from_wire,
    "function": lambda content, depth: FunctionValue(_text(content)),
    "opaque": lambda content, depth: OpaqueValue(_text(content)),
}


# --- the wire to live arguments, in the student's process ------------------------------------


def to_live(wire: Any) -> Any:
    """Make the argument of a call from what the trusted side sent.

    Raises:
        WireError: the data is not of the wire form.
    """
    value = wire if not isinstance(wire, list) else _live_of(wire)
    return value


def _live_of(wire: list[Any]) -> Any:
    tag, content = wire
    if tag == "expression":
        return Expression(content).function
    if tag == "list":
        return [to_live(item) for item in content]
    if tag == "tuple":
        return tuple(to_live(item) for item in content)
    if tag == "dict":
        return {to_live(key): to_live(value) for key, value in content}
    value = from_wire(wire)
    if isinstance(value, ArrayValue):
        return value.array
    return _live_tensor(value) if isinstance(value, TensorValue) else value


def _live_tensor(value: TensorValue) -> torch.Tensor:
    """A new leaf with the same values; it carries ``requires_grad`` and ``.grad``."""
    tensor = value.tensor.to(value.device)
    if value.requires_grad:
        tensor.requires_grad_()
    if value.grad is not None:
        tensor.grad = value.grad.tensor.to(value.device)
    return tensor
