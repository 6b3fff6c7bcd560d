# SPDX-License-Identifier: GPL-2.0-only
"""Pages in a real browser, opened from disk."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.judge.conclude import Conclusion, conclude
from harness.report.page import index_page, run_page
from tests.unit import conclusions
from tests.unit.builders import claims, record
from tests.unit.report.test_history import run

REQUIRED = os.environ.get("MEMMAP_HARNESS_REQUIRE_BOOT") == "1"
WIDTHS = {"phone": 360, "desk": 1280}
#: No network access by the browser itself, and no screen.
FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def missing(reason: str) -> None:
    """Skip, or fail if MEMMAP_HARNESS_REQUIRE_BOOT is set."""
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


class Browser:
    """A browser with one page, of a given width and colour scheme."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, path: Path, width: int, scheme: str = "light", media: str = "screen") -> None:
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"media": media, "features": features}
        )
        self.driver.get(path.as_uri())

    def ask(self, script: str) -> Any:
        return self.driver.execute_script(f"return {script}")

    def press(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    path = shutil.which("chromedriver")
    if path is None:
        missing("chromedriver is not installed")
    try:
        from selenium import webdriver
    except ImportError:
        missing("selenium is not installed")
    options = webdriver.ChromeOptions()
    for flag in FLAGS:
        options.add_argument(flag)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(path))
    try:
        yield Browser(driver)
    finally:
        driver.quit()


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a page of every kind, by name."""
    folder = tmp_path_factory.mktemp("pages")
    found = {}

    def put(name: str, text: str) -> None:
        found[name] = folder / f"{name}.html"
        found[name].write_text(text)

    for name, conclusion in conclusions.named().items():
        put(name, run_page.page(conclusion, has=lambda _: True, index="index.html"))
    beside = conclude(record("boot-tcg"), claims(), replay=conclusions.replay())
    put("replayed", run_page.page(beside, has=lambda _: True))
    put("per-patch", run_page.page(per_patch(), has=lambda _: True))
    put("index", index_page.page(history(), [index_page.Broken("s/20260101", "is damaged")]))
    put("index-empty", index_page.page([], []))
    return found


def per_patch() -> Conclusion:
    """Return a replay with claims on each patch and on the whole series."""
    whole = claims()
    single = [conclusions.replace(claim, after_patch=1) for claim in whole]
    return conclude(conclusions.replay(), (*whole, *single))


def history() -> list[index_page.IndexRun]:
    """Return runs on three releases and two machines."""
    made = []
    for n, release in enumerate(("7.2-rc1", "7.2", "7.2", "7.3-rc1")):
        one = run(f"{n:02}", release)
        if n == 2:
            one = conclusions.replace(
                one, machine=conclusions.replace(one.machine, cpu="Another Xeon")
            )
        made.append(index_page.run_of(conclude(one, claims()), f"{n}/report.html"))
    return made


@pytest.fixture(params=[(w, s) for w in WIDTHS for s in ("light", "dark")], ids="-".join)
def opened(request: pytest.FixtureRequest, browser: Browser) -> Callable[[Path], Browser]:
    """Return a function that opens a page, for each width and colour scheme."""
    width, scheme = request.param

    def open_page(path: Path) -> Browser:
        browser.open(path, WIDTHS[width], scheme)
        return browser

    return open_page
