# SPDX-License-Identifier: GPL-2.0-only
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.conftest import Browser
from tests.unit.conclusions import named

KINDS = [*named(), "replayed", "per-patch", "index", "index-empty"]
Opened = Callable[[Path], Browser]

#: Text whose contrast with its background is below 4.5 to 1 (WCAG 2, level AA).
FAINT = """(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const rgb = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = c => [0, 1, 2].map(i => c[i] / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return rgb('white');
  };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || !e.checkVisibility() || e.closest('title, desc, style, option')) continue;
    const style = getComputedStyle(e);
    const ours = light(rgb(e instanceof SVGElement ? style.fill : style.color));
    const theirs = light(behind(e));
    const ratio = (Math.max(ours, theirs) + 0.05) / (Math.min(ours, theirs) + 0.05);
    if (ratio < 4.5) found.push(`${e.tagName} ${e.textContent.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return found;
})()"""

#: Elements outside their picture.
OUTSIDE = """[...document.querySelectorAll('figure svg[role=img]')].flatMap(svg => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('circle, rect, text, path')].filter(e => {
    const b = e.getBoundingClientRect();
    return b.left < box.left - 1 || b.right > box.right + 1 || b.top < box.top - 4
      || b.bottom > box.bottom + 4;
  }).map(e => e.outerHTML.slice(0, 80));
})"""

OVERLAPPING = """[...document.querySelectorAll('figure svg[role=img]')].flatMap(svg => {
  const texts = [...svg.querySelectorAll('text')].map(e => [e, e.getBoundingClientRect()]);
  return texts.flatMap(([a, x], n) => texts.slice(n + 1).filter(([b, y]) =>
    x.left < y.right - 1 && y.left < x.right - 1 && x.top < y.bottom - 3 && y.top < x.bottom - 3
  ).map(([b]) => `${a.textContent} / ${b.textContent}`));
})"""


@pytest.mark.parametrize("name", KINDS)
def test_a_page_fits_and_can_be_read(opened: Opened, pages: dict[str, Path], name: str) -> None:
    browser = opened(pages[name])
    width = browser.ask("innerWidth")
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.ask(FAINT) == []
    assert browser.ask(OUTSIDE) == []
    assert browser.ask(OVERLAPPING) == []
    assert [e for e in browser.driver.get_log("browser") if e["level"] == "SEVERE"] == []
    assert browser.ask("performance.getEntriesByType('resource').length") == 0


@pytest.mark.parametrize("name", ["reproduced", "replay", "index"])
def test_dark_is_dark_and_print_is_black_on_white(
    browser: Browser, pages: dict[str, Path], name: str
) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    browser.open(pages[name], 1280, "dark")
    assert browser.ask(ground) == "rgb(17, 21, 26)"
    browser.open(pages[name], 1280, "light")
    assert browser.ask(ground) == "rgb(255, 255, 255)"
    browser.open(pages[name], 1280, "dark", media="print")
    assert browser.ask(ground) == "rgb(255, 255, 255)"
    assert browser.ask("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert browser.ask("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


def test_everything_is_reachable_by_keyboard_with_visible_focus(
    browser: Browser, pages: dict[str, Path]
) -> None:
    from selenium.webdriver import Keys

    browser.open(pages["everything"], 360)
    wanted = browser.ask(
        "[...document.querySelectorAll('a[href], summary, select, [tabindex]')]"
        ".filter(e => e.checkVisibility()).length"
    )
    reached = []
    for _ in range(wanted):
        browser.press(Keys.TAB)
        reached.append(
            browser.ask(
                "(e => [e.tagName, e.className, getComputedStyle(e).outlineStyle, "
                "parseFloat(getComputedStyle(e).outlineWidth)])(document.activeElement)"
            )
        )
    assert reached[0][:2] == ["A", "skip"]
    assert "BODY" not in [tag for tag, *_ in reached]
    assert {tag for tag, *_ in reached} >= {"A", "SUMMARY", "DIV"}
    assert all(style == "solid" and px >= 2 for _, _, style, px in reached)


def test_the_skip_link_leads_past_the_header(browser: Browser, pages: dict[str, Path]) -> None:
    from selenium.webdriver import Keys

    browser.open(pages["reproduced"], 1280)
    browser.press(Keys.TAB)
    browser.press(Keys.ENTER)
    assert browser.ask("location.hash") == "#main"


def test_a_folded_part_opens_by_keyboard(browser: Browser, pages: dict[str, Path]) -> None:
    from selenium.webdriver import Keys

    browser.open(pages["reproduced"], 360)
    browser.ask("document.querySelector('#samples ~ details summary').focus()")
    browser.press(Keys.ENTER)
    assert browser.ask("document.querySelector('#samples ~ details').open")
    assert browser.ask("document.documentElement.scrollWidth") <= 360


def test_a_screen_reader_gets_names_and_headers(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["everything"], 1280)
    browser.ask("document.querySelectorAll('details').forEach(e => { e.open = true })")
    tree = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    seen = [
        (node["role"]["value"], node.get("name", {}).get("value", ""), node)
        for node in tree
        if not node["ignored"]
    ]
    roles = [role for role, _, _ in seen]
    assert "main" in roles
    assert roles.count("columnheader") > 20
    assert roles.count("rowheader") > 20
    for role, name, node in seen:
        if role in ("image", "link", "heading", "combobox", "region"):
            assert name, node
    described = [n for role, _, n in seen if role == "image"]
    assert len(described) == 4
    for image in described:
        assert "samples" in image["name"]["value"] or "points" in image["name"]["value"]


# --- filters of the index ---

SHOWN = "[...document.querySelectorAll('#runs tbody tr')].filter(e => e.checkVisibility()).length"
FIGURES = "[...document.querySelectorAll('figure')].filter(e => e.checkVisibility()).length"
COUNT = "getComputedStyle(document.querySelector('.shown'), '::before').content"


def choose(browser: Browser, name: str, text: str) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.select import Select

    label = browser.driver.find_element(
        By.XPATH, f"//label[starts-with(normalize-space(), '{name}')]"
    )
    select = Select(label.find_element(By.TAG_NAME, "select"))
    (option,) = (o.text for o in select.options if o.text.startswith(text))
    select.select_by_visible_text(option)


def test_a_filter_hides_other_runs_without_a_script(
    browser: Browser, pages: dict[str, Path]
) -> None:
    browser.open(pages["index"], 1280)
    assert browser.ask("document.scripts.length") == 0
    assert (browser.ask(SHOWN), browser.ask(FIGURES)) == (4, 4)
    choose(browser, "Tag", "7.2 (")
    assert browser.ask(SHOWN) == 2
    choose(browser, "Machine", "Another Xeon")
    assert (browser.ask(SHOWN), browser.ask(FIGURES)) == (1, 2)
    choose(browser, "Tag", "7.3-rc1")
    assert browser.ask(SHOWN) == 0
    choose(browser, "Tag", "all")
    choose(browser, "Machine", "all")
    assert browser.ask(SHOWN) == 4


def test_a_filter_works_by_keyboard(browser: Browser, pages: dict[str, Path]) -> None:
    from selenium.webdriver import Keys

    browser.open(pages["index"], 360)
    browser.ask("document.querySelector('#choose-2').focus()")
    browser.press(Keys.ARROW_DOWN)
    assert browser.ask(SHOWN) == 1
