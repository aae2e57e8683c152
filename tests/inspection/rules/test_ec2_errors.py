"""Errors of EC2 in ipamd's metrics."""

from clusters import Cluster, documents, evidence

from vpcipam.inspection import audit


def test_errors_that_ipamd_has_counted_are_notes():
    cluster = Cluster.make("t3.small")
    made = documents(cluster)
    name = f"{cluster.nodes[0].name}/metrics.txt"
    made[name] += 'awscni_aws_api_error_count{api="DeleteNetworkInterface",error="InvalidParameterValue"} 14\n'
    made[name] += 'awscni_aws_api_error_count{api="DetachNetworkInterface",error="X"} 0\n'
    made[name] += "awscni_aws_api_error_count 1\n"
    first, second = (each for each in audit(evidence(made)).findings if each.rule == "ec2-errors-counted")
    assert (first.severity, first.where) == ("note", cluster.nodes[0].name)
    assert first.message == "got InvalidParameterValue from EC2 for DeleteNetworkInterface, 14 times since ipamd started"
    assert second.message == "got an error from EC2 for a call, 1 time since ipamd started"
    assert [source.line for source in (*first.sources, *second.sources)] == sorted(
        {source.line for source in (*first.sources, *second.sources)}
    )
