"""Settings from files and `--set`: errors name file and line, and nothing in a file can run."""

from pathlib import Path

from dstft_cli.settings import Settings, merge
from settings.example import refused

CONFIGS = Path(__file__).parents[2] / "configs"


def test_files_that_are_refused(tmp_path):
    config = tmp_path / "c.yaml"
    for text, line, words in (
        ("power: 1\n\ncriterium: x\n", 3, "did you mean 'criterion'?"),
        ("win-length: 1\n", 1, "did you mean 'win_length'?"),
        ("zzz: 1\n", 1, "unknown key 'zzz'"),
        ("seed: 1\nseed: 2\n", 2, "given twice, first on line 1"),
        ("- seed\n", 0, "holds no settings"),
        ("seed\n", 0, "holds no settings"),
        ("seed: [1, 2]\n", 1, "single value"),
        ("seed: {a: 1}\n", 1, "single value"),
        ("? [a]\n: 1\n", 1, "single value"),
        ("~: 1\n", 1, "a key is missing"),
        ("seed: 1\ncmap: !!python/name:os.system\n", 2, "tag !!python/name:os.system"),
        ("cmap: !!python/object/apply:os.system ['true']\n", 1, "single value"),
        ("cmap: !own x\n", 1, "tag !own"),
        ("cmap: !!binary aaaa\n", 1, "tag !!binary"),
        ("seed: 1\n\tpower: 2\n", 2, "a tab"),
        ("seed: 1\ncmap: 'open\n", 3, "quoted scalar"),
        ("seed: 1\n  power: 2\n", 2, "mapping values are not allowed here"),
        ("seed: 1\n---\nseed: 2\n", 2, "another document"),
        ("seed: *nobody\n", 1, "undefined alias"),
        ("defaults: {power: 1}\n", 1, "belongs to a batch"),
        ("[" * 51, 1, "nested"),
        (b"RIFF\xff\xfe\x00\x00WAVE", 0, "not UTF-8"),
        (b"seed: \x01\n", 1, "control characters"),
        (b"#" * ((1 << 20) + 1), 0, "above 1 MiB"),
        ("[" * 70_000, 1, "nested"),
        ("{a: " * 20_000, 1, "nested"),
        ("- " * 70_000, 1, "nested"),
    ):
        config.write_bytes(text if isinstance(text, bytes) else text.encode())
        message = refused(config=config)
        assert message.startswith(f"{config}:{line}: " if line else f"{config}: "), message
        assert words in message, message
    assert "belongs to a batch" in refused(config=CONFIGS / "batch.yaml")


def test_places_that_are_no_files(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("")
    for path, words in (
        (tmp_path / "absent.yaml", "no such file"),
        (tmp_path, "is a directory"),
        (config / "x.yaml", "cannot be read"),
        (tmp_path / "a\0b", "cannot be read"),
    ):
        assert words in refused(config=path), path


def test_empty_files_are_all_defaults(tmp_path):
    config = tmp_path / "c.yaml"
    for text in ("", "# nothing\n", "---\n", "null\n", "\ufeff", "{}\n"):
        config.write_text(text, encoding="utf-8")
        assert merge({}, (), config) == Settings(), text


def test_text_means_what_it_means_on_the_command_line(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("tolerance: 1e-5\ncmap: 0x1\nsearch: no\nnormalization: none\npng: '-'\n")
    settings = merge({}, (), config)
    assert (settings.tolerance, settings.cmap, settings.search) == (1e-5, "0x1", False)
    assert (settings.normalization, settings.png) == ("none", "-")


def test_pairs_that_are_refused():
    for pair, words in (
        ("hop mode=x", "did you mean 'hop_mode'?"),
        ("--HOP-MODE=x", "did you mean 'hop_mode'?"),
        ("power", "not a setting"),
        ("=1", "unknown key ''"),
        ("power=[1]", "single value"),
        ("power='1", "not valid YAML"),
        ("power=" + "[" * 70_000, "nested"),
    ):
        message = refused(pairs=[pair])
        assert message.startswith("`set` "), message
        assert words in message, message
        assert len(message) < 400
    assert merge({}, ["power= "]) == Settings()  # nothing is YAML's null


def test_a_section_holds_options_of_pictures(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("seed: 3\nplot:\n  size: 90mm\n  freq_scale: mel\n")
    settings = merge({"freq_scale": "log"}, (), config)
    assert (settings.seed, settings.size, settings.freq_scale) == (3, "90mm", "log")
    for text, line, words in (
        ("plot:\n  n_fft: 512\n", 2, "n_fft is no option of pictures"),
        ("plot:\n  sise: 90mm\n", 2, "did you mean 'size'"),
        ("plot: 90mm\n", 1, "must be a mapping"),
        ("size: 90mm\nplot:\n  size: 7in\n", 3, "twice, first on line 1"),
    ):
        config.write_text(text)
        message = refused(config=config)
        assert message.startswith(f"{config}:{line}: "), message
        assert words in message, message
