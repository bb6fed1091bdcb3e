"""A recording is read back as it was written; what is none is refused in one line."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from repwatch.adapters.recording import Recorder, read_recording
from repwatch.adapters.secrets import reveal
from repwatch.cli.replay import replay as replay_command
from repwatch.errors import StoreError, UsageError
from repwatch.flows.recording import Round, Tick
from repwatch.health.rules import diagnose
from repwatch.model.endpoint import LiteralSecret
from repwatch.model.observation import ProbeFailure
from repwatch.model.server import Flavour
from repwatch.render.replay import moves, replay_json, replay_text
from tests.unit.health.worlds import NOW, star, unobserved, world

SOURCE, REPLICA, _ = star(Flavour.MYSQL)
TICK = Tick(rounds=(Round(at=NOW, results={"db1": unobserved(ProbeFailure.TIMED_OUT), "db2": REPLICA}),))


def recorded(path: Path, *ticks: Tick) -> None:
    cluster = world((SOURCE, REPLICA)).cluster
    with Recorder(path, cluster) as recorder:
        for tick in ticks:
            recorder.add(tick)


def test_it_comes_back(tmp_path: Path) -> None:
    recorded(tmp_path / "r", TICK, TICK)
    cluster, ticks = read_recording(tmp_path / "r")
    assert [server.name for server in cluster.servers] == ["db1", "db2"]
    assert {server.endpoint.password for server in cluster.servers} == {None}
    assert list(ticks) == [TICK, TICK]


@pytest.mark.parametrize("output_format", ["text", "json"])
def test_a_recording_without_a_look_is_not_taken_for_a_healthy_cluster(tmp_path: Path, output_format: str) -> None:
    recorded(tmp_path / "r")
    with (tmp_path / "r").open("a", encoding="utf-8") as torn:
        torn.write('{"rounds"')
    shown = CliRunner().invoke(replay_command, [str(tmp_path / "r"), "--format", output_format])
    assert isinstance(shown.exception, UsageError)
    assert shown.stdout == ""
    recorded(tmp_path / "one", TICK)
    assert CliRunner().invoke(replay_command, [str(tmp_path / "one"), "--format", output_format]).exit_code == 0


def test_no_secret_gets_into_it(tmp_path: Path) -> None:
    secret = reveal(LiteralSecret("s3cr3t-of-the-day"))
    blind = unobserved(ProbeFailure.FAILED, text=f"said {secret}", hint="mysql://u:other-secret@h/ and more")
    recorded(tmp_path / "r", Tick(rounds=(Round(at=NOW, results={"db1": blind}),)))
    text = (tmp_path / "r").read_text(encoding="utf-8")
    assert secret not in text
    assert "other-secret" not in text
    assert len(list(read_recording(tmp_path / "r")[1])) == 1


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    recorded(tmp_path / "r")
    with pytest.raises(StoreError):
        recorded(tmp_path / "r")


@pytest.mark.parametrize("text", ["", "hello\n", "{}\n", '{"recording": 1}\n'])
def test_what_is_no_recording(tmp_path: Path, text: str) -> None:
    (tmp_path / "r").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError):
        read_recording(tmp_path / "r")
    with pytest.raises(UsageError):
        read_recording(tmp_path / "nothing")


def test_the_torn_end_is_left_out_and_a_wrong_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r"
    recorded(path, TICK, TICK)
    text = path.read_text(encoding="utf-8")
    path.write_text(text[:-5], encoding="utf-8")
    assert list(read_recording(path)[1]) == [TICK]
    path.write_text(text.replace('"rounds"', '"rrounds"', 1), encoding="utf-8")
    with pytest.raises(UsageError, match="line 2"):
        list(read_recording(path)[1])


def test_a_newer_format_is_named(tmp_path: Path) -> None:
    recorded(tmp_path / "r")
    text = (tmp_path / "r").read_text(encoding="utf-8")
    (tmp_path / "r").write_text(text.replace('"recording":1', '"recording":2'), encoding="utf-8")
    with pytest.raises(UsageError, match="newer"):
        read_recording(tmp_path / "r")


def test_only_changes_are_shown() -> None:
    findings = diagnose(world((SOURCE, replace(REPLICA, read_only=False))))
    changes = tuple(moves([(NOW, findings, ()), (NOW, findings, ()), (NOW, (), ())]))
    assert [(len(change.appeared), len(change.gone)) for change in changes] == [(1, 0), (0, 1)]
    assert "replica-writable" in replay_text(changes)
    assert "replica-writable" in replay_json("shop", changes)
