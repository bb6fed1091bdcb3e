"""Where one reads more about an incident: on the status page, and in the team's own runbook."""

import re
from urllib.parse import quote

from repwatch.model.finding import Subject
from repwatch.model.notice import Links
from repwatch.model.settings import LinkSpec

_LONGEST = 1000  # characters, which leaves room for the rest in a message of Slack's
_PLACE = re.compile(r"\{(code|cluster|server)\}")


def links_to(spec: LinkSpec, subject: Subject, server_name: str | None) -> Links:
    """The addresses for one incident; "" where none is configured, or it is too long. What comes from outside is encoded."""
    values = {"code": subject.code.value, "cluster": subject.cluster, "server": server_name or subject.server}
    runbook = _PLACE.sub(lambda place: quote(_encodable(values[place[1]]), safe=""), spec.runbook)
    # The status page gives each finding its incident's key as id.
    page = f"{spec.page}#{quote(_encodable(subject.key), safe='/:')}" if spec.page else ""
    return Links(page=page if len(page) <= _LONGEST else spec.page, runbook=runbook if len(runbook) <= _LONGEST else "")


def _encodable(text: str) -> str:
    """A name out of a server's answer may hold what is no character."""
    return text.encode("utf-8", "replace").decode()
