"""The wire: bounded frames, deadlines, and values that cross as data only."""

import json
import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.runner import values, wire
from autograder.runner.values import from_wire, to_live, to_wire
from autograder.runner.wire import Channel, WireClosed, WireError, WireTimeout


def frame(header: str | bytes, buffers: bytes = b"") -> bytes:
    """What ``unpack`` reads, written by hand: a header and the buffers' bytes."""
    raw = header.encode() if isinstance(header, str) else header
    return struct.pack(">I", len(raw)) + raw + buffers


@pytest.fixture
def pair() -> Iterator[tuple[Channel, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield Channel(ours), theirs
    ours.close()
    theirs.close()


def test_a_document_arrives_as_it_was_sent(pair: tuple[Channel, socket.socket]) -> None:
    ours, theirs = pair
    Channel(theirs).send({"a": [1, 2.5, "ñ", b"x", None, True]})
    assert ours.receive(1) == {"a": [1, 2.5, "ñ", b"x", None, True]}


def test_a_frame_is_two_lengths_a_json_header_and_the_buffers(
    pair: tuple[Channel, socket.socket],
) -> None:
    ours, theirs = pair
    ours.send({"a": b"xyz", "b": "ñ" * 257, "c": [1, b""]})
    sent = theirs.recv(10_000)
    total, size = struct.unpack_from(">II", sent)
    assert total == len(sent) - 4
    lengths, document = json.loads(sent[8 : 8 + size])
    assert lengths == [3, 514, 0]
    assert document == {"a": {"$bytes": 0}, "b": {"$text": 1}, "c": [1, {"$bytes": 2}]}
    assert sent[8 + size :] == b"xyz" + "ñ".encode() * 257


# --- deadlines ---------------------------------------------------------------------------------


def test_a_reply_that_drips_times_out(pair: tuple[Channel, socket.socket]) -> None:
    ours, theirs = pair
    theirs.send(struct.pack(">II", 1000, 500) + b"x")
    began = time.monotonic()
    with pytest.raises(WireTimeout):
        ours.receive(0.2)
    assert time.monotonic() - began < 5


def test_a_reply_that_always_has_one_more_byte_times_out(
    pair: tuple[Channel, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "_LATE_SECONDS", 0.1)
    monkeypatch.setattr(wire, "_CHUNK", 1)  # so that the reader never waits for the writer
    ours, theirs = pair
    theirs.send(struct.pack(">I", wire.MAX_FRAME))
    feeder = threading.Thread(target=_feed, args=(theirs,))
    feeder.start()
    began = time.monotonic()
    try:
        with pytest.raises(WireTimeout):
            ours.receive(0.2)
    finally:
        ours.close()
        feeder.join()
    assert time.monotonic() - began < 5


def _feed(sock: socket.socket) -> None:
    """Keep a socket full until its other end closes."""
    try:
        while True:
            sock.send(bytes(1 << 16))
    except OSError:
        return


def test_a_peer_that_never_lets_us_wait_is_looked_at_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "_CHUNK", 1)
    monkeypatch.setattr(wire, "_LOOK_SECONDS", 0.0)
    our_end, theirs = socket.socketpair()
    ours = Channel(our_end)
    theirs.send(struct.pack(">I", 5000) + bytes(5000))
    looks: list[int] = []

    def look() -> None:
        looks.append(1)
        if len(looks) == 3:
            raise WireError("it uses too much")

    ours.on_wait = look
    with theirs, our_end, pytest.raises(WireError, match="too much"):
        ours.receive(5)


def test_what_came_before_the_deadline_is_read_after_it(
    pair: tuple[Channel, socket.socket],
) -> None:
    ours, theirs = pair
    Channel(theirs).send({"end": True})
    assert ours.receive(0.0) == {"end": True}


def test_a_peer_that_ends_is_noticed_at_once(pair: tuple[Channel, socket.socket]) -> None:
    ours, theirs = pair
    theirs.close()
    with pytest.raises(WireClosed):
        ours.receive(10)


def test_a_peer_that_does_not_read_times_out(pair: tuple[Channel, socket.socket]) -> None:
    ours, _ = pair
    with pytest.raises(WireTimeout):
        ours.send(bytes(wire.MAX_FRAME // 2), timeout=0.1)


# --- caps --------------------------------------------------------------------------------------


def test_a_frame_that_claims_too_much_is_refused(pair: tuple[Channel, socket.socket]) -> None:
    ours, theirs = pair
    theirs.send(struct.pack(">I", wire.MAX_FRAME + 1))
    with pytest.raises(WireError, match="over the cap"):
        ours.receive(1)


def test_memory_grows_with_what_came_and_not_with_what_was_claimed(
    pair: tuple[Channel, socket.socket],
) -> None:
    ours, theirs = pair
    theirs.send(struct.pack(">II", wire.MAX_FRAME, wire.MAX_HEADER) + b"[")
    tracemalloc.start()
    try:
        with pytest.raises(WireTimeout):
            ours.receive(0.05)
        assert tracemalloc.get_traced_memory()[1] < 4 * wire._CHUNK
    finally:
        tracemalloc.stop()


def test_a_document_over_the_cap_of_the_frame_is_not_packed() -> None:
    half = bytes(wire.MAX_FRAME // 2)
    with pytest.raises(WireError, match=r"a frame of .* is over the cap"):
        wire.pack([half, half])


def test_a_document_over_the_cap_of_the_header_is_neither_packed_nor_read() -> None:
    with pytest.raises(WireError, match=r"a header of .* is over the cap"):
        wire.pack(["x" * 200] * (wire.MAX_HEADER // 200))
    with pytest.raises(WireError, match=r"a header of .* is over the cap"):
        wire.unpack(frame(b"[[],0]".ljust(wire.MAX_HEADER + 1)))


def test_a_header_of_just_the_cap_is_read() -> None:
    assert wire.unpack(frame(b"[[],0]".ljust(wire.MAX_HEADER))) == 0


def test_long_texts_and_bytes_do_not_count_for_the_header() -> None:
    document = {"text": "x" * 2 * wire.MAX_HEADER, "bytes": bytes(2 * wire.MAX_HEADER)}
    assert wire.unpack(wire.pack(document)) == document


def test_nesting_has_a_cap_both_ways() -> None:
    document: Any = 0
    for _ in range(wire.MAX_NESTING):
        document = [document]
    assert wire.unpack(wire.pack(document)) == document
    with pytest.raises(WireError, match="nested"):
        wire.pack([document])
    for bomb in ("[" * 201 + "]" * 201, '{"a":' * 201 + "0" + "}" * 201):
        with pytest.raises(WireError, match="nested"):
            wire.unpack(frame(f"[[],{bomb}]"))


def test_a_document_that_holds_itself_is_not_packed() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(WireError, match="nested"):
        wire.pack(endless)


def test_a_buffer_may_be_referred_to_once() -> None:
    assert wire.unpack(frame('[[2],{"$bytes":0}]', b"ab")) == b"ab"
    for second in ('{"$bytes":0}', '{"$text":0}'):
        with pytest.raises(WireError, match="two references"):
            wire.unpack(frame(f'[[2],[{{"$bytes":0}},{second}]]', b"ab"))


@pytest.mark.parametrize("index", ["1", "-1", "true", "0.0", '"0"', "null", "[]", "1e999"])
def test_a_reference_is_the_index_of_a_buffer(index: str) -> None:
    with pytest.raises(WireError, match="a reference to no buffer"):
        wire.unpack(frame(f'[[2],{{"$bytes":{index}}}]', b"ab"))


@pytest.mark.parametrize(
    "lengths", ["[1]", "[3]", "[]", "[3,-1]", "[2.0]", "[true,1]", '["2"]', "[null]", "2", "{}"]
)
def test_the_lengths_of_the_buffers_fill_the_frame(lengths: str) -> None:
    with pytest.raises(WireError, match="buffer"):
        wire.unpack(frame(f"[{lengths},0]", b"ab"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0",
        struct.pack(">I", 2**32 - 1),
        struct.pack(">I", 7) + b"[[],0]",
        frame(""),
        frame("[[],0"),
        frame("[[],0] 1"),
        frame("[[]]"),
        frame("[[],0,0]"),
        frame("{}"),
        frame(b'[[],"\xff"]'),
        frame('[[],"\n"]'),
        frame('[[1],{"$text":0}]', b"\xff"),
        frame('[[],{"$dict":[]}]'),
        frame("[[],18446744073709551616]"),
        frame("[[],-9223372036854775809]"),
        frame("[[]," + "9" * 100_000 + "]"),
        frame("[[]," + "[" * 100_000),
        frame("[[]," + '{"a":' * 100_000),
    ],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        wire.unpack(data)


@pytest.mark.parametrize("document", [{1: 2}, {None: 1}, {b"a": 1}, 2**64, {1, 2}, object(), 1j])
def test_what_is_no_plain_data_is_not_packed(document: Any) -> None:
    with pytest.raises(WireError):
        wire.pack([document])


@given(st.binary(max_size=400))
def test_bytes_that_are_no_document_are_refused_cleanly(data: bytes) -> None:
    try:
        document = wire.unpack(data)
    except WireError:
        return
    try:
        from_wire(document)
    except WireError:
        return


# --- what crosses, arrives -----------------------------------------------------------------------


documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=20)
    | st.text(st.characters(exclude_categories=()), min_size=255, max_size=260)
    | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=()), max_size=5), inner)
        | st.dictionaries(st.sampled_from(["$bytes", "$text", "$dict"]), inner, max_size=2)
    ),
    max_leaves=12,
)


@given(documents)
def test_every_plain_document_survives(document: Any) -> None:
    assert repr(wire.unpack(wire.pack(document))) == repr(document)  # repr, for NaN and -0.0


@pytest.mark.parametrize(
    "text", ["\ud800", "\udfff" * 300, "\ud83d\ude00", "\ud83d\ude00" * 200, "\0", "\u2028"]
)
def test_texts_survive_code_point_by_code_point(text: str) -> None:
    """Two lone surrogates side by side are not the character that UTF-16 would see in them."""
    assert wire.unpack(wire.pack({text: [text]})) == {text: [text]}


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(plain)
def test_plain_values_survive_the_way_to_the_trusted_side(value: Any) -> None:
    assert from_wire(wire.unpack(wire.pack(to_wire(value)))) == value


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(values.DTYPES)),
    st.lists(st.integers(0, 4), max_size=4),
    st.booleans(),
)
def test_tensors_survive_with_dtype_and_shape(
    dtype: str, shape: list[int], transposed: bool
) -> None:
    tensor = (torch.rand(shape) * 3).to(values.DTYPES[dtype])
    tensor = tensor.T if transposed and tensor.dim() == 2 else tensor
    arrived = from_wire(wire.unpack(wire.pack(to_wire(tensor))))
    assert isinstance(arrived, values.TensorValue)
    assert arrived.dtype == tensor.dtype
    assert torch.equal(arrived.tensor, tensor)


