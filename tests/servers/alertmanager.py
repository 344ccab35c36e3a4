"""A real Alertmanager of Prometheus for the tests, alone on a port of this machine."""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

from servers.ports import reserved_port
from servers.selection import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAMS = ("prometheus-alertmanager", "alertmanager")
"""What Debian calls it, and what everybody else does."""

CONFIG = """\
route: {receiver: nobody, group_by: [app, model, cause], group_wait: 1s, group_interval: 1s}
receivers: [{name: nobody}]
"""
READY_S = 20.0


@contextmanager
def an_alertmanager(directory: Path) -> Iterator[str]:
    """Start one and give its base URL; it is stopped in the end."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise Unavailable(f"no Alertmanager for the tests: no {' or '.join(PROGRAMS)} on PATH")
    config = directory / "alertmanager.yml"
    config.write_text(CONFIG, encoding="utf-8")
    url = f"http://127.0.0.1:{reserved_port()}"
    command = [
        program,
        f"--config.file={config}",
        f"--storage.path={directory / 'data'}",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--cluster.listen-address=",
    ]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=directory)
        try:
            _wait_until_ready(url, process, directory / "log")
            yield url
        finally:
            process.terminate()
            process.wait(10)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + READY_S
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            with urlopen(f"{url}/-/ready", timeout=1) as answer:  # noqa: S310 - our own
                if answer.status == 200:
                    return
        except (URLError, OSError):
            time.sleep(0.05)
    raise Unavailable(f"Alertmanager did not become ready: {log.read_text(errors='replace')[-500:]}")
