"""Fuzzing of what the trusted side does with the bytes that a student's process sends.

Hypothesis draws a valid document and a seed; the document's frame is then changed in hundreds
of ways by ``random.Random(seed)``, in its bytes and in the structure of its header. Whatever
comes out is decoded as the trusted side would, and may be refused with ``WireError`` only. A
failure shows the document and the seed.
"""

import json
import resource
import signal
import socket
import string
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from types import FrameType
from typing import Any, Final

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from autograder.runner import events, outcome, values, wire
from autograder.runner.values import from_wire, to_wire
from autograder.runner.wire import Channel, WireError

BATCH: Final = 250
"""Frames that are made of one drawn document."""
FRAMES: Final = 200_000
"""Frames that a run decodes at least."""
SECONDS: Final = 20.0
"""What one batch may take before it counts as hanging; it takes some hundredths of one."""

_U32: Final = struct.Struct(">I")

_settings = settings(
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


# --- valid documents ------------------------------------------------------------------------


def _tensor(random: Random) -> Any:
    dtype = random.choice(list(values.DTYPES.values()))
    shape = [random.randrange(4) for _ in range(random.randrange(4))]
    tensor = (torch.zeros(shape) + random.random()).to(dtype)
    if dtype.is_floating_point and random.random() < 0.5:
        tensor.requires_grad_()
        tensor.grad = torch.ones_like(tensor)
    return to_wire(tensor)


def _array(random: Random) -> Any:
    dtype = random.choice(["?", "u1", "i2", "i8", "f2", "f4", "f8", "c8", "c16"])
    shape = [random.randrange(4) for _ in range(random.randrange(4))]
    return to_wire(np.ones(shape, dtype=dtype))


def _figure(random: Random) -> Any:
    def axes() -> dict[str, Any]:
        points = np.arange(random.randrange(5), dtype=np.float64).tobytes()
        line = {"x": points, "y": points, "label": "loss"}
        texts = {"title": "t" * random.choice([1, 300]), "xlabel": "step", "ylabel": "ñ"}
        ends = {"xlim": [0.0, 1.5], "ylim": [float("-inf"), float("nan")]}
        return {"lines": [line] * random.randrange(3), "legend": ["a"], "grid": True} | texts | ends

    return ["figure", [axes() for _ in range(random.randrange(3))]]


def _container(random: Random) -> Any:
    leaves: list[Any] = [
        *(None, True, 3, -1, 2**70, 0.5, float("nan"), 1j, "text", "\ud800", "x" * 300, b"bytes"),
        *(torch.float32, torch.device("cpu"), torch.Size([2, 3]), len, object()),
    ]

    def tree(depth: int) -> Any:
        if depth == 0 or random.random() < 0.3:
            return random.choice(leaves)
        items = [tree(depth - 1) for _ in range(random.randrange(4))]
        kind = random.choice([list, tuple, dict, set])
        if kind is dict:
            return dict(enumerate(items)) | {"key": 1}
        return {1, 2.5, "a", b"b"} if kind is set else kind(items)

    return to_wire(tree(4))


def _value(random: Random) -> Any:
    return random.choice([_tensor, _array, _figure, _container])(random)


def _event(random: Random) -> Any:
    if random.random() < 0.2:
        return random.choice([{"cell": 0, "status": "started"}, {"end": True}])
    bundle = {"text/plain": "1", "image/png": "A" * 300, "application/json": {"a": [1]}}
    outputs: list[dict[str, Any]] = [
        {"output_type": "stream", "name": "stdout", "text": "x" * random.choice([3, 400])},
        {"output_type": "error", "ename": "E", "evalue": "\ud800", "traceback": ["a", "b"]},
        {"output_type": "display_data", "data": bundle, "metadata": {}},
        {"output_type": "execute_result", "data": bundle, "execution_count": 1, "metadata": {}},
    ]
    chosen = random.sample(outputs, random.randrange(4))
    status = {"status": random.choice(sorted(outcome.STATUSES)), "truncated": False}
    return {"cell": random.randrange(3), "outputs": chosen, "execution_count": 4} | status


def _reply(random: Random) -> Any:
    return random.choice(
        [
            lambda: {"id": "00ff", "values": {"w": _value(random), "x": _value(random)}},
            lambda: {"id": "00ff", "figures": [_figure(random)]},
            lambda: {"id": "00ff", "value": _value(random), "args": [None, _value(random)]},
            lambda: {"id": "00ff", "error": {"type": "ValueError", "line": 3, "text": "no"}},
        ]
    )()


_KINDS: Final[dict[str, Callable[[Random], Any]]] = {
    "tensor": _tensor,
    "array": _array,
    "figure": _figure,
    "container": _container,
    "event": _event,
    "reply": _reply,
}


# --- mutations ------------------------------------------------------------------------------

_TOKENS: Final = [
    *(b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\", b"\\ud800", b"\\u0000", b"\x00", b"\xff"),
    *(b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"NaN", b"-Infinity", b"1e999", b"-", b"9" * 5000),
    *(b'{"$bytes":0}', b'{"$text":0}', b'{"$dict":{}}', b"[" * 1200, b'{"a":' * 300),
]
_TAGS: Final = sorted(values._DECODERS)
_DTYPE_NAMES: Final = [
    *("(1000000,1000000)f8", "f8,f8", "O", "V8", "M8[s]", "U9", ">f8", "f99", "i3", "<f16", "c32"),
    *("float32", "bool", "complex128", "no such", "|b1", "", "f8" * 200),
]
_ODD: Final[list[Any]] = [
    *(None, True, False, 0, 1, -1, 2**31, 2**40, 2**63 - 1, -(2**63), 2**63, 2**64, 10**300),
    *(0.5, -0.0, 1e308, float("nan"), float("inf"), "", "a", "\ud800\udc00", "ñ" * 300, "f" * 1024),
    *([], {}, [[]], [0, 0], {"a": 1}, {"$bytes": 0}, {"$text": 0}, {"$text": 1}, {"$dict": {}}),
    *(
        {"$bytes": -1},
        {"$bytes": True},
        {"$dict": []},
        ["tensor", {}],
        ["figure", [{}]],
        ["int", ""],
    ),
    *(
        [2**40, 2**40],
        [0, 2**39],
        [1] * 70,
        ["set", [["list", []]]],
        ["dict", [[1]]],
        ["size", [-1]],
    ),
]


def _in_bytes(random: Random, data: bytearray) -> None:
    """Change a few bytes."""
    for _ in range(random.choice([1, 1, 2, 5])):
        at = random.randrange(len(data) + 1)
        to = min(len(data), at + random.randrange(1, 12))
        change = random.randrange(6)
        if change == 0:
            data[at:to] = random.choice(_TOKENS)
        elif change == 1:
            data[at:at] = random.choice(_TOKENS)
        elif change == 2:
            data[at:to] = b""
        elif change == 3:
            data[at:at] = data[at:to] * random.randrange(1, 4)
        elif change == 4:
            data[at:to] = random.randbytes(to - at)
        elif at < len(data):
            data[at] ^= 1 << random.randrange(8)


def _a_place(random: Random, root: Any) -> tuple[Any, Any]:
    """A list or dict somewhere below ``root`` and one of its indices or keys."""
    node: Any = root
    while True:
        key = random.choice(list(node) if isinstance(node, dict) else range(len(node)))
        below = node[key]
        if not isinstance(below, list | dict) or not below or random.random() < 0.15:
            return node, key
        node = below


def _copy(node: Any) -> Any:
    return json.loads(json.dumps(node))


def _in_structure(random: Random, root: list[Any]) -> None:
    """Change a few places of a header, ``[lengths, document]``, most often of the document."""
    for _ in range(random.choice([1, 1, 2, 4])):
        below = random.random() < 0.9 and len(root) > 1 and isinstance(root[1], list | dict)
        node, key = _a_place(random, root[1] if below and root[1] else root)
        change = random.randrange(9)
        if change == 0:
            node[key] = random.choice(_DTYPE_NAMES)
        elif change == 1:
            node[key] = random.choice(_TAGS)
        elif change == 2 and len(node) > 1:
            del node[key]
        elif change == 3 and isinstance(node, list):
            node.insert(key, _copy(node[key]))
        elif change == 4:
            other, at = _a_place(random, root)
            node[key] = _copy(other[at])
        elif change == 5:
            node[key] = ["list", [node[key]] * random.randrange(3)]
        elif change == 6 and isinstance(node, dict):
            node[random.choice(["", "data", "shape", "$bytes", "status"])] = node.pop(key)
        elif change == 7 and type(node[key]) is int:
            node[key] += random.choice([-1, 1, 8, 2**32])
        else:
            node[key] = _copy(random.choice(_ODD))
        if not root:
            root.append(0)


def _mutate(random: Random, header: bytes, buffers: bytes) -> bytes:
    """One changed frame; most keep a right header length, so that more than it is tried."""
    way = random.randrange(10)
    if way == 0:
        frame = bytearray(_U32.pack(len(header)) + header + buffers)
        _in_bytes(random, frame)
        return bytes(frame)
    if way == 1:
        return random.randbytes(random.randrange(60))
    if way < 5:
        changed = bytearray(header)
        _in_bytes(random, changed)
        new = bytes(changed)
    else:
        root = json.loads(header)
        _in_structure(random, root)
        new = json.dumps(root).encode()
    if way == 9:
        buffers = buffers[: random.randrange(len(buffers) + 1)] + random.randbytes(8)
    return _U32.pack(len(new)) + new + buffers


def _frames(random: Random, document: Any, count: int) -> Iterator[bytes]:
    packed = wire.pack(document)
    (size,) = _U32.unpack_from(packed)
    header, buffers = packed[4 : 4 + size], packed[4 + size :]
    yield packed
    for _ in range(count - 1):
        yield _mutate(random, header, buffers)


# --- decoding as the trusted side does -------------------------------------------------------


def _attempt(decode: Callable[..., Any], *arguments: Any) -> bool:
    """Decode; any exception but ``WireError`` fails the test."""
    try:
        decode(*arguments)
    except WireError:
        return False
    return True


def _decode_document(document: Any) -> None:
    """Try everything that the trusted side makes of a document."""
    _attempt(from_wire, document)
    if not isinstance(document, dict):
        return
    for name in ("values", "figures", "args", "value", "data", "outputs"):
        part = document.get(name)
        inner = list(part.values()) if isinstance(part, dict) else part
        for one in inner if isinstance(inner, list) else [inner]:
            _attempt(from_wire, one)
    _attempt(events.index_of, document, 3)
    _attempt(events.outcome_of, document)


def _decode_frame(frame: bytes) -> bool:
    """Try a frame; whether it was one."""
    try:
        document = wire.unpack(frame)
    except WireError:
        return False
    _decode_document(document)
    return True


@contextmanager
def _no_hang() -> Iterator[None]:
    def late(number: int, frame: FrameType | None) -> None:
        # No Exception, which a decoder would turn into a WireError.
        pytest.fail(f"a batch took more than {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# --- the tests ------------------------------------------------------------------------------


def test_no_frame_does_more_than_be_refused() -> None:
    """Nothing but WireError, no hang, and the process does not grow."""
    tried = accepted = 0
    peak = _peak_mib()

    @settings(_settings, max_examples=FRAMES // BATCH + 20)
    @given(st.sampled_from(sorted(_KINDS)), st.integers(0, 2**63))
    def run(kind: str, seed: int) -> None:
        nonlocal tried, accepted
        random = Random(seed)
        document = _KINDS[kind](random)
        note(f"seed {seed} of document {document!r:.2000}")
        with _no_hang():
            for frame in _frames(random, document, BATCH):
                tried += 1
                accepted += _decode_frame(frame)

    run()
    assert tried >= FRAMES
    assert accepted >= FRAMES // 5, "the mutations hardly get past the header: they test little"
    assert _peak_mib() - peak < 256


def test_no_frame_allocates_beyond_its_cap() -> None:
    """The bound that the docstring of ``values`` states, on each of some thousand frames."""

    @settings(_settings, max_examples=60)
    @given(st.sampled_from(sorted(_KINDS)), st.integers(0, 2**63))
    def run(kind: str, seed: int) -> None:
        random = Random(seed)
        for frame in _frames(random, _KINDS[kind](random), 50):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            _decode_frame(frame)
            # A small frame still pays for exceptions, tracebacks and caches.
            assert tracemalloc.get_traced_memory()[1] - before <= 96 * len(frame) + 256 * 1024

    tracemalloc.start()
    try:
        run()
    finally:
        tracemalloc.stop()


def test_a_channel_refuses_any_bytes_and_never_waits_past_its_deadline() -> None:
    """The same through a socket: wrong lengths, frames cut off, several in a row."""
    tried = 0

    @settings(_settings, max_examples=100)
    @given(st.sampled_from(sorted(_KINDS)), st.integers(0, 2**63))
    def run(kind: str, seed: int) -> None:
        nonlocal tried
        random = Random(seed)
        with _no_hang():
            for frame in _frames(random, _KINDS[kind](random), 40):
                tried += 1
                _through_a_socket(random, frame)

    run()
    assert tried >= 4000


def _through_a_socket(random: Random, frame: bytes) -> None:
    claimed = random.choice([len(frame)] * 6 + [len(frame) + 1, 0, 3, 2**26, 2**32 - 1])
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel = Channel(ours)
        theirs.setblocking(False)
        theirs.send((_U32.pack(claimed) + frame) * random.choice([1, 1, 2]))
        if random.random() < 0.8:
            theirs.shutdown(socket.SHUT_WR)
        for _ in range(3):
            try:
                document = channel.receive(0.002)
            except WireError:
                break
            _decode_document(document)


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | st.sampled_from([*_TAGS, *_DTYPE_NAMES]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(list(string.ascii_lowercase)), inner, max_size=4)
        | st.tuples(st.sampled_from(_TAGS), inner).map(list)
        | st.tuples(
            st.sampled_from(["tensor", "array"]),
            st.fixed_dictionaries(
                {},
                optional={
                    "dtype": st.sampled_from(_DTYPE_NAMES) | inner,
                    "shape": st.lists(st.integers(-1, 2**41), max_size=3) | inner,
                    "data": st.binary(max_size=64) | inner,
                    "memory": st.integers() | inner,
                    "strides": st.none() | st.lists(st.integers()) | inner,
                },
            ),
        ).map(list)
    ),
    max_leaves=15,
)


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
@settings(_settings, max_examples=1500)
@given(_json)
def test_no_document_does_more_than_be_refused(document: Any) -> None:
    """Documents that Hypothesis makes from nothing, which it can shrink when one fails."""
    _decode_document(document)
    if isinstance(document, list):
        for item in document:
            _decode_document(item)
