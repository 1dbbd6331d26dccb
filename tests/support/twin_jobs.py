"""The jobs that twins run (:mod:`tests.support.twins`): of all the kinds that Salt's job cache knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.support.twins import Twin

#: The arguments of the batch.
BATCHED = ["batched"]
#: Who may publish besides root; every system has the user.
PUBLISHER = "nobody"
#: The name of each job, and what runs it.
Job = tuple[str, Callable[[Twin], Any]]
JOBS: list[Job] = [
    ("ping", lambda it: it.publish("*", "test.ping")),
    ("kwargs and metadata", lambda it: it.publish("*", "test.arg", ("a", 1, None, {"n": [1, 2]}), **_MORE)),
    ("false", lambda it: it.publish("*", "test.false")),
    ("command fails", lambda it: it.publish("{one}", "cmd.run_all", ("echo gone; exit 3",))),
    ("no such function", lambda it: it.publish("*", "test.no_such_function")),
    ("several functions", lambda it: it.publish("*", ["test.ping", "test.arg"], [[], ["x"]])),
    ("states fail", lambda it: it.publish("*", "state.sls", ("fails",))),
    ("odd text", lambda it: it.publish("{two}", "test.echo", ("\N{SNOWMAN} 'quoted' \"twice\" \\ \n{}%s",))),
    ("unknown minions", lambda it: it.publish(["{one}", "ghost"], "test.ping", tgt_type="list")),
    ("compound", lambda it: it.publish("L@{two},ghost or E@nothing.*", "test.ping", tgt_type="compound")),
    ("dry run", lambda it: it.publish("{one}", "state.apply", ("fails",), kwarg={"test": True})),
    ("batch", lambda it: sorted(_batch(it), key=str)),
    ("salt-call", lambda it: it.call(0, "test.arg", "called")),
    ("salt-call fails", lambda it: it.call(1, "state.apply", "fails")),
    ("runner", lambda it: it.run("test.arg", "x", colour="red")),
    ("orchestration", lambda it: it.run("state.orchestrate", "orch")["outputter"]),
    ("nocache", lambda it: it.publish("*", "test.echo", ("not kept",), nocache=True)),
    ("publisher_acl", lambda it: it.publish("*", "test.echo", ("by another user",), user=PUBLISHER)),
]
_MORE: dict[str, Any] = {"kwarg": {"colour": "red"}, "metadata": {"ticket": 7}}
#: These run while the database is frozen, and while it is stopped.
FROZEN: list[Job] = [
    ("ping, frozen", lambda it: it.publish("*", "test.echo", ("frozen",))),
    ("states fail, frozen", lambda it: it.publish("{one}", "state.apply", ("fails",))),
]
STOPPED: list[Job] = [
    ("ping, stopped", lambda it: it.publish("*", "test.echo", ("stopped",), metadata={"ticket": 8})),
    ("several functions, stopped", lambda it: it.publish("{two}", ["test.echo", "test.ping"], [["x"], []])),
    ("salt-call, stopped", lambda it: it.call(0, "test.arg", "called while it was stopped")),
]


def _batch(twin: Twin) -> Iterator[Any]:
    with twin.client() as client:
        yield from client.cmd_batch("*", "test.echo", BATCHED, batch="1")


def alike(answer: Any) -> Any:
    """Return an answer without the target of a batch, of whose rounds Salt's own job cache knows only the last."""
    if isinstance(answer, list):
        return [alike(one) for one in answer]
    if not isinstance(answer, dict):
        return answer
    gone = ("Target",) if answer.get("Arguments") == BATCHED else ()
    return {key: alike(value) for key, value in answer.items() if key not in gone}
