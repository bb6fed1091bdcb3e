"""Whether a request that changes something comes from this very page, and not from another site in the same browser."""

from collections.abc import Mapping
from urllib.parse import urlsplit


def is_same_origin(headers: Mapping[str, str]) -> bool:
    """What the browser says of the request's origin; false where it says nothing.

    `Sec-Fetch-Site` cannot be set by a page, but browsers send it to https and localhost alone; else `Origin` has to name the
    host that was asked. (Fetch Metadata Request Headers, W3C; Fetch Standard, "append a request `Origin` header".)
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == headers.get("host")