def test_what_autograd_knows_of_a_tensor_crosses() -> None:
    w = torch.ones(3, requires_grad=True)
    z = w * 2
    z.sum().backward()
    leaf, made = from_wire(to_wire(w)), from_wire(to_wire(z))
    assert isinstance(leaf, values.TensorValue) and isinstance(made, values.TensorValue)
    assert leaf.is_leaf and leaf.requires_grad and leaf.grad_fn is None
    assert leaf.grad is not None and leaf.grad.tensor.tolist() == [2, 2, 2]
    assert made.grad_fn == "MulBackward0" and not made.is_leaf


def test_shared_memory_shows() -> None:
    array = np.arange(4)
    shared, copied = torch.from_numpy(array), torch.tensor(array)
    addresses = [from_wire(to_wire(value)).memory for value in (array, shared, copied)]  # type: ignore[union-attr]
    assert addresses[0] == addresses[1] != addresses[2]


def test_a_subclass_that_lies_is_seen_as_it_is() -> None:
    class Liar(torch.Tensor):
        @classmethod
        def __torch_function__(cls, *args: Any, **kwargs: Any) -> Any:
            return torch.zeros(3)

        @property
        def grad_fn(self) -> str:  # type: ignore[override]
            return "AddBackward0"

    arrived = from_wire(to_wire(torch.ones(2).as_subclass(Liar)))
    assert isinstance(arrived, values.TensorValue)
    assert arrived.tensor.tolist() == [1, 1]
    assert arrived.grad_fn is None


