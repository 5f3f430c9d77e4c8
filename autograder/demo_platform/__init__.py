"""A tiny LTI 1.3 Advantage platform on this machine, to try the tool without an LMS.

It has one course with invented people, keeps everything in memory and answers nobody but this
machine. It shares no code with the tool, and so takes what the tool sends by the specifications,
not by the tool's own ideas of them. The tests use it as well, with the dialects of real LMSs.
"""

from autograder.demo_platform.app import create_platform
from autograder.demo_platform.people import PEOPLE, Person
from autograder.demo_platform.state import NewLink, Platform, RegistrationFacts, registration_facts

__all__ = [
    "PEOPLE",
    "NewLink",
    "Person",
    "Platform",
    "RegistrationFacts",
    "create_platform",
    "registration_facts",
]
