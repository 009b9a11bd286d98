"""
Who may ask: checked for each request before anything else.

A console on loopback is reached by every program of this host, and so by every page in its browsers. A page of another
site must not use it: `Host` shows a name that was bent to 127.0.0.1 (DNS rebinding), `Origin` and `Sec-Fetch-Site` show
a request that another page made (CSRF). Elsewhere a request must have the bearer token (RFC 6750); where a token is
named, on loopback too.
"""

from __future__ import annotations

import hmac
import re
import stat
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from echod.config import ConfigError, Problem
from echod.config.files import read_bounded
from echod.config.problems import shown
from echod.console.refusal import Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from echod.config import Console

LEAST_TOKEN = 16
"""Characters that a token must have."""

_MOST_TOKEN = 4_096
_TOKEN = re.compile(rb"[\x21-\x7e]+")
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?")
_LOCAL_NAMES = frozenset({b"localhost", b"127.0.0.1", b"[::1]"})

_log = Logger()


class Guard:
    """
    What is asked of requests.

    :param settings: of the console.
    :param token: what they must show, or None.
    """

    def __init__(self, settings: Console, token: bytes | None) -> None:
        self._token = token
        self._names: frozenset[bytes] | None = None
        if settings.local:
            host = settings.listen.host.partition("%")[0].encode()
            # Another address of loopback may be named, too.
            own = {b"[" + host + b"]" if b":" in host else host} - {b""}
            self._names = _LOCAL_NAMES | own

    def __eq__(self, other: object) -> bool:
        """Tell whether another one lets in the same requests."""
        return isinstance(other, Guard) and (self._token, self._names) == (other._token, other._names)

    __hash__ = None  # type: ignore[assignment]

    def check_host(self, request: Any) -> None:
        """
        Check that the request was meant for us.

        The port is not looked at: whoever comes through a tunnel names another, and a page cannot choose the name.

        :raises Refusal: 403.
        """
        values = request.requestHeaders.getRawHeaders(b"Host", [])
        found = _HOST.fullmatch(values[0]) if len(values) == 1 else None
        if found is None:
            raise Refusal(403, "the header Host names no host")
        if self._names is not None and found[1].lower() not in self._names:
            known = ", ".join(sorted(name.decode() for name in self._names))
            raise Refusal(403, f"this console is for this host alone: ask for it by one of {known}")

    def check_origin(self, request: Any) -> None:
        """
        Check that no page of another site sends the request.

        :raises Refusal: 403.
        """
        headers = request.requestHeaders
        origins = headers.getRawHeaders(b"Origin", [])
        own = (b"https://" if request.isSecure() else b"http://") + headers.getRawHeaders(b"Host")[0]
        if any(origin.lower() != own.lower() for origin in origins):
            raise Refusal(403, f"a page of {shown(origins[0].decode('latin-1'))} may not ask here")
        if any(site not in (b"same-origin", b"none") for site in headers.getRawHeaders(b"Sec-Fetch-Site", [])):
            raise Refusal(403, "a page of another site may not ask here")

    def check_token(self, request: Any) -> None:
        """
        Check that the request has the token.

        :raises Refusal: 401.
        """
        if self._token is None:
            return
        values = request.requestHeaders.getRawHeaders(b"Authorization", [])
        scheme, _, shown_token = values[0].partition(b" ") if len(values) == 1 else (b"", b"", b"")
        if scheme.lower() == b"bearer" and hmac.compare_digest(shown_token.strip(), self._token):
            return
        why = "another token is needed" if scheme.lower() == b"bearer" else "send Authorization: Bearer and the token"
        error = ', error="invalid_token"' if values else ""
        raise Refusal(401, why, headers={"WWW-Authenticate": f'Bearer realm="echod"{error}'})


def token_in(path: Path) -> bytes:
    """
    Return the token in a file, without the white space around it.

    :raises ConfigError: there is none, or none that is worth the name.
    """

    def wrong(sentence: str) -> ConfigError:
        return ConfigError([Problem(str(path), 1, 1, "console.token_file", sentence)])

    try:
        raw = read_bounded(path, _MOST_TOKEN, regular=True)
    except ValueError as error:
        raise wrong(str(error)) from None
    token = raw.strip()
    make = "write for example what `openssl rand -hex 32` prints"
    if not token:
        raise wrong(f"the file is empty: {make}")
    if len(raw) > _MOST_TOKEN:
        raise wrong(f"the file has more than {_MOST_TOKEN:,} bytes: {make}")
    if not _TOKEN.fullmatch(token):
        raise wrong(f"the token is one word of ASCII characters: {make}")
    if len(token) < LEAST_TOKEN:
        raise wrong(f"the token has {len(token)} characters, and could be guessed: {make}")
    if path.stat().st_mode & stat.S_IROTH:
        _log.warn("{file}: everyone on this host may read this token: chmod o-r", file=str(path))
    return token