def test_what_cannot_travel_is_an_opaque_type_name() -> None:
    class Equal:
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 0

    endless: list[Any] = []
    endless.append(endless)
    assert isinstance(from_wire(to_wire(Equal())), values.OpaqueValue)
    assert isinstance(from_wire(to_wire(torch.ones(2).to_sparse())), values.OpaqueValue)
    assert from_wire(to_wire(endless)) is not None


# --- values: what the trusted side refuses -------------------------------------------------------


TENSOR: dict[str, Any] = {
    "dtype": "float32",
    "shape": [1],
    "data": b"1234",
    "device": "cpu",
    "requires_grad": False,
    "is_leaf": True,
    "grad": None,
    "grad_fn": None,
    "memory": 64,
    "strides": None,
}
ARRAY: dict[str, Any] = {"dtype": "<f4", "shape": [1], "data": b"1234", "memory": 64}
AXES: dict[str, Any] = {
    "lines": [{"x": bytes(8), "y": bytes(8), "label": ""}],
    "title": "",
    "xlabel": "",
    "ylabel": "",
    "legend": [],
    "grid": True,
    "xlim": [0.0, 1.0],
    "ylim": [0, 1],
}


@pytest.mark.parametrize(
    "wire_form",
    [
        ["size", ["a"]],
        ["size", [True]],
        ["size", [2**63]],
        ["device", "no such device"],
        ["pickle", b"cos\nsystem\n"],
        [["list"], []],
        {"a": 1},
        [],
        ["list", "ab"],
        ["dict", ["ab"]],
        ["dict", [{"k": 1, "v": 2}]],
        ["complex", ["1", "2"]],
        ["complex", [10**400, 0]],
        ["int", "0x10"],
        ["int", " 1"],
        ["int", "1_0"],
        ["int", "٣"],
        ["int", "f" * 1025],
        ["list", [0] * (values.MAX_ITEMS + 1)],
    ],
)
def test_malformed_values_are_refused(wire_form: Any) -> None:
    with pytest.raises(WireError):
        from_wire(wire_form)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [2**40, 2**40], "data": b""},
        {"shape": [2**39, 0], "data": b""},
        {"shape": [1] * 65},
        {"shape": [3]},
        {"shape": [-1]},
        {"shape": [True]},
        {"shape": [1.0]},
        {"shape": None},
        {"data": "1234"},
        {"dtype": "object"},
        {"dtype": ["float32"]},
        {"memory": -1},
        {"memory": 2**64},
        {"memory": "64"},
        {"strides": 1},
        {"strides": []},
        {"strides": [1, 1]},
        {"strides": [-1]},
        {"strides": [2**40]},
        {"strides": ["1"]},
        {"strides": [True]},
        {"requires_grad": 1},
        {"is_leaf": None},
        {"device": 0},
        {"grad_fn": 0},
        {"grad": []},
        {"grad": [0]},
        {"grad": {"a": 1}},
        {"grad": ["tensor", None]},
        {"grad": ["tensor", TENSOR | {"grad": ["tensor", TENSOR]}]},
    ],
)
def test_malformed_tensors_are_refused(change: dict[str, Any]) -> None:
    assert isinstance(from_wire(["tensor", TENSOR]), values.TensorValue)
    with pytest.raises(WireError):
        from_wire(["tensor", TENSOR | change])


