r"""Read `ipamd.log` and `plugin.log` of every release, as text or JSON.

>>> line = parse_line("2019-11-07T10:00:01.204Z [INFO]\tDeleted ENI(eni-1)'s IP 10.0.0.5 from datastore")
>>> line.level, line.when_ns
('info', 1573120801204000000)
>>> found = classify(line.message)
>>> found.wording.kind, found.wording.releases
('cidr-removed', '1.0.0 to 1.8.0')
>>> read_event(found)
CidrLine(eni_id='eni-1', cidr='10.0.0.5/32', is_added=False)
"""

from vpcipam.inspection.log.events import (
    AssignLine,
    CidrLine,
    CooldownLine,
    EniLine,
    ErrorLine,
    LogEvent,
    OtherLine,
    PluginAnswerLine,
    PluginRequestLine,
    PoolLine,
    ReconcileLine,
    StartLine,
    UnassignLine,
    read_event,
)
from vpcipam.inspection.log.line import Form, LogLine, parse_line
from vpcipam.inspection.log.reader import LogReader, SkippedLine
from vpcipam.inspection.log.wording import WORDINGS, Classified, Wording, classify

__all__ = [
    "WORDINGS",
    "AssignLine",
    "CidrLine",
    "Classified",
    "CooldownLine",
    "EniLine",
    "ErrorLine",
    "Form",
    "LogEvent",
    "LogLine",
    "LogReader",
    "OtherLine",
    "PluginAnswerLine",
    "PluginRequestLine",
    "PoolLine",
    "ReconcileLine",
    "SkippedLine",
    "StartLine",
    "UnassignLine",
    "Wording",
    "classify",
    "parse_line",
    "read_event",
]
