"""The jars of Apache Kafka: fetched once from Maven Central, kept outside the tree, shared by all runs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from servers.selection import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POM = Path(__file__).with_name("kafka-pom.xml")
JAVA_VERSION_MIN = 17
FETCH_S = 900
_MARKER = "complete"


def kafka_version() -> str:
    found = re.search(r"<kafka\.version>([^<]+)</kafka\.version>", POM.read_text(encoding="utf-8"))
    assert found, f"{POM.name} has no property kafka.version"
    return found[1]


def cache_directory() -> Path:
    named = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(named) if named.startswith("/") else Path.home() / ".cache"
    return base / "watchkeeper"


def java() -> str:
    """Find a Java that runs Kafka 4."""
    program = shutil.which("java")
    if program is None:
        raise Unavailable(f"no java on PATH (install a JRE of version {JAVA_VERSION_MIN} or newer)")
    answer = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60, check=False)
    version = re.search(r'version "(\d+)', answer.stderr)
    if version is None or int(version[1]) < JAVA_VERSION_MIN:
        came = version[1] if version else answer.stderr.strip()[:100]
        raise Unavailable(f"Kafka needs Java {JAVA_VERSION_MIN} or newer, {program} is {came}")
    return program


def fetch_with_maven(directory: Path) -> None:
    """Copy the jars that the POM lists into an empty directory."""
    program = shutil.which("mvn")
    if program is None:
        raise Unavailable("the Kafka jars are not in the cache yet and no mvn is on PATH to fetch them")
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={directory}"]
    command = [program, "--batch-mode", "--quiet", "--file", str(POM), *goal]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_S, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"mvn did not fetch the Kafka jars within {FETCH_S} s") from None
    if answer.returncode:
        raise Unavailable(f"mvn could not fetch the Kafka jars: {answer.stdout.strip()[-1000:]}")


def kafka_jars(*, cache: Path, fetch: Callable[[Path], None] = fetch_with_maven) -> Path:
    """Return the directory with the jars, fetching them where they are missing, half there or out of date.

    Two runs at once fetch once: the second waits for the lock of the first. A fetch that is interrupted leaves
    only a `.partial` directory, which the next one replaces.
    """
    directory = cache / f"kafka-{kafka_version()}"
    wanted = hashlib.sha256(POM.read_bytes()).hexdigest()
    with _locked(cache / f"{directory.name}.lock"):
        marker = directory / _MARKER
        if marker.exists() and marker.read_text(encoding="utf-8") == wanted:
            return directory
        partial = cache / f"{directory.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        fetch(partial)
        if not any(partial.glob("kafka_2.13-*.jar")):
            raise Unavailable(f"the fetch into {partial} ended without Kafka's own jar")
        (partial / _MARKER).write_text(wanted, encoding="utf-8")
        shutil.rmtree(directory, ignore_errors=True)
        partial.rename(directory)
        return directory


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