@pytest.mark.parametrize(
    "dtype",
    [
        *("O", "V4", "S4", "U1", "M8[s]", "f4,f4", "2f4", "(1,)f4", "(1000000,1000000)f8"),
        *("float32", ">f4", "<f4 ", "f4\n", "f٤", "f3", "f99", "", "f4" * 1000, 4, None),
    ],
)
def test_only_the_machine_s_own_dtypes_of_numbers_are_made(dtype: Any) -> None:
    assert isinstance(from_wire(["array", ARRAY]), values.ArrayValue)
    with pytest.raises(WireError):
        from_wire(["array", ARRAY | {"dtype": dtype}])


@pytest.mark.parametrize(
    "change",
    [
        {"lines": [AXES["lines"][0]] * (values.MAX_LINES + 1)},
        {"lines": [{"x": b"1234567", "y": b"", "label": ""}]},
        {"lines": [{"x": bytes(8 * 200_001), "y": b"", "label": ""}]},
        {"legend": [""] * (values.MAX_LINES + 1)},
        {"legend": "abc"},
        {"title": None},
        {"grid": 1},
        {"xlim": [1]},
        {"ylim": ["0", "1"]},
    ],
)
def test_malformed_figures_are_refused(change: dict[str, Any]) -> None:
    assert isinstance(from_wire(["figure", [AXES]]), values.FigureValue)
    with pytest.raises(WireError):
        from_wire(["figure", [AXES | change]])


