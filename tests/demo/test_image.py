"""The image builds from an imported base image, and its container watches real servers and answers /healthz.

A private Docker engine is started with folders of its own, so that an engine of the machine is not touched.
"""

import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from repwatch.model.server import Flavour
from repwatch.sandbox import Account, Sandbox
from repwatch.sandbox.demo.stage import wait
from repwatch.sandbox.ports import ReservedPort

ROOT = Path(__file__).parents[2]
BASE = "debian:bookworm-slim"
AUTHORITIES = Path("/usr/local/share/ca-certificates")  # a machine's own CAs, without which a build cannot reach its registry


class Engine:
    """A Docker engine in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._socket = f"unix://{folder / 'socket'}"
        folders = [f"--{name}={folder / name}" for name in ("data-root", "exec-root", "pidfile")]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["dockerd", "-H", self._socket, *folders, "--iptables=false", "--bridge=none"], stdout=log, stderr=log
            )
        assert wait((folder / "socket").exists, 60) is not None, (folder / "log").read_text()
        assert wait(lambda: self.run("info", check=False).returncode == 0, 60) is not None

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One command of the client."""
        environment = os.environ | {"DOCKER_HOST": self._socket, "DOCKER_BUILDKIT": "0"}
        done = subprocess.run(
            ["docker", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
        )
        assert not check or done.returncode == 0, f"docker {arguments[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done

    def import_base(self) -> None:
        """A minimal Debian as the base image, as a machine without a registry has to make it."""
        tree = self.folder / "tree"
        subprocess.run(["debootstrap", "--variant=minbase", "bookworm", tree], check=True, stdout=subprocess.DEVNULL)
        if AUTHORITIES.is_dir():
            shutil.copytree(AUTHORITIES, tree / AUTHORITIES.relative_to("/"), dirs_exist_ok=True)
        archive = self.folder / "base.tar"
        subprocess.run(["tar", "-C", tree, "-cf", archive, "."], check=True)
        self.run("import", str(archive), BASE)
        archive.unlink()

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(60)
        # The engine leaves the mark of its network namespace mounted.
        subprocess.run(
            ["umount", "--lazy", self.folder / "exec-root" / "netns" / "default"], check=False, stderr=subprocess.DEVNULL
        )


@pytest.fixture
def engine() -> Iterator[Engine]:
    folder = Path(tempfile.mkdtemp(prefix="repwatch-docker-"))  # the path of a socket must be short
    engine = Engine(folder)
    yield engine
    engine.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox.start(Flavour.MARIADB, replicas=1) as box:
        yield box


def healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_the_image_builds_and_its_container_answers_healthz(engine: Engine, box: Sandbox, tmp_path: Path) -> None:
    engine.import_base()
    engine.run("build", "--network=host", "-f", "docker/Dockerfile", "-t", "repwatch-test", ".")
    port = ReservedPort()
    config = tmp_path / "repwatch.toml"
    servers = "".join(
        f'[clusters.shop.servers.{server.name}]\nurl = "mysql://repwatch@{server.address}"\npassword = {{ env = "WATCH" }}\n'
        for server in box.servers
    )
    store = "sqlite:////var/lib/repwatch/repwatch.db"
    config.write_text(
        f'[store]\nurl = "{store}"\n[web]\nlisten = "127.0.0.1:{port.number}"\n[clusters.shop]\nsource = "source"\n{servers}'
    )
    config.chmod(0o644)
    tmp_path.chmod(0o755)
    secret = box.credentials.secret(Account.WATCH).text
    mount = f"{config}:/etc/repwatch/repwatch.toml:ro"
    options = ["--detach", "--network=host", "--name=repwatch-test", "-v", mount, "-e", f"WATCH={secret}"]
    options += ["--read-only", "--tmpfs", "/tmp", "--cap-drop=ALL"]
    engine.run("run", *options, "repwatch-test")
    url = f"http://127.0.0.1:{port.number}/"
    try:
        answered = wait(lambda: healthy(f"{url}healthz"), 120)
        assert answered is not None, engine.run("logs", "repwatch-test").stderr
        status = ("exec", "repwatch-test", "repwatch", "status", "--config", "/etc/repwatch/repwatch.toml")
        well = wait(lambda: engine.run(*status, check=False).returncode == 0, 120)
        assert well is not None, engine.run(*status, check=False).stdout
    finally:
        engine.run("stop", "repwatch-test")
        port.release()
    assert engine.run("inspect", "-f", "{{.State.ExitCode}}", "repwatch-test").stdout.strip() == "0"
