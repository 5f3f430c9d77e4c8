"""Values of a student's notebook, as data.

``to_wire`` turns live objects into plain data and is the only code that looks at a student's
objects; it runs in the student's process and takes a subclass for what it derives from, so that
its own ``__eq__`` or ``__torch_function__`` never takes part. ``from_wire`` turns
that data into the records below on the trusted side, where nothing of the student's runs, and
``to_live`` makes the arguments of a call in the student's process.

Wire form: ``None``, ``bool``, ``int`` (64 bits), ``float``, ``str`` and ``bytes`` stand for
themselves; everything else is a list whose first item is a tag.

``from_wire`` trusts nothing that it reads: every size, number and text is checked or clipped
before anything is made of it, and whatever is wrong is a ``WireError``. What it allocates is at
most 48 bytes for each byte of the frame's header and 2 for each byte of its buffers; with
``wire.unpack`` before it that makes 96 and 8, whatever the frame claims.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch

from autograder.runner.events import valid_text
from autograder.runner.wire import WireError

MAX_DEPTH: Final = 24
"""Containers nested deeper than this travel as an opaque type name."""
MAX_ITEMS: Final = 20_000
"""Containers with more items than this travel as an opaque type name."""
MAX_BYTES: Final = 32 * 1024 * 1024
"""Tensors, arrays, strings and bytes above this size travel as an opaque type name."""
MAX_FIGURES: Final = 40
MAX_AXES: Final = 50
"""Axes of one figure that travel."""
MAX_LINES: Final = 200
"""Lines, and texts of the legend, of one axes that travel."""
_MAX_POINTS: Final = 200_000
_MAX_NAME: Final = 200
_MAX_LABEL: Final = 500
_MAX_DEVICE: Final = 40
_MAX_BITS: Final = 4096
_MAX_COLLISIONS: Final = 32

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
_ARRAY_DTYPE: Final = re.compile(f"[<>=|]?[{_ARRAY_KINDS}][0-9]{{1,2}}")
_HEXADECIMAL: Final = re.compile(f"-?[0-9a-f]{{1,{_MAX_BITS // 4}}}")


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
    strides: tuple[int, ...] | None = None
    """How far apart its elements lie, where they do not follow each other in memory."""

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


@dataclass(frozen=True, eq=False)
class OnDevice:
    """A tensor passed to the student's code, which gets it on a device: ``"cuda"``, ``"cuda:0"``.

    Where there are graders there is no such device, so they hold the tensor on the CPU.
    """

    tensor: torch.Tensor
    device: str


# --- live objects to the wire ----------------------------------------------------------------


def to_wire(obj: Any, depth: int = 0) -> Any:
    """Describe a live object as plain data; what cannot travel becomes an opaque type name."""
    kind = type(obj)
    if obj is None or kind is bool or kind is float:
        return obj
    encoder = _ENCODERS.get(kind)
    if encoder is None:
        encoder = next((own for base, own in _OF_SUBCLASSES.items() if isinstance(obj, base)), None)
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


def opaque(wire: Any) -> Any:
    """What stands for a value in its wire form that is too large to travel."""
    return ["opaque", wire[0] if isinstance(wire, list) else type(wire).__name__]


def _type_name(kind: type) -> str:
    return str(type.__dict__["__qualname__"].__get__(kind))[:_MAX_NAME]


def _int_to_wire(obj: int, depth: int) -> Any:
    if -(2**63) <= obj < 2**63:
        return obj
    return ["int", format(obj, "x")] if obj.bit_length() <= _MAX_BITS else None


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
        if data.stride() != (1,):  # one element counts as contiguous whatever its stride
            data = data.clone(memory_format=torch.contiguous_format)
        has_grad = _attribute(tensor, "is_leaf") or _attribute(tensor, "retains_grad")
        grad = _attribute(tensor, "grad") if has_grad else None
        grad_fn = _attribute(tensor, "grad_fn")
        facts = {
            "dtype": _DTYPE_NAMES[plain.dtype],
            "shape": list(plain.shape),
            "data": data.view(torch.uint8).numpy().tobytes() if data.numel() else b"",
            "device": str(plain.device),
            "requires_grad": bool(_attribute(tensor, "requires_grad")),
            "is_leaf": bool(_attribute(tensor, "is_leaf")),
            "grad": _tensor_to_wire(grad, depth, False) if grad is not None and with_grad else None,
            "grad_fn": None if grad_fn is None else str(type(grad_fn).__name__)[:_MAX_NAME],
            "memory": plain.data_ptr(),
            "strides": _strides_to_wire(plain),
        }
    return ["tensor", facts]


def _placed_to_wire(placed: OnDevice, depth: int) -> Any:
    wire = _tensor_to_wire(placed.tensor, depth)
    if wire is not None:
        wire[1]["device"] = placed.device
    return wire


def _strides_to_wire(plain: torch.Tensor) -> list[int] | None:
    """The strides, unless elements follow each other or share memory."""
    extent = 1
    for stride, size in sorted(zip(plain.stride(), plain.shape, strict=True)):
        if size > 1 and stride < extent:
            return None
        extent += stride * (size - 1)
    return None if plain.is_contiguous() else list(plain.stride())


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
    OnDevice: _placed_to_wire,
}

_OF_SUBCLASSES: Final[Mapping[type, Callable[[Any, int], Any]]] = {
    torch.Tensor: _tensor_to_wire,
    np.str_: lambda obj, depth: to_wire(str.__add__("", obj), depth),
    np.bytes_: lambda obj, depth: to_wire(bytes.__add__(b"", obj), depth),
    np.generic: _scalar_to_wire,
    np.ndarray: _array_to_wire,
    dict: lambda obj, depth: _dict_to_wire(dict(dict.items(obj)), depth),
    list: lambda obj, depth: to_wire(list(list.__iter__(obj)), depth),
    tuple: lambda obj, depth: to_wire(tuple(tuple.__iter__(obj)), depth),
    set: lambda obj, depth: to_wire(set(set.__iter__(obj)), depth),
    frozenset: lambda obj, depth: to_wire(set(frozenset.__iter__(obj)), depth),
    str: lambda obj, depth: to_wire(str.__add__("", obj), depth),
    bytes: lambda obj, depth: to_wire(bytes.__add__(b"", obj), depth),
    int: lambda obj, depth: to_wire(int.__add__(obj, 0), depth),
    float: lambda obj, depth: float.__add__(obj, -0.0),
}
"""An ``OrderedDict``, a named tuple or a ``np.matrix`` is as good as what it derives from.

