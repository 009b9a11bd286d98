"""
What twistd reads to learn that there is an ``echod`` command.

Every twistd, twist and trial of this environment loads this file, so it imports nothing of echod: that happens
only when the command is used.
"""

from twisted.application.service import ServiceMaker

echod = ServiceMaker(
    "echod",
    "echod.tap",
    "TCP and UDP echo and reply services from one YAML file: the known-good far end.",
    "echod",
)
