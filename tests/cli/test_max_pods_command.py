"""`vpcipam max-pods`."""

import itertools

import pytest

from vpcipam.limits import MaxPodsBy, max_pods


def test_one_type_prints_only_the_number(cli):
    answer = cli("max-pods", "m5.large")
    assert (answer.code, answer.out) == (0, "29\n")
    formula = "3 ENIs × (10 IPv4 addresses − 1) + 2 host-network pods\n"
    besides = "= at most 9 of them with security groups, each on a branch ENI (ENABLE_POD_ENI)\n"
    assert answer.err == f"= 29 by managed-node-group: {formula}= 29 by ami: {formula}= 29 by karpenter: {formula}{besides}"


def test_the_three_figures_stand_side_by_side(cli):
    answer = cli("max-pods", "c5.4xlarge")
    assert answer.out == "110\n"
    formula = "8 ENIs × (30 IPv4 addresses − 1) + 2 host-network pods"
    assert answer.err.splitlines()[:3] == [
        f"= 110 by managed-node-group: {formula} = 234, capped at 110 for 16 vCPUs",
        f"= 234 by ami: {formula}",
        f"= 234 by karpenter: {formula}",
    ]
    document = cli("max-pods", "c5.4xlarge", "--json").document
    assert (document["max_pods"], document["max_pods_by"]) == (110, "managed-node-group")
    assert {by: each["max_pods"] for by, each in document["by_provisioner"].items()} == {
        "managed-node-group": 110,
        "ami": 234,
        "karpenter": 234,
    }
    assert document["by_provisioner"]["ami"]["formula"] == formula


def test_the_number_of_any_of_the_three_can_be_had(cli):
    for by, number in (("managed-node-group", 110), ("ami", 234), ("karpenter", 205)):
        options = ("max-pods", "m5a.4xlarge", "--custom-networking", "--prefix-delegation", "--max-pods-by", by)
        assert cli(*options).out == f"{number}\n"
        document = cli(*options, "--json").document
        assert (document["max_pods"], document["max_pods_by"]) == (number, by)
        assert document["formula"] == document["by_provisioner"][by]["formula"]


def test_a_formula_names_the_options_that_do_not_count(cli):
    _, ami, karpenter, _ = cli("max-pods", "m5.large", "--prefix-delegation", "--custom-networking", "--max-eni", "2").err.splitlines()
    assert ami.endswith("+ 2 host-network pods; not counted: prefixes, custom networking, MAX_ENI")
    assert karpenter == (
        "= 20 by karpenter: (3 ENIs − the primary) × (10 IPv4 addresses − 1) + 2 host-network pods; not counted: prefixes, MAX_ENI"
    )
    assert "= 0 by karpenter: (1 ENI − the primary) × (50 IPv4 addresses − 1) = 0\n" in (
        cli("max-pods", "hpc6id.32xlarge", "--custom-networking").err
    )


@pytest.mark.parametrize(
    ("options", "number", "formula"),
    [
        (("--prefix-delegation",), 110, "= 434, capped at 110 for 2 vCPUs"),
        (("--prefix-delegation", "--uncapped"), 434, "3 ENIs × (10 IPv4 addresses − 1) × 16 of a prefix + 2 host-network pods"),
        (("--custom-networking",), 20, "(3 ENIs − the primary) × (10 IPv4 addresses − 1) + 2 host-network pods"),
        (("--max-eni", "1"), 11, "1 ENI × (10"),
        (("--max-eni", "1", "--custom-networking"), 2, "(1 ENI − the primary) × (10"),
        (("--max-eni", "4"), 29, "3 ENIs × (10"),
        (("--prefix-delegation", "--custom-networking", "--uncapped"), 290, "(3 ENIs − the primary) × (10 IPv4 addresses − 1) × 16"),
    ],
)
def test_the_formula_explains_the_number(cli, options, number, formula):
    answer = cli("max-pods", "m5.large", *options)
    assert answer.out == f"{number}\n"
    assert formula in answer.err


