"""`dstft report DIR`: options, what is printed, exit codes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from report_example import make_result, names, read_page, table

from dstft_cli.cli import main

ROOT = Path(__file__).parent.parent


@pytest.fixture
def folder(tmp_path, monkeypatch):
    make_result(tmp_path / "results" / "a")
    make_result(tmp_path / "results" / "b", pictures=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def report(capsys):
    """`dstft report` in this process: stdout and stderr, its exit code checked."""

    def run(*arguments, code=0):
        capsys.readouterr()
        assert main(["report", *arguments]) == code
        return capsys.readouterr()

    return run


def test_the_page_appears_in_the_directory(folder, report):
    assert report("results") == ("results        2\nreport         results/report.html\n", "")
    page = read_page(folder / "results" / "report.html")
    assert names(page) == ["a", "b"]
    assert page.one("title").text == "Results in results"


def test_output_and_title(folder, report):
    out, err = report("results", "-o", "pages/all.html", "--title", "Owls & co")
    assert (out, err) == ("results        2\nreport         pages/all.html\n", "")
    page = read_page(folder / "pages" / "all.html")
    assert page.one("title").text == "Owls & co"
    assert page.one("tbody").all("a")[0]["href"] == "../results/a/comparison.png"


def test_quiet_prints_nothing(folder, report):
    (folder / "results" / "b" / "result.json").write_text("{")
    assert report("results", "-q") == ("", "")
    assert (folder / "results" / "report.html").exists()


def test_the_current_directory_gives_its_name(folder, report, monkeypatch):
    monkeypatch.chdir(folder / "results")
    assert report(".").out == "results        2\nreport         report.html\n"
    page = read_page(folder / "results" / "report.html")
    assert page.one("title").text == "Results in results"


def test_broken_results_are_a_warning(folder, report):
    (folder / "results" / "b" / "result.json").write_text("{")
    assert report("results").err == (
        "warning: 1 of 2 results cannot be read: the last column of the report says why\n"
    )


def test_an_existing_page_needs_force(folder, report):
    (folder / "results" / "report.html").write_text("mine")
    assert report("results", code=2) == (
        "",
        "dstft: results/report.html exists: use --force to replace it or choose another name\n",
    )
    assert (folder / "results" / "report.html").read_text() == "mine"
    report("results", "--force")
    assert len(table(read_page(folder / "results" / "report.html"))) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nothing"], 1, "dstft: nothing: no such directory: check the path\n"),
        (
            ["empty"],
            1,
            "dstft: empty holds no result.json, nor does any directory below it: "
            "name one in which dstft optimize or dstft batch has written\n",
        ),
        (
            ["results/a/result.json"],
            1,
            "dstft: results/a/result.json is not a directory: name one that holds results of dstft\n",
        ),
        (
            ["results", "-o", "-"],
            2,
            "dstft: a report on standard output could not link to its pictures: "
            "name a file with -o\n",
        ),
        (["results", "-o", "empty"], 2, "dstft: empty is a directory: name a file in it\n"),
        ([], 2, "dstft: missing argument 'DIR': see 'dstft report --help'\n"),
        (
            ["results", "x"],
            2,
            "dstft: got unexpected extra argument (x): see 'dstft report --help'\n",
        ),
        (["line\nbreak"], 1, "dstft: 'line\\nbreak': no such directory: check the path\n"),
    ],
    ids=str,
)
def test_errors(folder, report, arguments, code, message):
    (folder / "empty").mkdir()
    assert report(*arguments, code=code) == ("", message)
    assert sorted(path.name for path in folder.iterdir()) == ["empty", "results"]


def test_a_full_disk_is_one_line(folder, report):
    if not Path("/dev/full").exists():
        pytest.skip("NOT TESTED: no /dev/full here")
    out, err = report("results", "-o", "/dev/full", code=1)
    assert (out, err) == (
        "",
        "dstft: disk full while writing /dev/full: free some space or choose another -o\n",
    )


def test_help_names_every_option(report):
    out = report("--help").out
    for option in ("-o, --output FILE", "--title TEXT", "--force", "-q, --quiet"):
        assert option in out


def test_nothing_heavy_is_imported(folder):
    code = (
        "import sys; from dstft_cli.cli import main; code = main(['report', 'results', '-q']);"
        "print(code, sorted({'torch', 'scipy', 'matplotlib', 'soundfile'} & set(sys.modules)))"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (result.stdout, result.stderr) == ("0 []\n", "")


def test_results_of_a_real_run_fill_every_cell(tmp_path, report, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "sample_audio" / "two-tones.wav", "two tones.wav")
    assert main(["optimize", "two tones.wav", "--window-mode", "time", "-q"]) == 0
    report(".")
    (row,) = table(read_page(tmp_path / "report.html"))
    assert row["Result"].text == "two tones-dstft"
    assert row["Input"].text == "two tones.wav"
    assert "–" not in {cell.text for label, cell in row.items() if "Warnings" not in label}
    assert len(row["Result"].all("img")) == 1


def test_the_pages_parts_are_in_the_package():
    from importlib.resources import files

    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for name in ("style.css", "script.js"):
        assert files("dstft_cli.report").joinpath(name).is_file()
        assert f'"report/*.{name.partition(".")[2]}"' in text
