"""A report as a reader has it, in a browser: what minions sent is inert, and it can be searched, sorted, printed."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from salt_eventsd.operate.report.make import make
from tests.support.browser import Browser
from tests.support.events import job, returned, state_result
from tests.support.fleet import MINIONS, week
from tests.support.hooks import Hook
from tests.support.stores import Database, batch_of

_JID = "20261126140000123456"
_ROWS = "[...document.querySelectorAll('%s tbody tr')].filter(row => !row.hidden)"


def _opts(url: str, folder: Path) -> dict[str, Any]:
    return {"id": "master-1", "cachedir": str(folder), "eventsd": {"workers": {"history": {"url": url}}}}


def _written(url: str, events: list[Any]) -> None:
    database = Database(url)
    worker = database.worker()
    for start in range(0, len(events), 500):
        worker.write(batch_of(events[start : start + 500], first=start + 1))
    database.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a week of a fleet."""
    folder = tmp_path_factory.mktemp("page")
    url = f"sqlite:///{folder / 'history.db'}"
    _written(url, week())
    make(_opts(url, folder), str(folder / "report.html"), "8d", None)
    return folder / "report.html"


@dataclass
class Hostile:
    """
    A page of a minion that sends markup wherever it can.

    :param path: of the page.
    :param server: what the markup would load from.
    """

    path: Path
    server: Hook


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Hostile]:
    with Hook() as server:
        marks = [
            f'"><img src="{server.url}/img" onerror="document.title=1">',
            "<script>document.title='owned'</script>",
            f"</style></script></title><script src='{server.url}/script'></script>",
            f"<style>@import '{server.url}/style'</style><iframe src='{server.url}/frame'></iframe>",
            "' onmouseover='document.title=2' style='position:fixed;inset:0' x='",
            "{{ 7 * 7 }}{% include '/etc/passwd' %}",
            "<!-- ]]> --!> \u202e\u2066 desrever",
            f'<meta http-equiv="refresh" content="0;url={server.url}/meta">',
        ]
        stamp = f"{datetime.now(timezone.utc) - timedelta(minutes=5):%Y-%m-%dT%H:%M:%S.%f}"
        events = []
        for number, mark in enumerate(marks):
            jid = f"2026112614000012345{number}"
            state = state_result(mark, 0, result=False, comment=mark, changes={mark: mark}, __id__=mark, __sls__=mark)
            changed = state_result(mark, 1, changes={"diff": mark}, __id__=mark)
            value = {f"{mark}_|-a_|-b_|-c": state, f"{mark}_|-b_|-b_|-c": changed}
            more = {"retcode": 2, "success": False, "_stamp": stamp}
            events += [
                job(jid, mark, user=mark, tgt=mark, minions=[mark, f"silent {mark}"], _stamp=stamp),
                returned(value, jid, mark, "state.apply", **more),
                returned(mark, f"{jid}0", mark, f"x.{mark}", **more),
            ]
        _written(f"sqlite:///{tmp_path / 'history.db'}", events)
        opts = {**_opts(f"sqlite:///{tmp_path / 'history.db'}", tmp_path), "id": marks[0]}
        make(opts, str(tmp_path / "report.html"), "1d", None)
        yield Hostile(tmp_path / "report.html", server)


