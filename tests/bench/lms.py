"""A deadline's last minute: ``python -m tests.bench.lms [--students N] [--seconds S]``.

Each student launches the tool from an LMS, looks at the assignment, downloads it and hands in, all
within so many seconds, on a server of one process that grades at the same time. Says how long each
request took, whether anything was lost or refused, and how long until all are graded; every
submission must be stored byte for byte and earn the points that its notebook earns.
"""

import argparse
import asyncio
import functools
import hashlib
import http.server
import json
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import func, select

from autograder.bridge.course import Course
from autograder.lms.database import open_database, reading
from autograder.lms.lti.registrations import RegistrationFacts, add
from autograder.lms.schema import Identity, Submission, SubmittedFile
from tests.bench.commands import environment
from tests.sample_class.build import notebook_of
from tests.sample_class.demo import copy_course

ASSIGNMENT: Final = "gradientes"
_CASES: Final = ("perfecto-1", "un-poco-de-todo", "sin-tocar", "backward-dos-veces")
_CLAIM: Final = "https://purl.imsglobal.org/spec/lti/claim/"
_ROLE: Final = "http://purl.imsglobal.org/vocab/lis/v2/membership#Learner"
_AT_ONCE: Final = 100
_START_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Issuer:
    """What of an LMS a launch needs: a key, and where it is published."""

    url: str
    key: rsa.RSAPrivateKey

    def id_token(self, user: str, nonce: str, target: str) -> str:
        """The signed message that a student comes with."""
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": "load", "sub": user, "nonce": nonce, "iat": now,
            "exp": now + 300, "name": f"Student {user}",
            f"{_CLAIM}message_type": "LtiResourceLinkRequest", f"{_CLAIM}version": "1.3.0",
            f"{_CLAIM}deployment_id": "1", f"{_CLAIM}target_link_uri": target,
            f"{_CLAIM}resource_link": {"id": "link"}, f"{_CLAIM}roles": [_ROLE],
            f"{_CLAIM}context": {"id": "course"},
        }  # fmt: skip
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": "load"})


@contextmanager
def issuer() -> Iterator[Issuer]:
    """An LMS that only publishes its key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    keys = json.dumps({"keys": [public | {"kid": "load", "alg": "RS256", "use": "sig"}]}).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(keys)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Issuer(f"http://127.0.0.1:{server.server_port}", key)
    finally:
        server.shutdown()


@dataclass
class Seen:
    """What the students saw."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)

    @property
    def handed_in(self) -> int:
        """How many hand-ins were answered, well or not."""
        return len(self.seconds.get("hand-in", ()))

    def took(self, what: str, began: float, response: httpx.Response, expected: int) -> bool:
        """Note how long a request took, and whether it was answered as it should be."""
        self.seconds.setdefault(what, []).append(time.perf_counter() - began)
        good = response.status_code == expected
        self.statuses["good" if good else f"{what}: {response.status_code}"] += 1
        return good


@dataclass(frozen=True)
class Hurry:
    """A class that hands in at the last minute."""

    client: httpx.AsyncClient
    lms: Issuer
    notebooks: Sequence[bytes]
    seen: Seen

    @property
    def origin(self) -> str:
        """The tool's, as browsers send it."""
        return str(self.client.base_url).rstrip("/")

    async def student(self, number: int, after: float) -> None:
        """One student's way, from the click in the LMS to the receipt."""
        await asyncio.sleep(after)
        cookies: dict[str, str] = {}
        try:
            await self._way(number, cookies)
        except httpx.HTTPError as error:
            self.seen.statuses[type(error).__name__] += 1

    async def _way(self, number: int, cookies: dict[str, str]) -> None:
        user, target = f"user-{number}", f"{self.origin}/assignments/{ASSIGNMENT}"
        begin = {
            "iss": self.lms.url, "client_id": "load", "login_hint": user,
            "target_link_uri": target, "lti_deployment_id": "1",
        }  # fmt: skip
        answer = await self._ask("login", 302, cookies, "POST", "/lti/login", data=begin)
        if answer is None:
            return
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        token = self.lms.id_token(user, query["nonce"][0], target)
        message = {"id_token": token, "state": query["state"][0]}
        if await self._ask("launch", 303, cookies, "POST", "/lti/launch", data=message) is None:
            return
        page = await self._ask("page", 200, cookies, "GET", f"/assignments/{ASSIGNMENT}")
        if page is None:
            return
        csrf = re.findall(r'name="csrf" value="([^"]+)"', page.text)[0]
        await self._ask("download", 200, cookies, "GET", f"/assignments/{ASSIGNMENT}/release")
        name = f"{ASSIGNMENT}.ipynb"
        files = {"files": (name, self.notebooks[number % len(self.notebooks)])}
        await self._ask(
            "hand-in", 303, cookies, "POST", f"/assignments/{ASSIGNMENT}/submissions",
            data={"csrf": csrf}, files=files,
        )  # fmt: skip

    async def _ask(
        self, what: str, expected: int, cookies: dict[str, str], method: str, path: str, **body: Any
    ) -> httpx.Response | None:
        header = "; ".join(f"{name}={value}" for name, value in cookies.items())
        began = time.perf_counter()
        response = await self.client.request(
            method, path, headers={"cookie": header, "origin": self.origin}, **body
        )
        good = self.seen.took(what, began, response, expected)
        cookies.update(response.cookies)
        return response if good else None


