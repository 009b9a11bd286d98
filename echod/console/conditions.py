"""`If-Match` and `If-None-Match`: who changes something has seen the version that there is (RFC 9110, section 13)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from echod.console.refusal import Refusal

_TAGS = re.compile(r'\s*(?:W/)?"[^"]*"\s*(?:,\s*(?:W/)?"[^"]*"\s*)*')
_TAG = re.compile(r'(W/)?("[^"]*")')


@dataclass(frozen=True)
class Conditions:
    """
    What must be so before a change is done.

    :ivar match: the header `If-Match`, or None.
    :ivar none_match: the header `If-None-Match`, or None.
    """

    match: str | None = None
    none_match: str | None = None

    def check(self, etag: str | None) -> None:
        """
        Compare with the present version; None when there is none.

        :raises Refusal: 412, also for a header that cannot be read.
        """
        if self.match is not None and not _holds("If-Match", self.match, etag, strong=True):
            gone = "it is gone" if etag is None else "somebody changed it since you got it"
            raise Refusal(412, f"{gone}: get it again, and decide anew")
        if self.none_match is not None and _holds("If-None-Match", self.none_match, etag, strong=False):
            raise Refusal(412, "it exists already: get it, and send its ETag in If-Match to change it")


def _holds(header: str, value: str, etag: str | None, *, strong: bool) -> bool:
    """Tell whether a version is among those that a header names; weak tags are not enough for a strong comparison."""
    if value.strip() == "*":
        return etag is not None
    if not _TAGS.fullmatch(value):
        raise Refusal(412, f'{header} holds no ETags: send "…" in double quotes as you got it, or *')
    return etag is not None and any(tag == etag and not (weak and strong) for weak, tag in _TAG.findall(value))
