"""A platform whose services answer as a test tells them, and this tool's way to them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from autograder.lms.lti.keys import Keys
from autograder.lms.outgoing import Outgoing
from autograder.lms.services.platform import PlatformServices
from autograder.lms.services.tokens import Client
from tests.lms.http_double import Asked, Double, TokenEndpoint, Told, serving


@dataclass
class World:
    """A platform whose services answer as a test tells them, and this tool's way to them."""

    double: Double
    tokens: TokenEndpoint
    keys: Keys
    answers: dict[tuple[str, str], Callable[[Asked], Told]] = field(default_factory=dict)
    product: str = ""
    audience: str = ""
    session: Callable[[], Outgoing] = Outgoing

    def __post_init__(self) -> None:
        self.services = self.new_services()

    def new_services(self, **changes: Any) -> PlatformServices:
        about = {
            "client_id": self.tokens.client_id,
            "audience": self.audience,
            "product": self.product,
        }
        client = Client(1, token_url=f"{self.double.url}/token", **(about | changes))
        return PlatformServices(client, self.keys, self.session)

    def answer(self, asked: Asked) -> Told:
        if asked.path == "/token":
            return self.tokens.answer(asked, self.audience or f"{self.double.url}/token")
        return self.answers[asked.method, asked.path](asked)

    def tell(self, method: str, path: str, *told: Told) -> None:
        """Have a path answer these one after the other, and the last one from then on."""
        left = list(told)
        self.answers[method, path] = lambda _asked: left.pop(0) if len(left) > 1 else left[0]

    def url(self, path: str) -> str:
        return f"{self.double.url}{path}"


@contextmanager
def world_of(keys: Keys, **settings: Any) -> Iterator[World]:
    with serving(lambda _asked: Told(500)) as double:
        world = World(double, TokenEndpoint(keys.current.public_pem), keys, **settings)
        double.answering = world.answer
        yield world