def test_a_figure_has_a_bounded_number_of_axes() -> None:
    with pytest.raises(WireError):
        from_wire(["figure", [AXES] * (values.MAX_AXES + 1)])


def test_texts_are_clipped() -> None:
    long = "x" * 10_000
    tensor = from_wire(["tensor", TENSOR | {"device": long, "grad_fn": long}])
    figure = from_wire(["figure", [AXES | {"title": long, "legend": [long]}]])
    opaque, function = from_wire(["opaque", long]), from_wire(["function", long])
    assert isinstance(tensor, values.TensorValue) and isinstance(figure, values.FigureValue)
    assert isinstance(opaque, values.OpaqueValue) and isinstance(function, values.FunctionValue)
    assert len(tensor.device) == 40
    assert tensor.grad_fn is not None and len(tensor.grad_fn) == 200
    assert len(figure.axes[0].title) == len(figure.axes[0].legend[0]) == 500
    assert len(opaque.type_name) == len(function.type_name) == 200


def test_truth_values_are_zero_or_one_whatever_bytes_came() -> None:
    facts = {"shape": [3], "data": b"\0\1\xff"}
    tensor = from_wire(["tensor", TENSOR | facts | {"dtype": "bool"}])
    array = from_wire(["array", ARRAY | facts | {"dtype": "|b1"}])
    assert isinstance(tensor, values.TensorValue) and isinstance(array, values.ArrayValue)
    assert tensor.tensor.view(torch.uint8).tolist() == [0, 1, 1]
    assert array.array.view(np.uint8).tolist() == [0, 1, 1]


@pytest.mark.parametrize("tag", ["set", "dict"])
def test_keys_that_were_chosen_to_collide_are_refused(tag: str) -> None:
    keys = [["int", format(k * (2**61 - 1), "x")] for k in range(1, 5000)]  # all hash to 0
    items = keys if tag == "set" else [[key, 0] for key in keys]
    with pytest.raises(WireError):
        from_wire([tag, items])


# --- what a frame makes the trusted side allocate ------------------------------------------------


def many(item: str, count: int | None = None) -> str:
    """A JSON list of one item, as long as a header may be or of ``count`` items."""
    most = (wire.MAX_HEADER - 100) // (len(item.encode()) + 1)
    return f"[{','.join([item] * min(most, count or most))}]"


