"""The commands, after a switch-over that the configuration does not know of."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from repwatch.sandbox import Account, Sandbox
from tests.server.refusing import another_source, everything_on


def run(*words: str) -> tuple[int, set[str], str]:
    """Exit status, codes of the refusals, and what stands on stderr."""
    command = [sys.executable, "-m", "repwatch", *words, "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, stdin=subprocess.DEVNULL)
    refusals = json.loads(done.stdout)["refusals"] if done.stdout else []
    return done.returncode, {refusal["code"] for refusal in refusals}, done.stderr


@pytest.mark.parametrize("verb", ["repair", "reseed"])
def test_a_named_source_is_refused_and_one_that_was_given_is_taken(star: Sandbox, schema: str, tmp_path: Path, verb: str) -> None:
    """Where all but one replica have left the source."""
    target = star.replicas[0]
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1)")
    star.wait_caught_up(60)
    target.sql("SET SESSION sql_log_bin = 0", f"DELETE FROM {schema}.t")
    fixed = star.configuration()
    named, auto = tmp_path / "named.toml", tmp_path / "auto.toml"
    named.write_text(fixed)
    auto.write_text(fixed.replace(f'\nsource = "{star.source.name}"\n', '\nsource = "auto"\n'))
    assert auto.read_text() != fixed
    state = ("--state", str(tmp_path / "state"))
    urls = (f"--source={url(star, star.source.port)}", f"--replica={url(star, target.port)}")
    with another_source(star, star.source):
        before = everything_on(target)
        for words in ((), ("--apply", "--yes")):
            status, codes, errors = run(verb, target.name, "--config", str(named), *state, *words)
            assert (status, codes) == (2, {"source-disputed"}), errors
        assert everything_on(target) == before
        assert run(verb, *urls, *state)[:2] == (1, set())
        assert "source-disputed" not in run(verb, target.name, "--config", str(auto), *state)[1]
    status, codes, errors = run(verb, target.name, "--config", str(named), *state, "--apply", "--yes")
    assert (status, codes) == (0, set()), errors


def url(star: Sandbox, port: int) -> str:
    secret = star.credentials.secret(Account.OPERATOR).text
    return f"mysql://{Account.OPERATOR.value}:{secret}@127.0.0.1:{port}"
