"""
The configuration: YAML text becomes a `Config`, or every problem with its place. There is no Twisted in here.

`load` is the way in. The models' field descriptions are the reference of the file.
"""

from echod.config.config import Config, Place
from echod.config.defaults import Defaults
from echod.config.framing import Framing
from echod.config.limits import Limits
from echod.config.listen import Listen
from echod.config.load import load
from echod.config.model import (
    AnyService,
    ChargenService,
    DaytimeService,
    DiscardService,
    EchoService,
    PythonService,
    QotdService,
    ReplyService,
    Service,
    TimeService,
)
from echod.config.nodes import Exact
from echod.config.problems import ConfigError, Problem
from echod.config.rules import Rule, When
from echod.config.schema import json_schema
from echod.config.sides import Console, Log, Metrics
from echod.config.target import Target
from echod.config.top import TopLevel

__all__ = [
    "AnyService",
    "ChargenService",
    "Config",
    "ConfigError",
    "Console",
    "DaytimeService",
    "Defaults",
    "DiscardService",
    "EchoService",
    "Exact",
    "Framing",
    "Limits",
    "Listen",
    "Log",
    "Metrics",
    "Place",
    "Problem",
    "PythonService",
    "QotdService",
    "ReplyService",
    "Rule",
    "Service",
    "Target",
    "TimeService",
    "TopLevel",
    "When",
    "json_schema",
    "load",
]
