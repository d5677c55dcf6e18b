"""Tasks as processes of this machine, some of them at the same time."""

import os
import selectors
from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.engines.task import Progress, Task
from reportgen.processes.talking_child import TalkingChild, ending_all, start_talking


@dataclass(frozen=True)
class LocalEngine:
    """So many processes at the same time."""

    jobs: int

    @property
    def manner(self) -> str:
        """How tasks run."""
        return f"{self.jobs} at the same time"

    def run(self, tasks: Sequence[Task], progress: Progress) -> dict[str, str]:
        """Runs each task in a process."""
        waiting, failed, names = list(tasks), {}, {}
        with selectors.DefaultSelector() as selector, ending_all() as running:
            while waiting or running:
                while waiting and len(running) < self.jobs:
                    task = waiting.pop(0)
                    child = start_task(task)
                    running.append(child)
                    names[child] = task.name
                    selector.register(child.pipe, selectors.EVENT_READ, child)
                for key, _ in selector.select():
                    one: TalkingChild = key.data
                    heard = one.listen()
                    if heard is not None:
                        for words in heard:
                            if "line" in words:
                                progress(words["line"])
                        continue
                    selector.unregister(one.pipe)
                    if reason := one.explain_failure():
                        failed[names[one]] = reason
                    running.remove(one)
                    one.close()
        return failed


def start_task(task: Task) -> TalkingChild:
    """Starts the process of a task, on this machine; its files go into the task's folder."""
    return start_talking(
        task.module,
        str(task.folder),
        str(os.getpid()),
        told=task.told,
        environment=task.environment,
        place=task.place,
    )
