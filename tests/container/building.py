"""The base and the image, by Debian's buildah and debootstrap.

The base stands in for Docker's `python:…-slim-…`, which is the same Debian with the same Python: a
registry of images is not needed. Everything is kept in build/image, so the next time is quick.
"""

import contextlib
import functools
import os
import re
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

from madar.settings import ROOT, child_environment

FOLDER = ROOT / "build" / "image"
IMAGE = "localhost/madar"
PROGRAMS = ("buildah", "debootstrap")
INSTALL_S = 600
# What Docker's slim images leave out of a Debian, and what only debootstrap leaves behind.
LEFT_OUT = (
    *("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian"),
    *("var/cache/apt", "var/lib/apt/lists", "var/cache/debconf", "var/log", "tmp"),
)
PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"  # as in Docker's image
CERTIFICATES = Path("/etc/ssl/certs")


def missing() -> list[str]:
    """What is needed and could not be had; asks Debian for it where that is possible."""
    if os.geteuid() != 0:
        return ["root"]
    wanted = [name for name in PROGRAMS if not shutil.which(name)]
    if wanted and shutil.which("apt-get"):
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", *wanted]):
            environment = child_environment() | {"DEBIAN_FRONTEND": "noninteractive"}
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(
                    command, env=environment, capture_output=True, check=False, timeout=INSTALL_S
                )
    return [name for name in PROGRAMS if not shutil.which(name)]


def buildah_command(*words: str) -> list[str]:
    return [*_with_driver(_driver()), *words]


def _with_driver(driver: str) -> list[str]:
    store = ("--root", str(FOLDER / "store"), "--runroot", str(FOLDER / "run"))
    return ["buildah", "--storage-driver", driver, *store]


@functools.cache
def _driver() -> str:
    """Layers above each other where the kernel lets us; else copies of everything."""
    tried = [*_with_driver("overlay"), "info"]
    done = subprocess.run(tried, env=environment(), capture_output=True, check=False)
    return "vfs" if done.returncode else "overlay"


def buildah(*words: str) -> str:
    """What it says; what it tells beside that goes to standard error."""
    done = subprocess.run(
        buildah_command(*words), env=environment(), check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip()


def environment() -> dict[str, str]:
    """A chroot is all the isolation there is where one is inside of a container already."""
    return child_environment() | {"BUILDAH_ISOLATION": "chroot"}


def build_base() -> str:
    """The name of the stand-in for the image that the Dockerfile starts from."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    named = re.search(r"^ARG BASE=python:(3\.\d+)-slim-(\w+)$", dockerfile, re.MULTILINE)
    assert named, "the Dockerfile names no base"
    version, suite = named.groups()
    name = f"localhost/python:{version}-slim-{suite}"
    if name in buildah("images", "--format", "{{.Name}}:{{.Tag}}").splitlines():
        return name
    folder = FOLDER / suite
    _debootstrap(folder, suite)
    python = (folder / "usr/bin/python3").readlink().name
    assert python == f"python{version}", f"Debian's {suite} has {python}"
    container = buildah("from", "scratch")
    buildah("add", "--quiet", container, str(folder), "/")
    buildah("config", "--cmd", "python3", "--env", f"PATH={PATH}", container)
    buildah("commit", "--quiet", "--format", "docker", "--rm", container, name)
    shutil.rmtree(folder)
    return name


def _debootstrap(folder: Path, suite: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    packages = "ca-certificates,python3,python3-venv"
    command = ["debootstrap", "--variant=minbase", f"--include={packages}", suite, str(folder)]
    subprocess.run(command, check=True)
    for name in LEFT_OUT:
        for path in (folder / name).glob("*"):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for name in ("python", "python3"):
        (folder / "usr/local/bin" / name).symlink_to("/usr/bin/python3")


def build_image(base: str) -> None:
    """By the Dockerfile; this machine's ways to the package registries count in there too."""
    mounts = [f"{CERTIFICATES}:{CERTIFICATES}:ro"]
    npm = FOLDER / "npmrc"
    npm.write_text(f"cafile={CERTIFICATES / 'ca-certificates.crt'}\n", encoding="utf-8")
    mounts.append(f"{npm}:/root/.npmrc:ro")
    if Path("/etc/pip.conf").exists():
        mounts.append("/etc/pip.conf:/etc/pip.conf:ro")
    buildah(
        *(
            "bud",
            f"--layers={_driver() == 'overlay'}",
            "--format",
            "docker",
            "--network",
            "host",
            "--pull-never",
        ),
        *(word for mount in mounts for word in ("--volume", mount)),
        *("--build-arg", f"BASE={base}", "--tag", IMAGE, str(ROOT)),
    )


@contextlib.contextmanager
def container() -> Generator[str]:
    """One made from the image, by name."""
    name = buildah("from", "--pull-never", IMAGE)
    try:
        yield name
    finally:
        buildah("rm", name)
