"""Pools in which all free addresses cool."""

from clusters import Cluster, documents, event_object, evidence
from log_texts import LogWriter

from vpcipam.ec2.offline.views import time_text
from vpcipam.inspection import audit
from vpcipam.inspection.finding import Severity


def told(made):
    return [each for each in audit(evidence(made)).findings if each.rule == "all-free-cool"]


def full():
    """A node that has all its addresses, each of them held or cooling."""
    made = Cluster.make("t3.small")
    here = made.nodes[0]
    for _ in range(9):
        made.pod(here)
        made.wait(5)
    made.end(here, next(iter(here.pods)))
    return made


def test_all_free_addresses_cool():
    made = full()
    made.now_ns += 5 * 10**9
    (answer,) = told(documents(made))
    assert (answer.rule, answer.severity) == ("all-free-cool", Severity.NOTE)
    assert answer.message.startswith("had no address for a further pod at 2023-11-14T22:")
    assert ", the latest time that was read: 8 were held and 1 cooled, the first for another " in answer.message


def test_what_cooled_before_an_event_is_free_by_then():
    made = full()
    event = event_object("Node " + made.nodes[0].name, "NodeReady", "is ready", made.now_ns + 29 * 10**9)
    changed = documents(made)
    changed["events"]["items"].append(event)
    assert "the first for another 1 s" in told(changed)[0].message
    event["lastTimestamp"] = time_text(made.now_ns + 30 * 10**9)
    assert told(changed) == []


def test_the_log_tells_how_often():
    made = documents(full())
    folder = next(name for name in made if name.endswith("enis.json")).rpartition("/")[0]
    log = LogWriter()
    for _ in range(2):
        log.raw("Current warm IP stats: target: 2, total: 18, assigned: 16, available: 2, cooldown: 2, short: 0, over 0")
    made[f"{folder}/ipamd.log"] = log.data
    (answer,) = told(made)
    assert {"log-all-free-cool"} <= {each.rule for each in audit(evidence(made)).findings}
    assert answer.message.endswith(". By its log, that was so 2 times")


def test_a_free_address_or_a_pool_that_asks_for_more_is_not_told():
    made = Cluster.make("m5.large")
    assert told(documents(made)) == []
    here = made.nodes[0]
    for _ in range(9):
        made.pod(here)
    made.end(here, next(iter(here.pods)))
    assert told(documents(made)) == []
    made = Cluster.make("m5.large", variables={"WARM_IP_TARGET": "1"})
    here = made.nodes[0]
    made.pod(here)
    made.end(here, next(iter(here.pods)))
    assert len(told(documents(made))) == 1
    changed = documents(made)
    changed["daemonset"]["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "MINIMUM_IP_TARGET", "value": "5"})
    assert told(changed) == []
