"""An agent that has started, and a plugin that asks it; and network namespaces."""

import pytest
from namespaces_if_any import bare_namespace, namespaces, vpc
from nodes_to_run import Account, Plugin

__all__ = ["account", "bare_namespace", "namespaces", "plugin", "vpc"]


@pytest.fixture
def account(tmp_path):
    return Account(tmp_path)


@pytest.fixture
def plugin(account):
    agent = account.agent()
    agent.start(0)
    yield Plugin(account, agent)
    for journal in agent.journals:
        journal.close()
