"""Pools in which all free addresses cool."""

from clusters import Cluster, documents, evidence
from log_texts import LogWriter

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
    assert answer.message.startswith("has no address for a pod that comes now: 8 are held and 1 cool, the first for another ")


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