async def hurry(
    url: str, lms: Issuer, notebooks: Sequence[bytes], size: int, window: float
) -> Seen:
    """Let a class of ``size`` hand in within ``window`` seconds."""
    seen, chance = Seen(), random.Random(7)
    limits = httpx.Limits(max_connections=_AT_ONCE)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60.0) as client:
        one = Hurry(client, lms, notebooks, seen)
        ways = [one.student(number, chance.uniform(0, window)) for number in range(size)]
        await asyncio.gather(*ways)
    return seen


def make_course(folder: Path) -> list[bytes]:
    """The course with its release; what students hand in, in a few versions."""
    copy_course(folder)
    Course(folder).release(ASSIGNMENT)
    return [notebook_of(folder, ASSIGNMENT, student) for student in _CASES]


@contextmanager
def server(course: Path, lms: Issuer) -> Iterator[str]:
    """The tool, as a teacher starts it; its URL."""
    engine = open_database(f"sqlite:///{course / 'lms.db'}")
    add(engine, RegistrationFacts(lms.url, "load", f"{lms.url}/auth", f"{lms.url}/token",
                                  f"{lms.url}/keys", deployments=("1",)))  # fmt: skip
    engine.dispose()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "autograder", "--course", str(course), "serve"]
    process = subprocess.Popen([*command, "--port", str(port)], env=environment())
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, process)
        yield url
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            httpx.get(f"{url}/health").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError("the server does not start; see what it says above")


def wait_until_graded(course: Path, size: int, most: float) -> tuple[float, Counter[str]]:
    """Seconds until everything is graded, and what became of it."""
    engine = open_database(f"sqlite:///{course / 'lms.db'}")
    began = time.monotonic()
    count = select(Submission.state, func.count()).group_by(Submission.state)
    states: Counter[str] = Counter()
    while time.monotonic() - began < most:
        with reading(engine) as session:
            states = Counter({row[0]: row[1] for row in session.execute(count)})
        if states["graded"] + states["failed"] == size:
            break
        time.sleep(0.5)
    engine.dispose()
    return time.monotonic() - began, states


def problems(course: Path, notebooks: Sequence[bytes], size: int) -> list[str]:
    """What is not stored as it was handed in, or not graded as its notebook must be."""
    engine = open_database(f"sqlite:///{course / 'lms.db'}")
    query = (
        select(Identity.sub, SubmittedFile.sha256, Submission.score)
        .join(Submission, Submission.student == Identity.student)
        .join(SubmittedFile, SubmittedFile.submission_id == Submission.id)
    )
    with reading(engine) as session:
        rows = {row[0]: (row[1], row[2]) for row in session.execute(query)}
    engine.dispose()
    found = []
    digests = [hashlib.sha256(one).hexdigest() for one in notebooks]
    scores: dict[str, set[float | None]] = {}
    for number in range(size):
        user, digest = f"user-{number}", digests[number % len(digests)]
        if user not in rows:
            found.append(f"{user}: nothing is stored")
        elif rows[user][0] != digest:
            found.append(f"{user}: other bytes are stored")
        else:
            scores.setdefault(digest, set()).add(rows[user][1])
    found += [f"the same notebook earned {points}" for points in scores.values() if len(points) > 1]
    return found


def main(arguments: Sequence[str]) -> int:
    """Measure and print; 1 where anything was lost or refused."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.lms", description=__doc__)
    parser.add_argument("--students", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=120.0, help="in which they hand in")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="autograder-load-") as name, issuer() as lms:
        course = Path(name)
        notebooks = make_course(course)
        with server(course, lms) as url:
            run = functools.partial(hurry, url, lms, notebooks)
            began = time.monotonic()
            seen = asyncio.run(run(options.students, options.seconds))
            lasted = time.monotonic() - began
            waited, states = wait_until_graded(course, seen.handed_in, 3600.0)
        wrong = problems(course, notebooks, options.students)
    print(f"{sum(seen.statuses.values())} requests in {lasted:.0f} s: {dict(seen.statuses)}")
    for what, times in seen.seconds.items():
        p95 = statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
        print(f"{what:9} median {statistics.median(times):.3f} s, 95 % within {p95:.3f} s, "
              f"longest {max(times):.3f} s")  # fmt: skip
    print(f"graded: {dict(states)}; all of them {waited:.0f} s after the last came")
    for line in wrong[:20]:
        print(f"WRONG {line}")
    return 1 if wrong or set(seen.statuses) != {"good"} else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