def test_pods_per_core_bounds_all_three_figures(cli):
    answer = cli("max-pods", "c5.4xlarge", "--pods-per-core", "5")
    assert answer.out == "80\n"
    formula = "8 ENIs × (30 IPv4 addresses − 1) + 2 host-network pods = 234, at most 5 for each of 16 vCPUs = 80"
    assert answer.err.splitlines()[:3] == [f"= 80 by {by}: {formula}" for by in MaxPodsBy]
    wide = cli("max-pods", "c5.4xlarge", "--pods-per-core", "7").err.splitlines()
    assert wide[0].endswith("= 234, capped at 110 for 16 vCPUs")
    assert wide[1].endswith("= 234, at most 7 for each of 16 vCPUs = 112")


def test_the_formula_of_a_xen_type_has_no_prefixes(cli):
    answer = cli("max-pods", "m4.large", "--prefix-delegation")
    assert answer.out == "20\n"
    assert answer.err.splitlines()[0].endswith("; no prefixes on Xen")


@pytest.mark.parametrize("name", ["m5.large", "t3.small", "c5.18xlarge", "m4.large", "m5.metal", "p5.48xlarge"])
def test_json_equals_the_library_with_every_combination_of_options(cli, name):
    for prefixes, custom, capped, max_eni in itertools.product((False, True), (False, True), (False, True), (None, 1, 2, 1000)):
        options = [
            *(["--prefix-delegation"] if prefixes else []),
            *(["--custom-networking"] if custom else []),
            *([] if capped else ["--uncapped"]),
            *([] if max_eni is None else ["--max-eni", str(max_eni)]),
        ]
        document = cli("max-pods", name, *options, "--json").document
        assert document["instance_type"] == name
        assert document["max_pods"] == max_pods(name, prefixes, custom, max_eni, capped)
        assert document["uncapped_max_pods"] == max_pods(name, prefixes, custom, max_eni, capped=False)
        # and it can be recomputed from what it says it was computed from
        slots = (document["eni_count"] - document["custom_networking"]) * (document["ipv4_per_eni"] - 1)
        assert document["uncapped_max_pods"] == slots * document["addresses_per_slot"] + document["host_network_pods"]


def test_several_types_give_a_table_and_a_list(cli):
    assert [each["max_pods"] for each in cli("max-pods", "t3.small", "m5.large", "--json").document] == [11, 29]
    answer = cli("max-pods", "t3.small", "m5.large")
    lines = answer.out.splitlines()
    assert [line.split() for line in (lines[0], *lines[2:4])] == [
        ["type", "managed-node-group", "ami", "karpenter"],
        ["t3.small", "11", "11", "11"],
        ["m5.large", "29", "29", "29"],
    ]
    assert lines[5:7] == ["t3.small", "  managed-node-group, ami, karpenter: 3 ENIs × (4 IPv4 addresses − 1) + 2"]
    assert answer.err == ""
    assert "  ami, karpenter: 8 ENIs × (30 IPv4 addresses − 1) + 2 host-network pods\n" in cli("max-pods", "c5.4xlarge", "m5.large").out


def test_wrong_arguments_are_usage_errors(cli):
    assert "TYPE" in cli("max-pods").usage_error
    for value in ("0", "-1", "x", "1.5", ""):
        assert "--max-eni" in cli("max-pods", "m5.large", f"--max-eni={value}").usage_error
    assert "--max-pods-by" in cli("max-pods", "m5.large", "--max-pods-by", "eks").usage_error
    assert "--nope" in cli("max-pods", "m5.large", "--nope").usage_error


def test_an_unknown_type_is_refused(cli):
    assert "did you mean m5.large" in cli("max-pods", "m5large").refusal


@pytest.mark.parametrize(
    ("arguments", "able", "count", "text"),
    [
        (["m5.large", "--max-eni", "1", "--custom-networking"], True, 0, "= at most 0 of them with security groups"),
        (["m5.large"], True, 9, "= at most 9 of them with security groups"),
        (["t3.large"], False, 0, "= none of them with security groups: t3.large takes no trunk ENI"),
        (["u-6tb1.metal"], True, None, "= an unknown number of them with security groups: the branch ENIs of u-6tb1.metal are not known"),
    ],
)
def test_it_says_how_many_pods_can_have_security_groups(cli, arguments, able, count, text):
    document = cli("max-pods", *arguments, "--json").document
    assert (document["trunk_compatible"], document["branch_pods"]) == (able, count)
    assert cli("max-pods", *arguments).err.splitlines()[-1].startswith(text)
