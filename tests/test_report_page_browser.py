"""The report and the live view in a real browser: nothing is loaded, nothing fails, marks, hover, keys, colours, width.

Needs Chromium (`apt-get install chromium` on Debian); FASTNET_CHROMIUM names another place of it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import studies
from fastnet_cli.study_commands import commands
from studies import ABOUT, make_study, make_trial

import fastnet
from fastnet.report.page import LiveView, write_report
from fastnet.report.page.write import asset
from fastnet.tuning import Progress, Study, TrialResult

playwright = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")

CHROMIUM = os.environ.get("FASTNET_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install the package chromium")

FLAGS = ["--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
SPACE = {"learning_rate": "log:1e-4:1", "optimizer": "choice:sgd,adam", "batch_size": "logint:8:64"}
PATIENCE = 120_000  # milliseconds, on a slow core
EVIL = "</script><b onmouseover=alert(1)>&"
SECTIONS = ("curves", "best", "final", "slices", "ranges", "importance", "trials", "diverged", "time", "again")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "s"
    return write_report(make_study(folder, 150, SPACE, about=ABOUT | {"data": EVIL}), commands=commands)


@pytest.fixture(scope="module")
def watched(browser: Any) -> Iterator[tuple[Any, list[str]]]:
    """What opens a page, and everything that went wrong in those opened so far: requests and errors."""
    wrong: list[str] = []
    contexts: list[Any] = []

    def go(address: Path | str, width: int = 1280, *, scheme: str = "light") -> Any:
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, color_scheme=scheme, has_touch=width < 500)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        home = address if isinstance(address, str) else address.as_uri()
        page.on("console", lambda message: message.type == "error" and wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda r: r.url.startswith((home, "data:", "blob:")) or wrong.append(r.url[:80]))
        page.goto(home)
        return page

    yield go, wrong
    for context in contexts:
        context.close()


@pytest.fixture
def show(watched: tuple[Any, list[str]]) -> Iterator[Any]:
    """Return what opens a page and sees to it that nothing is asked of a network and nothing goes wrong."""
    go, wrong = watched
    wrong.clear()
    yield go
    assert wrong == []


@pytest.fixture(scope="module")
def opened(watched: tuple[Any, list[str]], report: Path) -> Any:
    """The report at 1280 pixels, opened once."""
    return watched[0](report)


@pytest.fixture
def page(opened: Any, show: Any) -> Any:
    """The report as it is after loading, but for what earlier tests have drawn."""
    opened.mouse.move(1, 1)
    opened.evaluate("document.activeElement.blur()")
    opened.emulate_media(color_scheme="light")
    opened.set_viewport_size({"width": 1280, "height": 900})
    return opened


def scroll_through(page: Any) -> None:
    """Bring every chart into sight, and wait until all are drawn."""
    for section in SECTIONS:
        page.locator(f"#{section}").scroll_into_view_if_needed()
    page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
    for chart in page.locator("[data-chart]").all():
        chart.scroll_into_view_if_needed()
    page.wait_for_function(
        "[...document.querySelectorAll('.plot[data-chart]')].every((div) => div.classList.contains('js-plotly-plot'))"
    )


MARKS = {  # what each chart is made of, and how many of them at least
    "slice": (".scatterlayer .point", 100),
    "bands": (".scatterlayer path.js-line", 2),
    "importance": (".barlayer .point path", 3),
    "diverged": (".barlayer .point path", 2),
    "runs": (".barlayer .point path", 3),
    "spent": (".barlayer .point path", 2),
    "candidates": (".scatterlayer .point", 15),
    "parallel": ("canvas", 1),
}


def test_every_chart_has_its_marks(page: Any) -> None:
    scroll_through(page)
    for name, (mark, least) in MARKS.items():
        charts = page.locator(f'.plot[data-chart="{name}"]')
        assert charts.count() >= (3 if name in ("slice", "diverged") else 1), name
        for chart in charts.all():
            assert chart.locator(mark).count() >= least, name
    cells = page.locator(".cell")
    assert cells.count() == 20
    assert [cell.locator("path.js-line").count() for cell in cells.all()] == [2] * 20
    drawn = page.evaluate(  # lines of parallel coordinates, where nothing but a canvas can be looked at
        """() => { const canvas = document.querySelector('[data-chart="parallel"] canvas.gl-canvas-context') ||
             document.querySelector('[data-chart="parallel"] canvas');
           return new Promise((done) => requestAnimationFrame(() => done(canvas.width * canvas.height))); }"""
    )
    assert drawn > 100_000


def test_pointing_at_an_epoch_reads_it_in_every_cell(page: Any) -> None:
    readings = page.locator(".cell p:first-of-type")
    before = readings.all_inner_texts()
    page.locator(".cell .curve").nth(3).scroll_into_view_if_needed()
    box = page.locator(".cell .curve").nth(3).bounding_box()
    page.mouse.move(box["x"] + 34, box["y"] + box["height"] / 2)
    assert page.inner_text("#epoch") == "epoch 1"
    assert page.locator(".cell .cursor:visible").count() == 20
    assert readings.all_inner_texts() != before
    page.mouse.move(5, 5)
    assert readings.all_inner_texts() == before


def test_pointing_at_a_trial_describes_it(page: Any) -> None:
    chart = page.locator('[data-chart="slice"]').first
    chart.scroll_into_view_if_needed()
    point = chart.locator(".scatterlayer .point").last
    point.wait_for()
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector(".hoverlayer .hovertext")
    hint = chart.locator(".hoverlayer .hovertext").first.text_content()
    assert re.search(r"trial \d+.*validation accuracy 0\.\d+.*learning rate.*optimizer (sgd|adam)", hint)


def test_the_table_sorts_by_click_and_by_key(page: Any) -> None:

    def column(name: str) -> list[str]:
        heads = [head.split()[0] for head in page.locator("#best-table th").all_inner_texts()]
        return page.locator(f"#best-table td:nth-child({heads.index(name.split()[0]) + 1})").all_inner_texts()

    def sorted_by() -> list[str | None]:
        return [head.get_attribute("aria-sort") for head in page.locator("#best-table th").all()]

    assert sorted_by()[0] == "ascending" and set(sorted_by()[1:]) == {None}
    head = page.locator("#best-table th button", has_text="learning rate")
    head.click()
    rates = [float(text) for text in column("learning rate")]
    assert rates == sorted(rates) and sorted_by().count("ascending") == 1
    page.keyboard.press("Enter")
    assert [float(text) for text in column("learning rate")] == sorted(rates, reverse=True)
    assert sorted_by().count("descending") == 1 and sorted_by()[0] is None
    page.locator("#best-table th button", has_text="optimizer").focus()
    page.keyboard.press("Space")
    assert column("optimizer") == sorted(column("optimizer"))


def test_the_keyboard_reaches_everything(show: Any, report: Path) -> None:
    page = show(report)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the figures"
    reached = set()
    for _ in range(80):
        reached.add(page.evaluate("(document.activeElement.closest('section[id]') || {}).id || ''"))
        page.keyboard.press("Tab")
    assert {"curves", "best", "final", "slices", "again"} <= reached
    page.focus("#cells")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#epoch") == "epoch 2"
    page.keyboard.press("Escape")
    assert page.inner_text("#epoch").strip() == ""
    page.locator('[data-measure="loss"]').focus()
    page.keyboard.press("Enter")
    assert page.locator('[data-measure="loss"]').get_attribute("aria-pressed") == "true"


def test_commands_can_be_copied(page: Any) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.locator(".copy").first
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.copy').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()").startswith("fastnet search --trials 150")


def test_no_width_scrolls_sideways(page: Any) -> None:
    scroll_through(page)
    for width in (390, 320, 768, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(f"document.documentElement.scrollWidth <= {width}")  # the charts follow
        outside = page.evaluate(
            """() => [...document.querySelectorAll('main h2, main h3, main p, .cell, .plot, .card, pre')]
                 .filter((e) => !e.closest('.scroll') && e.getBoundingClientRect().right > innerWidth + 1)
                 .map((e) => e.outerHTML.slice(0, 80))"""
        )
        assert outside == [], width


def luminance(color: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb(color)]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def rgb(color: str) -> list[float]:
    return [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]


def palettes() -> dict[str, dict[str, str]]:
    """The colours of the style sheet, by light and dark."""
    light, dark = re.findall(r":root(?:, :root\.paper|:not\(\.paper\)) \{(.*?)\}", asset("style.css"), flags=re.DOTALL)
    return {name: dict(re.findall(r"--([\w-]+): (#\w{6})", text)) for name, text in (("light", light), ("dark", dark))}


def test_charts_follow_light_and_dark(page: Any) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colors = palettes()[scheme]
        line = "document.querySelectorAll('.cell path.js-line')[1].style.stroke"
        page.wait_for_function(f"{line} === 'rgb({', '.join(str(round(255 * c)) for c in rgb(colors['validation']))})'")
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == f"rgb({', '.join(str(round(255 * c)) for c in rgb(colors['ground']))})"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colors_can_be_read(scheme: str) -> None:
    """WCAG 2.2: 4.5 to 1 for text, 3 to 1 for marks."""
    colors = palettes()[scheme]

    def contrast(one: str, other: str) -> float:
        low, high = sorted((luminance(colors[one]), luminance(colors[other])))
        return (high + 0.05) / (low + 0.05)

    for text in ("ink", "quiet", "link", "alarm"):
        assert contrast(text, "ground") >= 4.5, text
    for text in ("ink", "quiet"):
        assert contrast(text, "raised") >= 4.5, text
    for mark in ("validation", "training", "others"):
        assert contrast(mark, "ground") >= 3.0, mark


# Machado, Oliveira and Fernandes, A Physiologically-based Model for Simulation of Color Vision Deficiency, IEEE TVCG
# 15(6), 2009: severity 1.0, on linear RGB.
DEFICIENCIES = {
    "none": [1, 0, 0, 0, 1, 0, 0, 0, 1],
    "protanopia": [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
    "deuteranopia": [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881],
    "tritanopia": [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900],
}


def lab(color: str, deficiency: np.ndarray) -> np.ndarray:
    linear = np.array([c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb(color)])
    seen = np.clip(deficiency @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ seen
    ratio = xyz / [0.9505, 1.0, 1.089]
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_colors_stay_apart_in_color_blindness(scheme: str, deficiency: str) -> None:
    """CIELAB distances; 2.3 can just be distinguished, 20 are different colours at a glance."""
    colors = palettes()[scheme]
    seen = {name: lab(colors[name], np.reshape(DEFICIENCIES[deficiency], (3, 3))) for name in colors}
    for one, other in (("validation", "training"), ("validation", "others"), ("training", "others")):
        assert np.linalg.norm(seen[one] - seen[other]) > 20, (one, other)
    scale = [seen[f"scale-{k}"][0] for k in range(5)]
    assert np.diff(scale).min() > 8, "the scale rises in lightness, whatever the eye"


def test_a_study_with_nothing_to_show_shows_sentences(show: Any, tmp_path: Path) -> None:
    for name, settings in {"none": {"trials": 0, "ended": False}, "gone": {"trials": 9, "diverge": 0.0}}.items():
        page = show(write_report(make_study(tmp_path / name, **settings), commands=commands))
        for chart in page.locator("[data-chart]").all():
            chart.scroll_into_view_if_needed()
        page.wait_for_timeout(200)
        for plot in page.locator(".plot").all():
            assert plot.locator(".point, path.js-line").count() > 0, plot.evaluate(
                "(div) => div.outerHTML.slice(0, 300)"
            )


@pytest.mark.parametrize("values", ["one", "equal and lost after the first epoch"])
def test_one_trial_equal_values_and_single_epochs_are_seen(show: Any, tmp_path: Path, monkeypatch, values: str) -> None:
    def shaped(*arguments: Any) -> TrialResult:
        curves = make_trial(*arguments).curves.copy()
        if values != "one":
            curves[:], curves[:, 1:] = 0.5, np.nan
        number, params, stage, metric, _ = arguments
        return TrialResult.from_curves(number, "done", params, curves, seconds=0.25, stage=stage, metric=metric)

    monkeypatch.setattr(studies, "make_trial", shaped)
    n = 1 if values == "one" else 12
    page = show(write_report(make_study(tmp_path / "s", n), commands=commands))
    scroll_through(page)
    assert [chart.locator(".point").count() for chart in page.locator('.plot[data-chart="slice"]').all()] == [n, n]
    bands = page.locator('.plot[data-chart="bands"]')
    assert bands.locator(".point").count() >= 2 if values == "one" else bands.locator("path.js-line").count() >= 2
    marks = [cell.locator(".point").count() for cell in page.locator(".cell").all()]
    assert marks == [0] if values == "one" else min(marks) >= 2
    height = page.evaluate(
        "(([low, high]) => high - low)(document.querySelector('[data-chart=\"slice\"]').layout.yaxis.range)"
    )
    assert 0 < height < 0.5


def test_printed_pages_are_dark_on_light(page: Any) -> None:
    page.emulate_media(color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("[...document.querySelectorAll('.plot')].every((p) => p.classList.contains('js-plotly-plot'))")
    white = tuple(round(255 * c) for c in rgb(palettes()["light"]["ground"]))
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == f"rgb{white}"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != f"rgb{white}"


def test_evil_names_are_shown_as_they_are(page: Any) -> None:
    assert page.inner_text("h1") == f"Search of {EVIL}"


def test_the_live_view_follows_a_search_and_becomes_its_report(show: Any, tmp_path: Path) -> None:
    folder = make_study(tmp_path / "s", 20)
    with LiveView(folder) as view:
        trials = tuple(make_trial(k, {"learning_rate": 0.01 * (k + 1)}, 1, "accuracy", 9.0) for k in range(10))
        view(Progress(10, 20, 0.83, 5.0, 2.0, 2.0, False, ended=trials))
        page = show(view.url, 390)
        page.wait_for_function("document.querySelectorAll('#scatter .point').length >= 9")
        assert "10 of 20" in page.inner_text("#cards") and "0.83" in page.inner_text("#cards")
        view(Progress(11, 20, 0.84, 5.0, 2.0, 2.0, False))
        page.wait_for_function("document.querySelector('#cards').innerText.includes('11 of 20')")
        assert page.locator("#best path.js-line").count() == 1
        page.select_option("#over", "learning_rate")
        page.wait_for_function("document.querySelector('#scatter .xtitle').textContent === 'learning rate'")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        view.end("20 trials", write_report(folder))
        page.wait_for_url("**/report.html")
        assert page.inner_text("h1") == "Search of mnist5k"


def test_the_live_view_reports_a_search_that_is_gone(tmp_path: Path, browser: Any) -> None:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    view = LiveView(tmp_path / "s")
    trial = make_trial(0, {"learning_rate": 0.01}, 1, "accuracy", 9.0)
    view(Progress(1, 20, 0.8, 5.0, 2.0, 2.0, False, ended=(trial,)))
    page.goto(view.url)
    page.wait_for_function("document.querySelectorAll('#best .point').length >= 1")  # a line of one step is a mark
    view.close()
    page.wait_for_function("document.title === 'The search no longer answers'")
    context.close()


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_section_on_the_model_is_drawn_and_fits(
    show: Any, tmp_path: Path, task: str, width: int, scheme: str
) -> None:
    folder = make_study(tmp_path / "s", 20, SPACE)
    with Study.read(folder) as study:
        settings = study.settings
    with Study.open(folder, settings) as study:
        study.set_inspection(studies.inspection(task, EVIL))
    page = show(write_report(folder), width, scheme=scheme)
    charts = page.locator("#model [data-chart]")
    assert charts.count() == (6 if task == "classification" else 5)
    for chart in charts.all():
        chart.scroll_into_view_if_needed()
        chart.locator("svg").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#model .none").count() == 0


def test_errors_of_numbers_are_drawn_in_their_units(show: Any, tmp_path: Path) -> None:
    a, noise = np.random.default_rng(0).normal(size=(2, 150))
    data = fastnet.load({"a": a, "b": noise, "price": 5000 + 600 * a + 500 * noise}, target="price")
    options = {"trials": 8, "epochs": 4, "hidden": "8", "preset": "book", "final": 1, "repeats": 2, "ensemble_top": 2}
    result = fastnet.search({"learning_rate": "log:1e-3:1e-1"}, data, study=tmp_path / "s", **options)
    page = show(write_report(tmp_path / "s", commands=commands))
    scroll_through(page)
    assert page.locator("button[data-measure=score]").inner_text() == "rmse"
    [low, high] = page.evaluate("document.querySelector('#cells .curve').layout.yaxis.range")
    largest = max(float(np.nanmax(trial.curves[1::2])) for trial in result.best(20))
    assert low == 0 and high == pytest.approx(1.05 * largest, rel=1e-3)
    page.locator("button[data-measure=loss]").click()
    [_, high] = page.evaluate("document.querySelector('#cells .curve').layout.yaxis.range")
    assert high < 100