def _violations(browser: Browser) -> list[Any]:
    return [told for told in browser.told if told.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown")]


@pytest.mark.parametrize("scripts", [pytest.param(True, id="script"), pytest.param(False, id="no-script")])
def test_what_minions_send_is_inert(hostile: Hostile, browser: Browser, scripts: bool) -> None:
    # When
    browser.show(1280, scripts=scripts)
    browser.open(hostile.path)

    # Then
    assert browser.evaluate("document.title").startswith("Salt report: ")
    own = browser.evaluate("[...document.querySelectorAll('*')].map(one => one.tagName.toLowerCase())")
    assert set(own) & {"img", "iframe", "link", "object", "embed", "base", "form"} == set()
    assert own.count("script") == own.count("style") == 1
    attributes = browser.evaluate("[...document.querySelectorAll('*')].flatMap(one => one.getAttributeNames())")
    assert [name for name in attributes if name.startswith("on") or name in ("src", "srcdoc")] == []
    assert browser.evaluate(
        "[...document.querySelectorAll('[href]')].every(one => one.hash === one.getAttribute('href'))"
    )
    text = browser.evaluate("document.body.textContent")
    assert "<script>document.title='owned'</script>" in text
    assert "{{ 7 * 7 }}" in text
    assert "\\u202e\\u2066" in text
    assert "\u202e" not in text
    assert _violations(browser) == []
    assert hostile.server.requests == []


def test_only_its_own_script_may_run_and_nothing_be_loaded(hostile: Hostile, browser: Browser) -> None:
    """If the page itself ever let markup through, its policy would hold."""
    # Given
    browser.show(1280)
    browser.open(hostile.path)

    # When
    browser.evaluate(
        f"""(() => {{
            const script = document.createElement('script'); script.textContent = 'document.title = "owned"';
            const image = document.createElement('img'); image.src = '{hostile.server.url}/img';
            const button = document.createElement('b'); button.setAttribute('onclick', 'document.title = "owned"');
            document.body.append(script, image, button); button.click();
        }})()"""
    )

    # Then
    assert browser.evaluate("document.title") != "owned"
    assert browser.evaluate("fetch('https://127.0.0.1/').then(() => 1, () => 2), document.title") != "owned"
    assert len(_violations(browser)) >= 3
    assert hostile.server.requests == []


def test_search(page: Path, browser: Browser) -> None:
    # Given
    browser.show(1280)
    browser.open(page)
    everything = browser.evaluate(_ROWS % "" + ".length")

    # When
    browser.evaluate("(search.value = 'web03 Highstate', search.dispatchEvent(new Event('input')))")

    # Then
    found = browser.evaluate(_ROWS % "" + ".map(row => row.textContent)")
    assert 0 < len(found) < everything
    assert all("web03" in row and "highstate" in row for row in found)
    assert browser.evaluate("found.textContent") == f"{len(found)} of {everything} rows"
    browser.evaluate("(search.value = '', search.dispatchEvent(new Event('input')))")
    assert browser.evaluate(_ROWS % "" + ".length") == everything


@pytest.mark.parametrize("place", [pytest.param(0, id="by text"), pytest.param(2, id="by number")])
def test_sorting(page: Path, browser: Browser, place: int) -> None:
    # Given
    browser.show(1280)
    browser.open(page)
    head = f"document.querySelector('section[aria-labelledby=slow] thead tr').cells[{place}]"
    column = (
        f"{_ROWS % 'section[aria-labelledby=slow]'}.map(row => row.cells[{place}])"
        ".map(cell => cell.dataset.v ? +cell.dataset.v : cell.textContent)"
    )

    # When
    browser.evaluate(f"{head}.querySelector('button').click()")
    down = browser.evaluate(column)
    browser.evaluate(f"{head}.querySelector('button').click()")
    up = browser.evaluate(column)

    # Then
    assert len(set(down)) > 1
    assert down == sorted(down, reverse=True)
    assert up == sorted(up)
    assert browser.evaluate(f"{head}.getAttribute('aria-sort')") == "ascending"


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("dark", [pytest.param(False, id="light"), pytest.param(True, id="dark")])
def test_it_fits_and_can_be_read(page: Path, browser: Browser, tmp_path: Path, width: int, dark: bool) -> None:
    # When
    browser.show(width, dark=dark)
    browser.open(page)
    browser.screenshot(tmp_path / "report.png")

    # Then
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert (tmp_path / "report.png").stat().st_size > 50_000
    assert browser.evaluate("document.querySelectorAll('.grid i').length") == len(MINIONS)
    # By the formula of WCAG, which asks for 4.5 for small texts.
    assert browser.evaluate(_LEAST_CONTRAST) >= 4.5


#: The least contrast of a text to what it stands on, of all that is shown.
_LEAST_CONTRAST = """(() => {
    const numbers = text => text.match(/[\\d.]+/g).map(Number);
    const light = text => numbers(text).slice(0, 3).map(one => one / 255)
        .map(one => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
        .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
    const behind = one => { for (; one; one = one.parentElement) {
        const color = getComputedStyle(one).backgroundColor;
        if ((numbers(color)[3] ?? 1) > 0.99) return color;
    } return 'rgb(255, 255, 255)'; };
    const names = 'p, td, th, a, h1, h2, h3, b, dt, dd, summary, label, .chip, .about, .more';
    const texts = [...document.querySelectorAll(names)];
    return Math.min(...texts.filter(one => one.offsetParent && one.textContent.trim()).map(one => {
        const [a, b] = [light(getComputedStyle(one).color), light(behind(one))].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05);
    }));
})()"""


def test_without_script_all_of_it_is_there(page: Path, browser: Browser) -> None:
    # Given
    browser.show(1280)
    browser.open(page)
    rows = browser.evaluate(_ROWS % "" + ".length")

    # When
    browser.show(1280, scripts=False)
    browser.open(page)

    # Then
    assert browser.evaluate(_ROWS % "" + ".length") == rows
    assert browser.evaluate("document.querySelectorAll('th button').length") == 0
    assert browser.evaluate("getComputedStyle(document.querySelector('.search')).display") == "none"
    browser.show(1280)


def test_on_paper_no_row_is_cut_off(page: Path, browser: Browser) -> None:
    # When
    browser.show(1000, media="print")
    browser.open(page)

    # Then
    cut = "[...document.querySelectorAll('.rows')].filter(one => one.scrollHeight > one.clientHeight + 2).length"
    assert browser.evaluate(cut) == 0
    assert base64.b64decode(browser.call("Page.printToPDF")["data"]).startswith(b"%PDF")
    browser.show(1280)


def test_everything_has_a_name_for_those_who_do_not_see_it(page: Path, browser: Browser) -> None:
    # When
    browser.show(1280)
    browser.open(page)

    # Then
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    named = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node.get("ignored") and node["role"]["value"] in ("image", "button", "searchbox", "region", "link")
    ]
    assert {"image", "button", "searchbox", "region", "link"} <= {role for role, _ in named}
    assert [role for role, name in named if not name] == []
    assert browser.evaluate("document.documentElement.lang") == "en"
    heads = browser.evaluate("[...document.querySelectorAll('th')].every(one => one.scope === 'col')")
    assert heads is True
