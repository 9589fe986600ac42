"""`view.html` in a browser: layers, keys, zoom, read-out, sound; skips without Chromium."""

import re

import numpy as np
import pytest
from report.browser import MARKS

from dstft_cli.cli import main
from view.view_example import CLICK, OFFSET, OPTIONS, TONE, make_recording, make_result, page_of

pytestmark = MARKS
SUM = """(() => {
  const c = document.querySelector('#picture'), w = c.width, h = c.height;
  const d = c.getContext('2d').getImageData(60, 10, w - 140, h - 60).data;
  let sum = 0;
  for (let i = 0; i < d.length; i++) sum = (sum * 31 + d[i]) % 1000000007;
  return sum;
})()"""  # of the plane, without axes
TEXT = "document.querySelector('#readout').textContent"
CHECKED = "document.querySelector('[name=layer]:checked').value"
IDLE = "document.querySelector('#plot').getAttribute('aria-busy') === 'false'"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return make_result(tmp_path_factory.mktemp("made"), "--window-mode", "time-frequency")


@pytest.fixture
def page(browser, place):
    browser.events.clear()
    browser.size(1280, 720)
    browser.open((place / "view.html").as_uri())
    settle(browser)
    yield browser
    assert browser.faults() == []
    asked = [e["params"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    assert {a["request"]["url"].partition(":")[0] for a in asked} <= {"file", "data"}


def settle(page):
    page.run(
        "window.frames2 = 0; requestAnimationFrame(() => requestAnimationFrame(() => frames2 = 1))"
    )
    page.wait(f"window.frames2 === 1 && {IDLE}")


def plane(page):
    """Left, top, width and height of the plane in the window."""
    box = page.run(
        "(b => [b.x, b.y, b.width, b.height])(document.querySelector('#marks').getBoundingClientRect())"
    )
    narrow = box[2] < 600
    left, right = (42, 48) if narrow else (56, 66)
    return box[0] + left, box[1] + 8, box[2] - left - right, box[3] - 44


def mouse(page, kind, x, y, **more):
    page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)


def at(page, data, seconds, hz, view=None):
    """Where a point of the plane is in the window, on the logarithmic axis as it opens."""
    left, top, width, height = plane(page)
    (begin, end), (low, high) = view or (data["span"], data["shown"])
    return (
        round(left + width * (seconds - begin) / (end - begin)),
        round(top + height * np.log(high / hz) / np.log(high / low)),
    )


def test_the_cursor_reads_what_the_array_holds(page, place):
    _, data = page_of(place)
    X, stored = np.load(place / "spectrogram.npy"), np.load(place / "parameters.npz")
    mouse(page, "mouseMoved", *at(page, data, 0.6, TONE))
    settle(page)
    page.wait(f"{TEXT}.includes('dB')")
    seconds, hz, note, level, window = page.run(TEXT).split("  ·  ")
    assert float(seconds.split()[0]) == pytest.approx(0.6, abs=0.003)
    assert float(hz.split()[0].replace(",", "")) == pytest.approx(TONE, rel=0.01)
    assert note.startswith(("B5", "C6"))
    frame, bin_ = (
        np.abs(stored[n] - v).argmin() for n, v in (("times", 0.6), ("frequencies", TONE))
    )
    dB = 20 * np.log10(X[bin_, frame] / X.max())
    assert float(level.split()[0].replace("−", "-")) == pytest.approx(dB, abs=1.5)
    lengths = stored["tile_window_length"]
    ms = float(re.search(r"window ([\d.]+) ms", window)[1])
    assert lengths.min() / 8 <= ms * 1.001 <= lengths.max() / 8 * 1.001
    page.wait("document.querySelector('#spoken').textContent.includes('Hz')")  # at rest


def test_other_layers_are_decoded_once_the_picture_is_there(page, place):
    watch = """window.asked = [0, 0];
    const [make, Pen] = [createImageBitmap, CanvasRenderingContext2D.prototype], put = Pen.putImageData;
    let drawn = 0;
    window.createImageBitmap = (...all) => { asked[drawn]++; return make(...all); };
    Pen.putImageData = function (image, ...at) {
      if (image.data.some((v) => v)) drawn = 1;
      put.call(this, image, ...at);
    };"""
    name = page.call("Page.addScriptToEvaluateOnNewDocument", source=watch)["identifier"]
    page.open((place / "view.html").as_uri())
    settle(page)
    page.call("Page.removeScriptToEvaluateOnNewDocument", identifier=name)
    first, *others = [len(level["levels"][0]["tiles"]) for level in page_of(place)[1]["layers"]]
    assert page.run("asked") == [first + 1, sum(others)]  # with the window lengths


def test_one_key_changes_layers_at_the_same_zoom(page, place):
    layers = len(page_of(place)[1]["layers"])
    for key in "+++":
        page.press(key, key)
    settle(page)
    sums = []
    for _ in range(layers + 1):
        sums.append(page.run(SUM))
        page.press("b", "b")
        settle(page)
    assert len(set(sums[:layers])) == layers
    assert sums[layers] == sums[0]
    page.press("2", "2")
    settle(page)
    assert (page.run(CHECKED), page.run(SUM)) == ("1", sums[1])


def test_wheel_and_drag_move_both_axes(page, place):
    _, data = page_of(place)
    x, y = at(page, data, CLICK, 1000.0)
    mouse(page, "mouseMoved", x, y)
    before = page.run(TEXT).split("  ·  ")[:2]
    for _ in range(10):
        mouse(page, "mouseWheel", x, y, deltaX=0, deltaY=-120)
        mouse(page, "mouseWheel", x, y, deltaX=-60, deltaY=0, modifiers=8)
    settle(page)
    mouse(page, "mouseMoved", x, y)
    assert page.run(TEXT).split("  ·  ")[:2] == before  # what was under the pointer stays there
    mouse(page, "mouseMoved", x + 50, y)
    near = float(page.run(TEXT).split()[0])
    assert 0 < near - float(before[0].split()[0]) < 0.02
    mouse(page, "mousePressed", x, y, button="left", clickCount=1)
    for step in range(1, 6):
        mouse(page, "mouseMoved", x + 20 * step, y + 10 * step, button="left", buttons=1)
    mouse(page, "mouseReleased", x + 100, y + 50, button="left", clickCount=1)
    mouse(page, "mouseMoved", x + 100, y + 50)
    assert page.run(TEXT).split("  ·  ")[:2] == before
    page.press("0", "0")
    settle(page)
    mouse(page, "mouseMoved", x, y)
    assert page.run(TEXT).split("  ·  ")[:2] == before


def test_every_function_has_a_key(page):
    value = "document.querySelector('#{}').{}"
    for key, of, what in (
        ("a", "scale", "value"),
        ("c", "colours", "value"),
        ("l", "lengths", "checked"),
        ("?", "help", "hidden"),
    ):
        before, drawn = page.run(value.format(of, what)), page.run(SUM)
        page.press(key, key)
        settle(page)
        assert page.run(value.format(of, what)) != before
        assert key == "?" or page.run(SUM) != drawn, key
    page.press("?", "?")
    page.run("document.querySelector('#marks').focus()")
    page.press("ArrowRight")
    seconds, hz = page.run(TEXT).split("  ·  ")[:2]
    page.press("ArrowUp")
    assert page.run(TEXT).split("  ·  ")[0] == seconds
    assert page.run(TEXT).split("  ·  ")[1] != hz
    drawn = page.run(SUM)
    for key in ("PageUp", "+", "End"):
        page.press(key, "+" if key == "+" else "")
        settle(page)
        assert page.run(SUM) != drawn, key
        drawn = page.run(SUM)
    page.run("document.querySelector('#range').focus()")
    page.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight", windowsVirtualKeyCode=39)
    settle(page)
    assert page.run("document.querySelector('#range').value") == "85"
    assert page.run(SUM) != drawn


def test_the_sound_plays_and_the_mark_moves(page):
    state = "(s => [s.paused, s.currentTime])(document.querySelector('#sound'))"
    page.wait("document.querySelector('#sound').readyState > 0")
    assert page.run("document.querySelector('#sound').duration") == pytest.approx(1.25, abs=0.01)
    page.press("End")
    page.run("document.querySelector('#marks').focus()")
    page.press("Enter", "\r")
    start = page.run(state)[1]
    assert start == pytest.approx(1.25 / 2, abs=0.02)  # the cursor, at first in the middle
    page.call("Input.dispatchKeyEvent", type="keyDown", key=" ", windowsVirtualKeyCode=32)
    page.wait(f"{state}[1] > {start} + 0.1")
    assert page.run("document.querySelector('#play').getAttribute('aria-pressed')") == "true"
    page.wait(f"{state}[0]")


@pytest.fixture
def phone(page):
    """The page at 390 px, where fingers touch it."""
    size = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    page.call("Emulation.setDeviceMetricsOverride", **size)
    page.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
    settle(page)
    yield page
    page.call("Emulation.setTouchEmulationEnabled", enabled=False)


def touch(page, kind, *points):
    fingers = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
    page.call("Input.dispatchTouchEvent", type=kind, touchPoints=fingers)


def tap(page, x, y):
    """What the page says of a place that is tapped."""
    touch(page, "touchStart", (x, y))
    touch(page, "touchEnd")
    seconds, hz = page.run(TEXT).split("  ·  ")[:2]
    return float(seconds.split()[0]), float(hz.split()[0].replace(",", ""))


def test_two_fingers_zoom_both_axes_and_one_moves_them(phone):
    left, top, width, height = plane(phone)
    x, y = left + width / 2, top + height / 2
    near, far = [[(x - d, y + d), (x + d, y - d)] for d in (25, 75)]
    before = [tap(phone, *place) for place in near]
    sound = "document.querySelector('#sound').currentTime"
    assert OFFSET + phone.run(sound) == pytest.approx(before[1][0], abs=0.01)
    phone.press("0", "0")
    drawn = phone.run(SUM)
    touch(phone, "touchStart", near[0])
    touch(phone, "touchStart", *near)
    for d in range(30, 80, 5):
        touch(phone, "touchMove", (x - d, y + d), (x + d, y - d))
    touch(phone, "touchEnd", far[0])
    touch(phone, "touchEnd")
    settle(phone)
    assert phone.run(SUM) != drawn
    assert phone.run("visualViewport.scale") == 1  # the page itself is not zoomed
    assert OFFSET + phone.run(sound) == pytest.approx(before[1][0], abs=0.01)  # was no tap
    after = [tap(phone, *place) for place in far]
    assert np.ravel(after) == pytest.approx(np.ravel(before), rel=0.02)
    touch(phone, "touchStart", far[0])
    for d in range(5, 55, 5):
        touch(phone, "touchMove", (far[0][0] + d, far[0][1] - d))
    touch(phone, "touchEnd")
    assert tap(phone, far[0][0] + 50, far[0][1] - 50) == pytest.approx(before[0], rel=0.02)
    marks = "document.querySelector('#marks')"
    row = f"2 * ({far[0][1] - 50} - {marks}.getBoundingClientRect().y)"
    drawn = f"{marks}.getContext('2d').getImageData(0, {row}, 780, 1).data.filter(v => v).length"
    assert phone.run(drawn) > 200  # the cursor stays where it was tapped


@pytest.mark.parametrize("name", ["a b#c?d'\"é&日.wav", "100%25 \\:<i>.wav"])
def test_a_linked_recording_plays_and_moves_with_its_result(browser, tmp_path, name):
    folder = tmp_path / "fo#o ?"
    folder.mkdir()
    make_recording(folder / name)
    more = ["--window-mode", "fixed", "--n-fft", "256", "--audio", "link", "-o"]
    assert main(["optimize", str(folder / name), *OPTIONS, *more, str(folder / "out")]) == 0
    state = "(s => [s.readyState > 0, s.duration])(document.querySelector('#sound'))"
    for _ in range(2):
        browser.open((folder / "out/view.html").as_uri())
        browser.wait(f"{state}[0]")
        assert browser.run(state)[1] == pytest.approx(1.5)
        folder = folder.rename(tmp_path / "moved")
    (folder / name).unlink()
    browser.open((folder / "out/view.html").as_uri())
    browser.wait("document.querySelector('#silent').textContent !== ''")
    assert browser.run("document.querySelector('#play').disabled")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark"), (390, "light")])
def test_it_fits_and_can_be_read(page, width, scheme):
    page.size(width, 800)
    page.scheme(scheme)
    settle(page)
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    outside = "Array.from(document.querySelectorAll('button, select, label, canvas')).filter(e => "
    outside += "e.getBoundingClientRect().right > innerWidth).map(e => e.textContent)"
    assert page.run(outside) == []
    assert plane(page)[3] > 200
    for ink, ground in (
        ("#readout", "body"),
        ("header p", "body"),
        ("#all", "#all"),
        (":checked + span", ":checked + span"),
        (":checked + span small", ":checked + span"),
        ("label:last-of-type small", "label:last-of-type span"),
    ):
        assert page.contrast(ink, ground) >= 4.5, (ink, scheme)
    named = "Array.from(document.querySelectorAll('button, select, input, canvas')).filter(e => "
    named += "!(e.labels?.length || e.textContent.trim() || e.getAttribute('aria-label')"
    named += " || e.getAttribute('aria-hidden'))).map(e => e.id)"
    assert page.run(named) == []
