"""Runs cells in a jailed kernel, for tests."""

import select
from typing import Any

from autograder.runner.jailed_kernel import JailedKernel, Message


def messages_of(kernel: JailedKernel, code: str, seconds: float = 20.0) -> list[Message]:
    """What a kernel publishes while it runs a cell, until it is idle or has ended."""
    request = kernel.execute(code)
    found: list[Message] = []
    while kernel.alive and select.select([kernel.fileno()], [], [], seconds)[0]:
        message = kernel.receive()
        if message is not None and message.parent == request:
            found.append(message)
            if message.kind == "status" and message.content["execution_state"] == "idle":
                break
    return found


def outputs_of(kernel: JailedKernel, code: str) -> list[dict[str, Any]]:
    """The contents of what a cell shows."""
    kinds = ("stream", "display_data", "execute_result", "error")
    return [one.content for one in messages_of(kernel, code) if one.kind in kinds]
