"""What a freshly forked submission does before its first cell, whatever runs the cells."""

import os
import random
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autograder.runner import inner_walls, refusals
from autograder.runner.wire import Channel


def settle(channel: Channel) -> Mapping[str, Any]:
    """Receive the job and the files beside the notebook, and make ready for them; the job."""
    folder = os.getcwd()
    if folder != inner_walls.NOTEBOOK:
        refusals.look_before_pretending()
    os.environ["HOME"] = os.environ["TMPDIR"] = tempfile.tempdir = folder
    job: Mapping[str, Any] = channel.receive(60.0)
    for _ in range(job["files"]):
        file = channel.receive(60.0)
        path = Path(file["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file["data"])
    refusals.explain(job["texts"])
    if "cuda_devices" in job:
        from autograder.cuda.switch import decide  # needs torch, which not every notebook has

        decide(job["cuda_devices"])
    _seed(job["seed"])
    return job


def _seed(seed: int) -> None:
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
