"""Which requests come from a page of another site: by the names in ``Host`` and ``Origin``, and ``Sec-Fetch-Site``."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping

from fourpass.server.settings import Settings

_HOST = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^:\[\]/@\s]+)(:\d{1,5})?")
_OTHERS = (b"cross-site", b"same-site")  # the second is another port or subdomain


def refusal(headers: Mapping[str, bytes], settings: Settings) -> str | None:
    """Say why a request is not to be answered without a token; None where nothing speaks against it.

    A page of another site can make its visitor's browser send forms to this server. If its own name is made to point
    at this machine (DNS rebinding), it can read the answers too; then ``Host`` is a name that this server does not
    know. Programs other than browsers send neither ``Origin`` nor ``Sec-Fetch-Site``.

    Args:
        headers: of the request, by names in lower case.
        settings: which names are known.
    """
    strange = unknown_host(headers, settings)
    if strange:
        return strange
    if headers.get("sec-fetch-site") in _OTHERS:
        return "a page of another site sent this; open this server's own page, or set a token"
    origin = headers.get("origin")
    if origin is not None:
        where = origin.decode("latin-1").lower().partition("://")[2]
        if where != _host(headers) and _name(where) not in settings.names:
            return "a page of another site sent this (Origin is not Host); open this server's own page, or set a token"
    return None


def unknown_host(headers: Mapping[str, bytes], settings: Settings) -> str | None:
    """Say that a request asks for a host that is not this server; None where it is. As `refusal` otherwise."""
    host = _host(headers)
    name = _name(host)
    if name is None or not _known(name, settings):
        return (
            f"the host {host[:80]!r} is not one of this server's names; add {name or 'the right one'} to the names "
            "that it is started with, or set a token"
        )
    return None


def _host(headers: Mapping[str, bytes]) -> str:
    return headers.get("host", b"").decode("latin-1").lower()


def _name(host: str) -> str | None:
    """Return the name in a ``Host`` header, without its port."""
    match = _HOST.fullmatch(host)
    return match[1] if match else None


def _known(name: str, settings: Settings) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
        return True  # an address cannot be made to point elsewhere
    except ValueError:
        own = socket.gethostname().lower()
        return name in {"localhost", settings.host.lower(), own, f"{own}.local", *settings.names}
