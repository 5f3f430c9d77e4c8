"""The wire: bounded frames, deadlines, and values that cross as data only."""

import socket
import struct
import time
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


def test_a_reply_that_drips_times_out(pair: tuple[Channel, socket.socket]) -> None:
    ours, theirs = pair
    theirs.send(struct.pack(">I", 1000) + b"x")
    began = time.monotonic()
    with pytest.raises(WireTimeout):
        ours.receive(0.2)
    assert time.monotonic() - began < 5


def test_a_frame_that_claims_too_much_is_refused(pair: tuple[Channel, socket.socket]) -> None:
    ours, theirs = pair
    theirs.send(struct.pack(">I", wire.MAX_FRAME + 1))
    with pytest.raises(WireError, match="over the cap"):
        ours.receive(1)


def test_a_peer_that_ends_is_noticed_at_once(pair: tuple[Channel, socket.socket]) -> None:
    ours, theirs = pair
    theirs.close()
    with pytest.raises(WireClosed):
        ours.receive(10)


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


@pytest.mark.parametrize(
    "wire_form",
    [
        ["tensor", {"dtype": "float32", "shape": [2**40, 2**40], "data": b""}],
        ["tensor", {"dtype": "float32", "shape": [3], "data": b"1234"}],
        ["tensor", {"dtype": "object", "shape": [], "data": b""}],
        ["array", {"dtype": "O", "shape": [1], "data": b"12345678", "memory": 1}],
        ["size", ["a"]],
        ["device", "no such device"],
        ["pickle", b"cos\nsystem\n"],
        [["list"], []],
        {"a": 1},
    ],
)
def test_malformed_values_are_refused(wire_form: Any) -> None:
    with pytest.raises(WireError):
        from_wire(wire_form)


def test_an_argument_arrives_alive_with_its_gradient() -> None:
    w = torch.ones(2, requires_grad=True)
    w.grad = torch.full((2,), 3.0)
    alive = to_live(wire.unpack(wire.pack(to_wire([w, values.Expression("lambda t: t * 2")]))))
    assert alive[0].requires_grad and alive[0].grad.tolist() == [3, 3]
    assert alive[1](4) == 8
