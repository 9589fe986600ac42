"""The page in a browser: sorting, searching, keyboard, pictures, dark mode; skips without Chromium."""

import pytest

from dstft_cli.report import write_report
from report.browser import MARKS
from report.report_example import a_record, make_result

pytestmark = MARKS
NAMES = (
    "Array.from(document.querySelectorAll('tbody tr'), r => r.querySelector('.folder').textContent)"
)
SHOWN = NAMES.replace("tbody tr", "tbody tr:not([hidden])")
SORTED = "Array.from(document.querySelectorAll('thead th'), h => h.getAttribute('aria-sort'))"
COUNT = "document.querySelector('[role=status]').textContent"
FOCUS = "document.activeElement.textContent || document.activeElement.id"


@pytest.fixture
def page(browser, tmp_path):
    """A report of five results, one of them broken, opened wide."""
    for name, path, final, seconds in (
        ("a2", "Zebra.wav", 0.3, 100.0),
        ("a10", "écho.wav", 0.1, 9.0),
        ("b", "dog.wav", None, 20.0),
        ("d", "Eagle.wav", 0.2, 3.0),
    ):
        record = a_record(input__path=path, criterion__final=final, input__seconds=seconds)
        make_result(tmp_path / name, record)
    make_result(tmp_path / "c", "{")
    browser.events.clear()
    browser.size(1500, 900)
    browser.open(write_report(tmp_path).as_uri())
    yield browser
    assert browser.faults() == []


def click(page, label):
    page.run(
        f"Array.from(document.querySelectorAll('thead button')).find("
        f"b => b.firstChild.data === '{label}').click()"
    )


def search(page, text):
    page.run("document.querySelector('#search').select()")
    page.press("Backspace")
    page.run("document.querySelector('#search').value = ''")
    page.type(text)


def test_every_heading_sorts_both_ways_and_missing_values_come_last(page):
    assert page.run(NAMES) == ["a10", "a2", "b", "c", "d"]
    click(page, "Final")
    assert page.run(NAMES) == ["a10", "d", "a2", "b", "c"]
    assert page.run(SORTED)[6] == "ascending"
    click(page, "Final")
    assert page.run(NAMES) == ["a2", "d", "a10", "b", "c"]
    assert page.run(SORTED) == ["none"] * 6 + ["descending"] + ["none"] * 7
    click(page, "Gain over start")
    assert page.run(NAMES) == ["a10", "d", "a2", "b", "c"]
    assert page.run(SORTED)[7] == "descending"
    click(page, "Duration")
    assert page.run(NAMES) == ["d", "a10", "b", "a2", "c"]
    click(page, "Input")
    assert page.run(NAMES) == ["b", "d", "a10", "a2", "c"]  # dog, Eagle, écho, Zebra
    click(page, "Warnings and errors")
    assert page.run(NAMES) == ["c", "a10", "a2", "b", "d"]
    click(page, "Result")
    assert page.run(NAMES) == ["a10", "a2", "b", "c", "d"]


def test_values_that_do_not_compare_stand_apart(browser, tmp_path):
    for name, n_fft, final in (("a", 64, 0.3), ("b", 64, 0.1), ("c", 128, 0.2), ("d", 64, None)):
        make_result(tmp_path / name, a_record(n_fft=n_fft, criterion__final=final))
    browser.open(write_report(tmp_path).as_uri())
    groups = (
        "Array.from(document.querySelectorAll('tr[data-group]'),"
        " r => r.querySelector('.folder').textContent + ': ' + r.dataset.group)"
    )
    click(browser, "Final")
    assert browser.run(NAMES) == ["b", "a", "c", "d"]
    assert browser.run(groups) == ["b: entropy, n_fft 64", "c: entropy, n_fft 128"]
    search(browser, "a entropy")
    click(browser, "Final")
    assert browser.run(NAMES) == ["a", "b", "c", "d"]
    click(browser, "Gain over start")
    assert browser.run(NAMES) == ["b", "c", "a", "d"]
    assert browser.run(groups) == []


def test_search_takes_every_word_whatever_its_case_and_accents(page):
    assert page.run(COUNT) == "5 results"
    search(page, "ECHO time")
    assert (page.run(SHOWN), page.run(COUNT)) == (["a10"], "1 of 5 results")
    search(page, "broken")
    assert page.run(SHOWN) == ["c"]
    search(page, "3.75 / 8 ms zebra")
    assert page.run(SHOWN) == ["a2"]
    search(page, "echo zebra")
    assert (page.run(SHOWN), page.run(COUNT)) == ([], "0 of 5 results")
    click(page, "Final")
    page.run("document.querySelector('#search').focus()")
    page.press("Escape")
    assert page.run(SHOWN) == ["a10", "d", "a2", "b", "c"]
    assert page.run("document.querySelector('tr[hidden]')") is None


def test_the_keyboard_does_it_all(page):
    page.press("/", "/")
    assert page.run(FOCUS) == "search"
    page.press("/", "/")  # in the field it is a sign like any other
    assert page.run("document.activeElement.value") == "/"
    page.press("Escape")
    page.press("Tab")
    assert page.run(FOCUS) == "Result"
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for _ in range(6):
        page.press("Tab")
    assert page.run(FOCUS) == "Final"
    page.press("Enter", "\r")
    assert page.run(SORTED)[6] == "ascending"
    page.press(" ", " ")
    assert page.run(SORTED)[6] == "descending"
    for _ in range(8):
        page.press("Tab")
    assert page.run("document.activeElement.className") == "picture"
    page.press("Enter", "\r")
    page.wait("location.pathname.endsWith('/a2/comparison.png')")
    assert page.run("document.images[0].naturalWidth") == 300


@pytest.mark.parametrize(
    ("width", "scheme"), [(1500, "light"), (1270, "dark"), (1000, "light"), (390, "dark")]
)
def test_the_page_fits_its_window_and_can_be_read_in_both_looks(page, width, scheme):
    page.size(width, 800)
    page.scheme(scheme)
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    outside = (
        "Array.from(document.querySelectorAll('th, td')).filter("
        "c => c.scrollWidth > c.clientWidth + 1 || c.getBoundingClientRect().right > innerWidth)"
    )
    assert page.run(f"{outside}.map(c => c.textContent)") == []
    assert page.run("document.querySelector('img').naturalWidth > 100")
    for place in ("body", ".folder", "small", "strong", "header p"):
        assert page.contrast(place, "body") >= 4.5, (place, scheme)
    ground = page.run("getComputedStyle(document.body).backgroundColor")
    assert (ground != "rgb(255, 255, 255)") == (scheme == "dark")
