"""Nothing of the simulator can be loaded where APP_ENV says production."""

import subprocess
import sys

import pytest

from madar.settings import child_environment


@pytest.mark.parametrize("name", ["APP_ENV", "NODE_ENV"])
def test_production_cannot_import_it(name: str) -> None:
    environment = child_environment() | {name: "production"}
    command = [sys.executable, "-c", "import madar.simulator.app"]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "ImportError: The simulator is not part of production" in done.stderr
