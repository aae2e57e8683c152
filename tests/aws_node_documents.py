"""Documents that have the variables of aws-node, and what is said about them."""

import json

from vpcipam.settings import Settings

ENV = [{"name": "ENABLE_IPv4", "value": "true"}, {"name": "WARM_IP_TARGET", "value": "5"}]
READ = Settings.from_env({"ENABLE_IPv4": "true", "WARM_IP_TARGET": "5"})
ELSEWHERE = {"valueFrom": {"configMapKeyRef": {"name": "x", "key": "y"}}}


def daemonset(env=ENV, **more):
    """A DaemonSet with other containers around the one that counts."""
    other = [{"name": "WARM_IP_TARGET", "value": "77"}, {"name": "ENABLE_IPv6", "value": "true"}, {"name": "FOO", "value": "1"}]
    containers = [{"name": "aws-eks-nodeagent", "env": other}, {"name": "aws-node", "env": env, **more}]
    spec = {"initContainers": [{"name": "aws-vpc-cni-init", "env": other}], "containers": containers}
    metadata = {"name": "aws-node", "namespace": "kube-system"}
    return {"kind": "DaemonSet", "apiVersion": "apps/v1", "metadata": metadata, "spec": {"template": {"spec": spec}}}


def read(document):
    """Read a document, given as text or as the object that is written to JSON."""
    return Settings.from_daemonset(document if isinstance(document, str) else json.dumps(document))


def said(settings):
    """The variable and level of each diagnostic."""
    return {(found.variable, found.level) for found in settings.diagnostics}


def message_about(settings, variable):
    """The only diagnostic about a variable, as text."""
    (found,) = [found for found in settings.diagnostics if found.variable == variable]
    return str(found)