def lists_of(item: str) -> str:
    """The wire form of lists as long as allowed, of one item, that fill a header."""
    inner = f'["list",{many(item, values.MAX_ITEMS)}]'
    return f'["list",{many(inner)}]'


def array_of(dtype: str, shape: str) -> str:
    facts = f'{{"dtype":"{dtype}","shape":{shape},"data":{{"$bytes":0}},"memory":0}}'
    return f'["array",{facts}]'


BIG = 32 * 1024 * 1024
ALL = wire.MAX_HEADER - 10
REFERENCE = '{"$bytes":0}'
BOMBS: dict[str, tuple[str, bytes]] = {
    "empty dicts": (many("{}"), b""),
    "empty lists": (many("[]"), b""),
    "nested lists": ("[" * ALL, b""),
    "many nested lists": (many("[" * 190 + "]" * 190), b""),
    "many nested dicts": (many('{"a":' * 190 + "0" + "}" * 190), b""),
    "one buffer referred to many times": (many(REFERENCE), b"x" * BIG),
    "a huge int": ("9" * ALL, b""),
    "many long ints": (many("9" * 4300), b""),
    "many long hexadecimal ints": (lists_of(f'["int","{"f" * 1024}"]'), b""),
    "a text four times its bytes": ('{"$text":0}', b"x" * BIG + "\U0001f600".encode()),
    "a huge shape without data": (array_of("<f8", "[1099511627775,0]"), b""),
    "a huge shape": (array_of("<f8", "[1099511627775,1099511627775]"), b""),
    "a dtype of a huge sub-array": (array_of("(1000000,1000000)f8", "[0]"), b""),
    "an array": (array_of("|u1", f"[{BIG}]"), b"x" * BIG),
    "an array of truth values": (array_of("|b1", f"[{BIG}]"), b"x" * BIG),
    "empty sets": (lists_of('["set",[]]'), b""),
    "small sets": (lists_of('["set",[0,1,2,3,4]]'), b""),
    "empty figures": (lists_of('["figure",[]]'), b""),
    "opaque values": (lists_of('["opaque",""]'), b""),
}


def test_many_empty_buffers_allocate_a_small_multiple_of_their_frame() -> None:
    check_memory(frame(f"[{many('0')},0]"))


@pytest.mark.parametrize("name", BOMBS)
def test_what_a_frame_allocates_is_a_small_multiple_of_its_size(name: str) -> None:
    document, buffer = BOMBS[name]
    check_memory(frame(f"[[{len(buffer)}],{document}]", buffer))


def check_memory(bomb: bytes) -> None:
    """Decode a frame within the bounds that the docstrings of ``wire`` and ``values`` state."""
    (header,) = struct.unpack_from(">I", bomb)
    buffers = len(bomb) - 4 - header
    assert header <= wire.MAX_HEADER and len(bomb) <= wire.MAX_FRAME
    began = time.monotonic()
    tracemalloc.start()
    unpacked = None
    try:
        document = wire.unpack(bomb)
        unpacked = tracemalloc.get_traced_memory()[1]
        from_wire(document)
    except WireError as error:
        assert "over the cap" not in str(error)  # else the test would try nothing
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    small = 256 * 1024  # exceptions and caches
    assert (unpacked or peak) <= 64 * header + 6 * buffers + small
    assert peak <= 96 * header + 8 * buffers + small
    assert time.monotonic() - began < 20


def test_an_argument_arrives_alive_with_its_gradient() -> None:
    w = torch.ones(2, requires_grad=True)
    w.grad = torch.full((2,), 3.0)
    alive = to_live(wire.unpack(wire.pack(to_wire([w, values.Expression("lambda t: t * 2")]))))
    assert alive[0].requires_grad and alive[0].grad.tolist() == [3, 3]
    assert alive[1](4) == 8
