"""Hidden leftovers of killed runs: removed beside their places, and nothing else is."""

from pathlib import Path

from dstft_cli.writers import OutputDirectory, clear_leftovers
from dstft_cli.writers.place import beside


def filled(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "spectrogram.npy").write_bytes(b"x")
    return path


def test_an_unfinished_directory_and_file_go(tmp_path):
    place = tmp_path / "deep" / "a.b"
    directory = OutputDirectory(place, force=False)
    directory.__enter__()
    directory.path("result.json").write_text("{}")
    beside(place, "partial").write_bytes(b"x")
    assert len(list(place.parent.iterdir())) == 2
    clear_leftovers([place, tmp_path / "nowhere" / "else"])
    assert list(place.parent.iterdir()) == []


def test_what_belongs_to_other_places_stays(tmp_path):
    others = {
        filled(beside(tmp_path / "other", "partial")),
        filled(tmp_path / ".a.12345678.backup"),
        filled(tmp_path / ".a.1234567.partial"),
        filled(tmp_path / ".partial"),
        filled(tmp_path / "a"),
    }
    clear_leftovers([tmp_path / "a"])
    assert set(tmp_path.iterdir()) == others


def test_a_directory_set_aside_comes_back_or_goes(tmp_path):
    place = tmp_path / "a"
    filled(beside(place, "old"))
    clear_leftovers([place])
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    filled(beside(place, "old"))
    clear_leftovers([place])
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (place / "spectrogram.npy").read_bytes() == b"x"


def test_names_that_are_shortened_are_found(tmp_path):
    place = tmp_path / ("🐦" * 60)
    filled(beside(place, "partial"))
    clear_leftovers([place])
    assert list(tmp_path.iterdir()) == []
