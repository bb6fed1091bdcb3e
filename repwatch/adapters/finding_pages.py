"""The pages of the findings: in a wheel they lie within the package, in a checkout in docs/findings, where they are written."""

from importlib.resources import files
from pathlib import Path

import repwatch
from repwatch.model.finding import FindingCode


def finding_page(code: FindingCode) -> str:
    """Markdown. Raises FileNotFoundError where the package was put together without them."""
    packaged = files("repwatch") / "findings"
    folder = packaged if packaged.is_dir() else Path(repwatch.__file__).parents[1] / "docs" / "findings"
    return (folder / f"{code.value}.md").read_text(encoding="utf-8")
