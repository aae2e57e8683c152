"""An agent in a process of its own that kills itself at a given step, or that a test kills at any time."""

import os
import select
import signal
import time

from vpcipam.agent.running import Runner
from vpcipam.journal.sqlite import SqliteJournal
from vpcipam.prometheus import IpamMetrics


class KillableJournal:
    """A journal that calls `step` before and after each write."""

    def __init__(self, journal, step):
        self._journal = journal
        self._step = step

    def _write(self, write, *args, **options):
        self._step()
        write(*args, **options)
        self._step()

    def record(self, *args, **options):
        self._write(self._journal.record, *args, **options)

    def record_unassign(self, *args):
        self._write(self._journal.record_unassign, *args)

    def record_released_cidrs(self, *args):
        self._write(self._journal.record_released_cidrs, *args)

    def restore(self, now_ns):
        return self._journal.restore(now_ns)

    def close(self):
        self._journal.close()


class ForkedAgent:
    """An agent in a child process.

    Args:
        account: where it runs. Its EC2 must not change, since what the child changes there is lost.
        make_wiring: makes the kernel, from the function to call at each step.
        kill_at: the number of the step at which it kills itself; None for never.
        from_start: count the steps of the start too; else counting begins when it answers.
    """

    kill_count = 0

    def __init__(self, account, make_wiring, *, kill_at=None, from_start=False):
        reading, writing = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            try:
                _run(account, make_wiring, kill_at, from_start, writing)
            finally:
                os._exit(70)
        os.close(writing)
        self._told = reading
        self.answers = os.read(reading, 1) == b"r"
        if not self.answers:
            self._wait()

    def _wait(self):
        _, status = os.waitpid(self.pid, 0)
        os.close(self._told)
        self.pid = 0
        ForkedAgent.kill_count += 1
        assert os.WIFSIGNALED(status), f"the agent ended by itself ({status})"

    @property
    def is_alive(self):
        """Whether it has not killed itself. It says so just before, since a process that ends does so after its sockets have closed."""
        if self.pid and select.select([self._told], [], [], 0)[0]:
            self._wait()
        return bool(self.pid)

    def kill(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self._wait()


def _run(account, make_wiring, kill_at, from_start, writing):
    steps = [0]
    counting = [from_start]

    def step():
        steps[0] += counting[0]
        if steps[0] == kill_at:
            os.write(writing, b"k")
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)

    journal = KillableJournal(SqliteJournal(f"{account.state}/card-0.journal", synchronous="OFF"), step)
    agent = account.agent(make_wiring(step), journal=journal)
    answer = agent.answer

    def answer_and_step(*args):
        made = answer(*args)
        step()
        return made

    agent.answer = answer_and_step

    def on_ready():
        counting[0] = True
        os.write(writing, b"r")

    Runner(agent, metrics=IpamMetrics(), folder=account.state, port=0, clock=time.time_ns, log=lambda _: None).run(on_ready)
