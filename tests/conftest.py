"""Settings that every test shares."""

import os
import signal

import pytest

# the signals of the tests are small: threads inside one operation would mostly wait for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # and threads that wait would spin

# where the tests run in the background, a shell lets them, and all that they start, ignore interrupts
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests of a file stay with one worker: no second one makes what they share."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder: `a.wav` with one channel, `ab.wav` with two."""
    from contract.support import sound, write_sound

    monkeypatch.chdir(tmp_path)
    write_sound(tmp_path / "a.wav", sound()[:, 0])
    write_sound(tmp_path / "ab.wav", sound())
    return tmp_path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from report.browser import chromium

    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page
