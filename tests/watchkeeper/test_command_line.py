from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_reading_the_arguments_loads_nothing_that_only_some_command_needs() -> None:
    heavy = "{'numpy', 'redis', 'confluent_kafka', 'pydantic', 'river'}"
    code = f"import sys, watchkeeper.cli as c; c.build_parser(); print(*sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == []
