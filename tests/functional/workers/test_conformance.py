"""The suite of the contract, as users run it: right workers pass, wrong ones are told what would be right."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from salt_eventsd.exceptions import ConfigError
from salt_eventsd.workers.conformance import CHECKS, Subject
from salt_eventsd.workers.conformance.__main__ import main
from salt_eventsd.workers.conformance.report import run
from tests.support.delivery import deliver
from tests.support.docs import ROOT, blocks
from tests.support.events import return_data
from tests.support.server import PASSWORD
from tests.support.wrong_workers import ALL_OF, OLD, WRONG


def _written(folder: Path, source: str) -> Path:
    path = folder / "notes.py"
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    return path


def _subject(folder: Path, module: Path, **more: Any) -> Subject:
    path = folder / "notes.jsonl"

    def arrived() -> list[str]:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [line.split('"')[3] for line in lines]

    options = {"path": str(path), "password": PASSWORD}
    return Subject(str(module), options, {"path": "/nowhere/notes"}, arrived, **{"seconds": 30, **more})


def test_a_worker_of_the_old_single_module_keeps_the_contract(tmp_path: Path) -> None:
    # When
    said: list[str] = []
    broken = run(_subject(tmp_path, _written(tmp_path, OLD)), CHECKS, said.append)

    # Then
    assert broken == 0, "\n".join(said)
    assert said[-1] == f"{len(CHECKS)} promises are kept, 0 are broken, 0 could not be tried"
    assert "ok      large events are written or refused, and harm no other (2 of 2 were refused)" in said


def test_it_gets_what_rules_take(tmp_path: Path) -> None:
    # Given
    _written(tmp_path, OLD)
    config = {
        "eventsd_workers_dirs": [str(tmp_path)],
        "eventsd": {
            "workers": {"mine": {"module": "notes", "path": f"{tmp_path}/notes.jsonl"}},
            "events": {"returns": {"tag": "salt/job/", "fun": "test", "worker": "mine"}},
        },
    }

    # When
    fired = [(f"salt/job/{number}/ret/web1", return_data(number, str(number), "web1")) for number in range(3)]
    buried = deliver(config, [*fired, ("salt/auth", {})], tmp_path)

    # Then
    lines = [json.loads(line) for line in (tmp_path / "notes.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["tag"], line["data"]["return"]) for line in lines] == [(tag, at) for at, (tag, _) in enumerate(fired)]
    assert buried["mine"].refusals == []


def test_each_promise_is_broken_by_one_of_them() -> None:
    assert {promise for _, _, promise, _ in WRONG.values()} == {check.text for check in CHECKS}


@pytest.mark.parametrize(("piece", "instead", "promise", "happened"), WRONG.values(), ids=WRONG)
def test_a_wrong_worker_is_told_what_is_wrong(
    piece: str, instead: str, promise: str, happened: str, tmp_path: Path
) -> None:
    # Given
    assert piece in OLD
    subject = _subject(tmp_path, _written(tmp_path, OLD.replace(piece, instead) + ALL_OF), seconds=1)
    [check] = [one for one in CHECKS if one.text == promise]

    # When
    said: list[str] = []
    broken = run(subject, [check], said.append)

    # Then
    text = " ".join(" ".join(said).split())
    assert broken == 1, text
    assert said[0] == f"BROKEN  {promise}"
    assert happened in text
    assert text.index("expected: ") < text.index("happened: ") < text.index("right: ")


def test_the_example_of_the_documentation_keeps_the_contract(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given
    page = ROOT / "docs" / "writing_a_worker.rst"
    source = next(text for _, text in blocks(page, "python") if "def worker(context)" in text)
    module = tmp_path / "lines.py"
    module.write_text(source, encoding="utf-8")
    (tmp_path / "options.yaml").write_text(f"path: {tmp_path}/events.jsonl\n")
    (tmp_path / "away.yaml").write_text("path: /nowhere/events.jsonl\n")

    # When
    files = [f"--{name}={tmp_path}/{name}.yaml" for name in ("options", "away")]
    code = main([str(module), *files])

    # Then
    said = capsys.readouterr().out
    assert (code, "BROKEN" in said) == (0, False), said
    assert said.splitlines()[-1] == f"{len(CHECKS) - 3} promises are kept, 0 are broken, 3 could not be tried"


def test_who_looks_in_the_documentation_finds_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Given
    page = ROOT / "docs" / "writing_a_worker.rst"
    looks = tmp_path / "looks.py"
    looks.write_text(next(text for _, text in blocks(page, "python") if "def arrived(options)" in text))
    (tmp_path / "options.yaml").write_text(f"path: {tmp_path}/events.jsonl\n")

    # When
    code = main(["file", f"--options={tmp_path}/options.yaml", f"--arrived={looks}"])

    # Then
    said = capsys.readouterr().out
    assert code == 0, said
    assert "Nobody looked" not in said


class TestCommand:
    """Its return code says it all; what cannot be tried is said in a line."""

    @pytest.mark.parametrize(
        ("instead", "code"), [pytest.param("context.known()", 0, id="right"), pytest.param("pass", 1, id="wrong")]
    )
    def test_it_runs_as_a_program(self, instead: str, code: int, tmp_path: Path) -> None:
        # Given
        source = (ROOT / "_eventsd_workers" / "noop.py").read_text(encoding="utf-8")
        module = tmp_path / "mine.py"
        module.write_text(source.replace("context.known()", instead))

        # When
        done = subprocess.run(
            [sys.executable, "-m", "salt_eventsd.workers.conformance", str(module)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

        # Then
        assert (done.returncode, done.stdout.count("BROKEN")) == (code, code), done.stdout + done.stderr
        assert done.stdout.splitlines()[-2] == "Nobody looked whether the events arrived; --arrived FILE does."

    @pytest.mark.parametrize(
        ("module", "options", "line"),
        [
            pytest.param("def worker(context): return 1", "", "returned int, which has no write()", id="no-write"),
            pytest.param("def maker(context): pass", "", "no worker module 'mine_", id="no-worker"),
            pytest.param("import nothing_such", "", "no worker module 'mine_", id="no-library"),
            pytest.param("def worker(context): raise context.problem('a', 'wrong')", "", ".a: wrong", id="option"),
            pytest.param("def worker(context): pass", "a: [", "options.yaml: no YAML: ", id="no-yaml"),
            pytest.param("def worker(context): pass", "- a", "options.yaml: expected a mapping", id="no-mapping"),
            pytest.param(None, "", ".py: there is no such file", id="no-file"),
        ],
    )
    def test_what_cannot_be_tried_is_2(
        self, module: str | None, options: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        # Given: a name of its own, for Salt's loader remembers what a module of that name had
        name = f"mine_{abs(hash(line))}"
        if module is not None:
            (tmp_path / f"{name}.py").write_text(module)
        (tmp_path / "options.yaml").write_text(options or "{}")

        # When
        code = main([str(tmp_path / f"{name}.py"), f"--options={tmp_path}/options.yaml"])

        # Then
        said = capsys.readouterr()
        assert (code, said.out) == (2, "")
        assert line in said.err

    @pytest.mark.parametrize(
        "source",
        [pytest.param("", id="no-function"), pytest.param("1/0", id="an-error"), pytest.param(None, id="none")],
    )
    def test_who_looks_has_to_be_able_to(
        self, source: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        # Given
        if source is not None:
            (tmp_path / "looks.py").write_text(source)

        # When
        code = main(["noop", f"--arrived={tmp_path}/looks.py"])

        # Then
        assert code == 2
        assert "looks.py: expected a Python file with arrived(options)" in capsys.readouterr().err


def test_a_module_that_is_not_there_cannot_be_examined() -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        Subject("/nowhere/mine.py")
