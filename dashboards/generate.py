"""Writes repwatch.json, the Grafana dashboard, beside this file. Run it after a change; a test holds the two together."""

import json
from pathlib import Path
from typing import Any

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
CLUSTER = 'cluster=~"$cluster"'
STATES = [("ok", "green"), ("warning", "orange"), ("critical", "red"), ("unknown", "purple")]
TARGET = Path(__file__).with_name("repwatch.json")


def target(expression: str, legend: str = "", *, instant: bool = False) -> dict[str, Any]:
    """One query."""
    return {
        "datasource": DATASOURCE,
        "expr": expression,
        "legendFormat": legend or "__auto",
        "instant": instant,
        "range": not instant,
        "format": "table" if instant else "time_series",
        "refId": "A",
    }


def panel(
    kind: str, title: str, text: str, place: tuple[int, int, int, int], query: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """One panel at (x, y, width, height)."""
    x, y, w, h = place
    return {
        "type": kind,
        "title": title,
        "description": text,
        "datasource": DATASOURCE,
        "gridPos": {"x": x, "y": y, "w": w, "h": h},
        "targets": [query],
        "fieldConfig": {"defaults": more.pop("defaults", {}), "overrides": []},
        "options": more.pop("options", {}),
        **more,
    }


def state_expression() -> str:
    """The state of each server as a number: 0 ok, 1 warning, 2 critical, 3 unknown."""
    parts = (
        f'(repwatch_server_state{{repwatch_server_state="{state}", {CLUSTER}}} * {number})'
        for number, (state, _) in enumerate(STATES)
    )
    return f"max by (cluster, server, name) ({' or '.join(parts)})"


def value_mappings() -> list[dict[str, Any]]:
    """Words and colours for the numbers of `state_expression`."""
    options = {str(number): {"text": state, "color": color, "index": number} for number, (state, color) in enumerate(STATES)}
    return [{"type": "value", "options": options}]


def thresholds(*steps: tuple[str, float | None]) -> dict[str, Any]:
    """Colours from a value upward."""
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for color, value in steps]}


def panels() -> list[dict[str, Any]]:
    """All panels, top to bottom: what is wrong, since when, how far behind, and repwatch itself."""
    count = {"thresholds": thresholds(("green", None), ("red", 1)), "unit": "none"}
    seconds = {"unit": "s", "min": 0, "custom": {"fillOpacity": 8, "showPoints": "never"}}
    found = [
        panel("stat", "Critical", "Critical findings now.", (0, 0, 4, 5),
              target(f'sum(repwatch_finding{{severity="critical", {CLUSTER}}}) or vector(0)'), defaults=count),
        panel("stat", "Warnings", "Warnings now.", (4, 0, 4, 5),
              target(f'sum(repwatch_finding{{severity="warning", {CLUSTER}}}) or vector(0)'),
              defaults=count | {"thresholds": thresholds(("green", None), ("orange", 1))}),
        panel("stat", "Servers not seen", "Servers that the latest look could not see.", (8, 0, 4, 5),
              target(f"count(repwatch_up{{{CLUSTER}}} == 0) or vector(0)"), defaults=count),
        panel("stat", "Worst lag", "Of all replicas whose lag is known.", (12, 0, 4, 5),
              target(f"max(repwatch_lag_seconds{{{CLUSTER}}} >= 0) or vector(0)"),
              defaults={"unit": "s", "thresholds": thresholds(("green", None), ("orange", 30), ("red", 300))}),
        panel("stat", "Lag unknown", "Channels whose lag nobody can tell; unknown is not zero.", (16, 0, 4, 5),
              target(f"count(repwatch_lag_known{{{CLUSTER}}} == 0) or vector(0)"), defaults=count),
        panel("stat", "repwatch's last look", "Age of the oldest look; if this grows, repwatch itself is blind.", (20, 0, 4, 5),
              target("time() - repwatch_last_tick_timestamp_seconds"),
              defaults={"unit": "s", "thresholds": thresholds(("green", None), ("red", 30))}),
        panel("state-timeline", "State of each server", "What each server was, and when.", (0, 5, 24, 7),
              target(state_expression(), "{{cluster}} {{name}} {{server}}"),
              defaults={"mappings": value_mappings(), "custom": {"fillOpacity": 80}},
              options={"mergeValues": True, "showValue": "auto"}),
        panel("timeseries", "Lag", "Seconds behind the source; a gap is unknown lag.", (0, 12, 16, 9),
              target(f"repwatch_lag_seconds{{{CLUSTER}}}", "{{name}} {{server}} {{channel}}"), defaults=seconds),
        panel("timeseries", "Duration of a look", "How long each server took to answer.", (16, 12, 8, 9),
              target(f"repwatch_probe_duration_seconds{{{CLUSTER}}}", "{{name}} {{server}}"), defaults=seconds),
        panel("table", "Threads", "State of each receiver.", (0, 21, 8, 8),
              target(f"repwatch_receiver_state{{{CLUSTER}}} == 1", instant=True)),
        panel("table", "Appliers", "State of each applier.", (8, 21, 8, 8),
              target(f"repwatch_applier_state{{{CLUSTER}}} == 1", instant=True)),
        panel("timeseries", "Notices", "Waiting in the outbox; while it stays up, nobody is told.", (16, 21, 8, 8),
              target("repwatch_notices_waiting", "waiting")),
        panel("timeseries", "Findings", "How many conditions of each kind held.", (0, 29, 24, 8),
              target(f'sum by (code) (repwatch_finding{{{CLUSTER}}}) or label_replace(vector(0), "code", "none", "", "")',
                     "{{code}}"),
              defaults={"unit": "none", "min": 0, "custom": {"drawStyle": "bars", "stacking": {"mode": "normal"}}}),
        panel("timeseries", "Longest unproved", "Age of a replica's oldest proof; a gap: a table never was proved.",
              (0, 37, 8, 8), target(f"repwatch_last_proved_seconds{{{CLUSTER}}}", "{{name}} {{server}} {{channel}}"),
              defaults=seconds),
        panel("timeseries", "Tables not proved in time", "They need not differ; nobody knows.", (8, 37, 8, 8),
              target(f"repwatch_tables{{{CLUSTER}}} - repwatch_tables_proved{{{CLUSTER}}}", "{{name}} {{server}} {{channel}}"),
              defaults={"unit": "none", "min": 0}),
        panel("timeseries", "Running check", "Rows read of those expected, and nothing while none runs.", (16, 37, 8, 8),
              target(f"repwatch_check_rows{{{CLUSTER}}} / repwatch_check_rows_expected{{{CLUSTER}}}", "{{cluster}}"),
              defaults={"unit": "percentunit", "min": 0, "max": 1}),
    ]  # fmt: skip
    return [{"id": number, **each} for number, each in enumerate(found, start=1)]


def dashboard() -> dict[str, Any]:
    """The whole dashboard."""
    return {
        "uid": "repwatch",
        "title": "repwatch: replication",
        "tags": ["mysql", "mariadb", "replication"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
                {
                    "name": "cluster",
                    "label": "Cluster",
                    "type": "query",
                    "datasource": DATASOURCE,
                    "query": {"query": "label_values(repwatch_up, cluster)", "refId": "clusters"},
                    "definition": "label_values(repwatch_up, cluster)",
                    "includeAll": True,
                    "multi": True,
                    "allValue": ".*",
                    "current": {"text": "All", "value": "$__all"},
                    "refresh": 2,
                },
            ]
        },
        "panels": panels(),
    }


def rendered() -> str:
    """The file's text."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.write_text(rendered(), encoding="utf-8")
