"""What kubectl writes for people: `kubectl set env --list` and `kubectl describe`."""

import pytest

from aws_node_documents import message_about, read, said
from vpcipam.errors import ManifestError
from vpcipam.settings import Settings
from vpcipam.settings.manifest import read_manifest
from vpcipam.settings.text_dumps import read_dumps

READ = Settings.from_env({"ENABLE_IPv4": "true", "WARM_IP_TARGET": "5"})

LIST = """\
# DaemonSet aws-node, container aws-node
ADDITIONAL_ENI_TAGS={}
ENABLE_IPv4=true
CLUSTER_ENDPOINT=https://x.example?a=b
WARM_IP_TARGET=5
EMPTY_ONE=
# MAX_ENI from configmap x, key y
# MY_NODE_NAME from field path spec.nodeName
# DaemonSet aws-node, container aws-eks-nodeagent
MAX_ENI=2
# MY_NODE_NAME from field path spec.nodeName
# DaemonSet aws-node, container aws-vpc-cni-init
ENABLE_IPv6=true
"""

DESCRIPTION = """\
Name:           aws-node
Selector:       k8s-app=aws-node
Labels:         k8s-app=aws-node
Pods Status:  3 Running / 0 Waiting / 0 Succeeded / 0 Failed
Pod Template:
  Labels:           k8s-app=aws-node
  Service Account:  aws-node
  Init Containers:
   aws-vpc-cni-init:
    Image:      example.com/amazon-k8s-cni-init:v1.23.1
    Environment:
      ENABLE_IPv6:              true
    Mounts:
      /host/opt/cni/bin from cni-bin-dir (rw)
  Containers:
   aws-node:
    Image:      example.com/amazon-k8s-cni:v1.23.1
    Port:       61678/TCP
    Args:
      --x
    Requests:
      cpu:      25m
    Liveness:   exec [/app/grpc-health-probe -addr=:50051] delay=60s timeout=10s period=10s #success=1 #failure=3
    Environment:
      ADDITIONAL_ENI_TAGS:                    {}
      CLUSTER_ENDPOINT:                       https://x.example:443
      ENABLE_IPv4:                            true
      AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS:
      WARM_IP_TARGET:                         5
      MAX_ENI:                                <set to the key 'y' of config map 'x'>  Optional: false
      MINIMUM_IP_TARGET:                      node allocatable (limits.cpu)
      MY_NODE_NAME:                            (v1:spec.nodeName)
      MY_POD_NAME:                            aws-node-abc (v1:metadata.name)
    Mounts:
      /host/etc/cni/net.d from cni-net-dir (rw)

   aws-eks-nodeagent:
    Image:      example.com/aws-network-policy-agent:v1.4.2
    Environment:
      WARM_IP_TARGET:  7
      MAX_ENI:  2
    Mounts:
      /host/opt/cni/bin from cni-bin-dir (rw)
  Volumes:
   bpf-pin-path:
    Type:          HostPath (bare host directory volume)
Events:                 <none>
"""


# --- kubectl set env --list ----------------------------------------------------------------------------------------------


def test_a_list_is_read_for_the_container_alone():
    settings = read(LIST)
    assert settings == READ
    assert settings.variables["CLUSTER_ENDPOINT"] == "https://x.example?a=b"
    assert settings.variables["EMPTY_ONE"] == ""
    assert "MY_NODE_NAME" not in settings.variables
    assert said(settings) == {("MAX_ENI", "warning"), ("EMPTY_ONE", "warning")}
    assert settings.document == "variables of DaemonSet aws-node"
    assert "WARM_IP_TARGET" in read_manifest(LIST).own


@pytest.mark.parametrize("text", [LIST.replace("\n", "\r\n"), LIST.replace("\n# D", "\n\n# D"), f"$ kubectl x\n(y)\n{LIST}"])
def test_line_ends_empty_lines_and_a_prompt_do_not_matter(text):
    assert read(text) == READ


def test_a_value_keeps_its_spaces():
    settings = read("# DaemonSet aws-node, container aws-node\nENABLE_IPv4=true\nWARM_IP_TARGET=5 \n")
    assert settings.variables["WARM_IP_TARGET"] == "5 "
    assert settings.warm_ip_target == 0


def test_a_repeated_name_counts_once():
    settings = read(LIST.replace("EMPTY_ONE=", "WARM_IP_TARGET=6"))
    assert settings.warm_ip_target == 6
    assert "is set more than once" in message_about(settings, "WARM_IP_TARGET")


def test_a_list_of_other_containers_is_refused():
    with pytest.raises(ManifestError, match="no container named aws-node: found containers aws-eks-nodeagent, aws-vpc-cni-init;"):
        read(LIST[LIST.index("# DaemonSet aws-node, container aws-eks") :])


def test_a_list_of_two_objects_with_the_container_is_refused():
    with pytest.raises(ManifestError, match="2 sources of the variables of aws-node: variables of DaemonSet aws-node, variables of Pod x;"):
        read(LIST + "# Pod x, container aws-node\nA=b\n")


