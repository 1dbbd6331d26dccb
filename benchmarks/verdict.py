"""What a run says at its end of a baseline: what is worse, or that this run is the baseline from now on."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import baseline
from benchmarks.baseline import Baseline
from benchmarks.table import render

#: What may differ between a run and its baseline.
_OF_THE_RUN = frozenset(("salt_eventsd", "sections", "seconds", "yardstick us"))
#: How many rows are shown beside those that are worse.
_SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add the options that all benchmarks have.

    :param parser: of a benchmark.
    """
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    parser.add_argument("--compare", action="store_true", help="return 1 if something is worse than the baseline")
    parser.add_argument("--write-baseline", action="store_true", help="keep the figures as the baseline")
    parser.add_argument("--baseline", type=Path, metavar="FILE", default=baseline.FILE, help="benchmarks/baseline.json")


def given(
    chosen: argparse.Namespace,
    key: str,
    about: Mapping[str, Any],
    sections: Mapping[str, Sequence[Mapping[str, Any]]],
    say: Callable[[str], None],
) -> bool:
    """
    Print the comparison with the baseline, or keep a new one; return whether the run passes.

    :param chosen: the options.
    :param key: of which benchmark and which size: others are not compared.
    :param about: on what it was measured, and how.
    :param sections: section -> its rows.
    :param say: prints a message.
    """
    now = baseline.flat(sections)
    if chosen.write_baseline:
        baseline.save(key, Baseline(dict(about), now), chosen.baseline)
        say(f"these figures are the baseline now: {chosen.baseline}")
        return True
    kept = baseline.load(key, chosen.baseline)
    if kept is None:
        say(f"no baseline of {key} in {chosen.baseline}; --write-baseline makes one")
        return not chosen.compare
    rows = baseline.compare(kept.figures, now)
    worse = [row for row in rows if row["worse"]]
    if shown := worse or rows[:_SHOWN]:
        told = f"{len(worse)} of {len(rows)} figures are worse" if worse else f"none of {len(rows)} figures is worse"
        print(f"\n{render(f'baseline: {told}', shown)}")
    others = [f"{name} {kept.about[name]}, now {about.get(name)}" for name in kept.about if _differs(kept, about, name)]
    if others:
        say(f"the baseline was measured with {'; '.join(others)}")
    if not rows:
        say("nothing of this run is in the baseline")
    return not chosen.compare or bool(rows and not worse)


def _differs(kept: Baseline, about: Mapping[str, Any], name: str) -> bool:
    return name not in _OF_THE_RUN and kept.about[name] != about.get(name)
