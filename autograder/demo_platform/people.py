"""Invented people."""

from dataclasses import dataclass
from typing import Final, Literal

Role = Literal["teacher", "student"]


@dataclass(frozen=True)
class Person:
    """Somebody in the course."""

    id: str
    """What the tool gets as ``sub``."""
    given: str
    family: str
    login: str
    role: Role = "student"
    private: bool = False
    """Whether the platform keeps name and e-mail for itself, as administrators may decide."""

    @property
    def name(self) -> str:
        """The whole name."""
        return f"{self.given} {self.family}"

    @property
    def about(self) -> dict[str, str]:
        """What a tool is told, by the names of OpenID Connect; NRPS has the same."""
        if self.private:
            return {}
        return {
            "name": self.name,
            "given_name": self.given,
            "family_name": self.family,
            "email": f"{self.login}@example.org",
        }


PEOPLE: Final = (
    Person("2001", "Marta", "Quiroga", "mquiroga", role="teacher"),
    Person("2002", "Ana", "Beltrán", "abeltran"),
    Person("2003", "Bruno", "Castell", "bcastell"),
    Person("2004", "Chloe", "O’Dwyer", "codwyer"),
    Person("2005", "Đăng", "Nguyễn", "dnguyen"),
)