def test_a_line_that_is_no_variable_is_refused():
    with pytest.raises(ManifestError, match=r"line 3 is neither NAME=value nor a comment, as `kubectl set env --list` writes .*: \$ exit"):
        read("# DaemonSet aws-node, container aws-node\nWARM_IP_TARGET=5\n$ exit\n")


def test_lines_that_grep_has_picked_are_read_with_a_warning():
    settings = read("WARM_ENI_TARGET=1\nWARM_IP_TARGET=5\n\n# MY_NODE_NAME from field path spec.nodeName\n")
    assert settings == READ
    assert ("container", "warning") in said(settings)
    assert settings.document == "a list of variables"


@pytest.mark.parametrize("text", ["FOO=1\n", "WARM_IP_TARGET=5\nand more\n"])
def test_other_lines_are_no_list(text):
    assert read_dumps(text) is None
    with pytest.raises(ManifestError, match="found no container at all"):
        read(text)


# --- kubectl describe ----------------------------------------------------------------------------------------------------


def test_a_description_is_read_for_the_container_alone():
    settings = read(DESCRIPTION)
    assert settings == READ
    assert settings.variables["ADDITIONAL_ENI_TAGS"] == "{}"
    assert settings.variables["CLUSTER_ENDPOINT"] == "https://x.example:443"
    assert settings.variables["AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS"] == ""
    assert not {"MAX_ENI", "MY_NODE_NAME", "MY_POD_NAME"} & settings.variables.keys()
    assert said(settings) == {("MAX_ENI", "warning"), ("MINIMUM_IP_TARGET", "warning")}
    assert settings.document == "description of aws-node"


def test_an_init_container_of_the_same_name_is_not_read():
    assert read(DESCRIPTION.replace("aws-vpc-cni-init:\n", "aws-node:\n")) == READ


def test_line_ends_tabs_and_a_cut_beginning_do_not_matter():
    assert read(DESCRIPTION.replace("\n", "\r\n")) == READ
    assert read(DESCRIPTION.replace("  Init Cont", "\n  Init Cont").replace("ENABLE_IPv4:     ", "ENABLE_IPv4:\t")) == READ
    assert read(DESCRIPTION[DESCRIPTION.index("Pod Template:") :]) == READ
    assert read(DESCRIPTION[DESCRIPTION.index("  Containers:") :]) == READ
    assert read(DESCRIPTION[: DESCRIPTION.index("    Mounts:\n      /host/etc")]) == READ


def test_a_value_of_several_lines_is_kept_together():
    lines = "WARM_IP_TARGET:                         5\n                                              6: x"
    settings = read(DESCRIPTION.replace("WARM_IP_TARGET:                         5", lines))
    assert settings.variables["WARM_IP_TARGET"] == "5\n6: x"


def test_a_container_without_variables_has_none():
    text = "Name:  x\nContainers:\n  aws-node:\n    Environment:  <none>\n    Mounts:  <none>\nConditions:\n"
    assert read(text).variables == {}
    assert read(text.replace("Environment:  <none>", "Environment:")).variables == {}


def test_variables_from_elsewhere_are_told():
    mounts = "    Mounts:\n      /host/etc"
    text = DESCRIPTION.replace(mounts, "    Environment Variables from:\n      x  ConfigMap  Optional: false\n" + mounts)
    assert ("envFrom", "warning") in said(read(text))


def test_a_line_that_is_no_entry_is_refused():
    with pytest.raises(ManifestError, match=r"is no `NAME: value`, as `kubectl describe` writes it: no entry"):
        read(DESCRIPTION.replace("ENABLE_IPv4:     ", "no entry"))
    with pytest.raises(ManifestError, match=r"is no `NAME: value`, as `kubectl describe` writes it: \.\.\."):
        read(DESCRIPTION.replace("ADDITIONAL_ENI_TAGS:                    {}", "..."))


def test_descriptions_of_two_pods_are_refused():
    pod = "Name:  {name}\nNamespace:  kube-system\nContainers:\n  aws-node:\n    Environment:\n      MAX_ENI:  3\n"
    both = pod.format(name="aws-node-a") + "\n\n" + pod.format(name="aws-node-b")
    with pytest.raises(ManifestError, match=r"2 sources .*: description of aws-node-a, description of aws-node-b; give only"):
        read(both)


def test_a_description_of_another_object_is_refused():
    with pytest.raises(ManifestError, match="found containers kube-proxy;"):
        read("Name:  x\nContainers:\n  kube-proxy:\n    Environment:\n      MAX_ENI:  3\n")
    with pytest.raises(ManifestError, match="found no container at all"):
        read("Name:  x\nContainers:\n")


def test_a_part_of_a_description_is_refused():
    with pytest.raises(ManifestError, match=r"a part of the output of `kubectl describe`, .*; give the whole output"):
        read("    Environment:\n      WARM_IP_TARGET:  5\n")
