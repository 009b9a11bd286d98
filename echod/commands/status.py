"""The exit statuses of the `echod` command: those of the design, and sysexits.h for what it does not name."""

RIGHT = 0
WRONG = 1
USAGE = 2
UNAVAILABLE = 69
"""Nothing could be reached at all."""

SOFTWARE = 70
"""A fault of echod's own; a traceback is on standard error."""

IO_ERROR = 74
"""Standard output could not be written."""

CONFIG = 78
INTERRUPTED = 130
"""Ctrl-C: 128 and the number of SIGINT, as shells have it."""

BROKEN_PIPE = 141
"""Nobody reads standard output any more: 128 and the number of SIGPIPE."""