Methods are called unbound, past any of the subclass's own.
"""


def _is_figure(obj: Any) -> bool:
    from matplotlib.figure import Figure

    return isinstance(obj, Figure)


def figure_to_wire(figure: Any) -> Any:
    """Describe a matplotlib figure, open or closed: its axes, lines, labels, legend, grid."""
    return ["figure", [_axes_to_wire(axes) for axes in figure.axes[:MAX_AXES]]]


def _axes_to_wire(axes: Any) -> dict[str, Any]:
    own = axes.get_legend()
    legends = [own] if own is not None else axes.figure.legends  # fig.legend() serves all axes
    ticks = [*axes.xaxis.get_major_ticks()[:3], *axes.yaxis.get_major_ticks()[:3]]
    texts = [text for one in legends for text in one.get_texts()]
    return {
        "lines": [_line_to_wire(line) for line in list(axes.get_lines())[:MAX_LINES]],
        "title": str(axes.get_title())[:_MAX_LABEL],
        "xlabel": str(axes.get_xlabel() or axes.figure.get_supxlabel())[:_MAX_LABEL],
        "ylabel": str(axes.get_ylabel() or axes.figure.get_supylabel())[:_MAX_LABEL],
        "legend": [str(text.get_text())[:_MAX_LABEL] for text in texts[:MAX_LINES]],
        "grid": any(bool(tick.gridline.get_visible()) for tick in ticks),
        "xlim": [float(end) for end in axes.get_xlim()],
        "ylim": [float(end) for end in axes.get_ylim()],
    }


def _line_to_wire(line: Any) -> dict[str, Any]:
    label = str(line.get_label())
    return {
        "x": _points(line.get_xdata(orig=False)),
        "y": _points(line.get_ydata(orig=False)),
        "label": "" if label.startswith("_") else label[:_MAX_LABEL],
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
    except Exception as error:  # whatever a library says of data that nobody should send
        raise WireError(f"a malformed {tag}: {type(error).__name__}") from error


def _list(items: Any, most: int = MAX_ITEMS) -> list[Any]:
    if not isinstance(items, list) or len(items) > most:
        raise WireError("not a list, or one too long")
    return items


def _text(text: Any, most: int) -> str:
    """A text, clipped, that any file can hold."""
    if not isinstance(text, str):
        raise WireError("not a text")
    return valid_text(text, most)


def _bool(flag: Any) -> bool:
    if not isinstance(flag, bool):
        raise WireError("not a truth value")
    return flag


def _int(number: Any, low: int, high: int) -> int:
    """An int from ``low`` up to, not including, ``high``."""
    if type(number) is not int or not low <= number < high:
        raise WireError("not an integer, or one out of range")
    return number


def _pair(ends: Any) -> tuple[float, float]:
    low, high = _list(ends, 2)
    if type(low) not in (int, float) or type(high) not in (int, float):
        raise WireError("not a pair of numbers")
    return float(low), float(high)


def _shape(shape: Any, item_size: int, data: Any) -> tuple[int, ...]:
    """Check that a shape is one and that the bytes are exactly what it needs."""
    sizes = [_int(n, 0, 2**40) for n in _list(shape, 64)]
    # Sizes beside a zero count as well: without them a few bytes would make a tensor of no
    # elements whose sum over one dimension has billions.
    if math.prod(n or 1 for n in sizes) * item_size > MAX_BYTES:
        raise WireError("a shape too large")
    if not isinstance(data, bytes) or math.prod(sizes) * item_size != len(data):
        raise WireError("the bytes do not fit the shape")
    return tuple(sizes)


def _tensor_from_wire(facts: Any, depth: int) -> TensorValue:
    dtype = DTYPES[facts["dtype"]]
    shape = _shape(facts["shape"], dtype.itemsize, facts["data"])
    grad_fn = facts["grad_fn"]
    return TensorValue(
        tensor=_tensor_of_bytes(facts["data"], dtype, shape),
        device=_text(facts["device"], _MAX_DEVICE),
        requires_grad=_bool(facts["requires_grad"]),
        is_leaf=_bool(facts["is_leaf"]),
        grad=_grad_from_wire(facts["grad"], depth),
        grad_fn=None if grad_fn is None else _text(grad_fn, _MAX_NAME),
        memory=_int(facts["memory"], 0, 2**64),
        strides=_strides_from_wire(facts["strides"], len(shape)),
    )


def _strides_from_wire(strides: Any, dimensions: int) -> tuple[int, ...] | None:
    if strides is None:
        return None
    if len(_list(strides, 64)) != dimensions:
        raise WireError("strides that do not fit the shape")
    return tuple(_int(stride, 0, 2**40) for stride in strides)


def _grad_from_wire(grad: Any, depth: int) -> TensorValue | None:
    if grad is None:
        return None
    tag, facts = _list(grad, 2)
    if tag != "tensor" or depth > MAX_DEPTH:  # the gradient of a gradient does not travel
        raise WireError("a malformed gradient")
    return _tensor_from_wire(facts, MAX_DEPTH + 1)


def _tensor_of_bytes(data: bytes, dtype: torch.dtype, shape: tuple[int, ...]) -> torch.Tensor:
    if not data:
        return torch.empty(shape, dtype=dtype)
    if dtype is torch.bool:  # any other byte than 0 and 1 would be undefined
        return (torch.frombuffer(bytearray(data), dtype=torch.uint8) != 0).reshape(shape)
    return torch.frombuffer(bytearray(data), dtype=dtype).reshape(shape)


def _array_from_wire(facts: Any, depth: int) -> ArrayValue:
    name = _text(facts["dtype"], _MAX_NAME)
    if not _ARRAY_DTYPE.fullmatch(name):  # NumPy's own syntax has structures and sub-arrays
        raise WireError("not a dtype of numbers")
    dtype = np.dtype(name)
    if not dtype.isnative:
        raise WireError("a dtype of another machine")
    shape = _shape(facts["shape"], dtype.itemsize, facts["data"])
    if dtype.kind == "b":  # any other byte than 0 and 1 would be undefined
        array = np.frombuffer(facts["data"], dtype=np.uint8).reshape(shape) != 0
        array = np.asarray(array)  # a comparison of shape () gives a scalar
    else:
        array = np.frombuffer(facts["data"], dtype=dtype).reshape(shape).copy()
    return ArrayValue(array, _int(facts["memory"], 0, 2**64))


def _items_from_wire(items: Any, depth: int) -> list[Any]:
    return [from_wire(item, depth + 1) for item in _list(items)]


def _dict_from_wire(pairs: Any, depth: int) -> dict[Any, Any]:
    """A dict; entries whose key is no plain data are dropped (no grader can ask for them)."""
    kept: list[tuple[Any, Any]] = []
    for pair in _list(pairs):
        key, value = _list(pair, 2)
        plain = from_wire(key, depth + 1)
        if isinstance(plain, bool | int | float | str | bytes | torch.dtype | torch.device):
            kept.append((plain, from_wire(value, depth + 1)))
    _check_hashes([key for key, _ in kept])
    return dict(kept)


def _set_from_wire(items: Any, depth: int) -> set[Any]:
    decoded = _items_from_wire(items, depth)
    plain = [item for item in decoded if isinstance(item, bool | int | float | str | bytes)]
    _check_hashes(plain)
    return set(plain)


def _check_hashes(keys: list[Any]) -> None:
    """Refuse keys chosen to collide, with which a dict takes quadratic time."""
    if max(Counter(map(hash, keys)).values(), default=0) > _MAX_COLLISIONS:
        raise WireError("keys with one hash")


def _size_from_wire(sizes: Any, depth: int) -> torch.Size:
    return torch.Size([_int(n, -(2**63), 2**63) for n in _list(sizes)])


def _figure_from_wire(axes: Any, depth: int) -> FigureValue:
    return FigureValue(tuple(_axes_from_wire(facts) for facts in _list(axes, MAX_AXES)))


def _axes_from_wire(facts: Any) -> AxesValue:
    return AxesValue(
        lines=tuple(_line_from_wire(line) for line in _list(facts["lines"], MAX_LINES)),
        title=_text(facts["title"], _MAX_LABEL),
        xlabel=_text(facts["xlabel"], _MAX_LABEL),
        ylabel=_text(facts["ylabel"], _MAX_LABEL),
        legend=tuple(_text(text, _MAX_LABEL) for text in _list(facts["legend"], MAX_LINES)),
        grid=_bool(facts["grid"]),
        xlim=_pair(facts["xlim"]),
        ylim=_pair(facts["ylim"]),
    )


def _line_from_wire(line: Any) -> LineValue:
    return LineValue(_floats(line["x"]), _floats(line["y"]), _text(line["label"], _MAX_LABEL))


def _floats(data: Any) -> np.ndarray[Any, Any]:
    if not isinstance(data, bytes) or len(data) > _MAX_POINTS * 8:
        raise WireError("malformed points")
    return np.frombuffer(data, dtype=np.float64).copy()


def _big_int(text: Any, depth: int) -> int:
    if not isinstance(text, str) or not _HEXADECIMAL.fullmatch(text):
        raise WireError("not an integer, or one too long")
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
    "size": _size_from_wire,
    "dtype": lambda content, depth: (
        DTYPES.get(_text(content, _MAX_NAME)) or OpaqueValue("torch.dtype")
    ),
    "device": lambda content, depth: torch.device(_text(content, _MAX_DEVICE)),
    "figure": _figure_from_wire,
    "function": lambda content, depth: FunctionValue(_text(content, _MAX_NAME)),
    "opaque": lambda content, depth: OpaqueValue(_text(content, _MAX_NAME)),
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
    """A new leaf with the same values and strides; it carries ``requires_grad`` and ``.grad``."""
    tensor = value.tensor.to(value.device)
    if value.strides is not None:  # only here: what a submission claims must allocate nothing
        tensor = torch.empty_strided(
            value.shape, value.strides, dtype=value.dtype, device=value.device
        ).copy_(tensor)
    if value.requires_grad:
        tensor.requires_grad_()
    if value.grad is not None:
        tensor.grad = value.grad.tensor.to(value.device)
    return tensor
