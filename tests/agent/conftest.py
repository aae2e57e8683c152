"""An agent that has started, and a plugin that asks it; and network namespaces."""

import contextlib

import pytest
from namespaces_if_any import bare_namespace, namespaces, vpc
from nodes_to_run import Account, Plugin

__all__ = ["account", "bare_namespace", "namespaces", "plugin", "vpc"]


@pytest.fixture
def account(tmp_path):
    with contextlib.closing(Account(tmp_path)) as made:
        yield made


@pytest.fixture
def plugin(account):
    agent = account.agent()
    agent.start(0)
    return Plugin(account, agent)
