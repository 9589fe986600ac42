"""What is refused ends in one line, runs nothing and writes nothing."""

import shlex
from pathlib import Path

from contract.support import listing, refused
from contract.support import run as dstft

REFUSED = (  # in a folder with results of a.wav in `constant` and `time`
    ("optimise a.wav", 2, "'optimize'"),
    ("nonsuch", 2, "nonsuch"),
    ("optimize a.wav --win-lenght 3", 2, "did you mean '--win-length'?"),
    ("sweep a.wav --window-mode time", 2, "no such option '--window-mode': see"),
    ("optimize", 2, "INPUT"),
    ("optimize ''", 2, "empty"),
    ("optimize a.wav --png", 2, "--png"),
    ("optimize a.wav '--\n'", 2, "no such option"),
    ("optimize a.wav --mode time", 2, "'--window-mode' or '--hop-mode'?"),
    ("optimize -x", 2, "-x"),
    ("optimize a.wav --power -1", 2, "--power -1: must be above 0"),
    ("optimize a.wav --set power=-1", 2, "--set power=-1: must be above 0"),
    ("optimize a.wav --window han", 2, "did you mean 'hann'?"),
    ("optimize a.wav --preset speach", 2, "did you mean 'speech'?"),
    (
        "optimize a.wav --config none.yaml",
        2,
        "none.yaml: cannot be read: no such file or directory: check --config",
    ),
    ("optimize a.wav --config ''", 2, "'--config': must not be empty"),
    ("optimize a.wav -o ''", 2, "--output '': must not be empty"),
    ("optimize a.wav --png - --json", 2, "--png - and --json"),
    ("optimize a.wav --emit librosa --window-mode time", 2, "--window-mode constant"),
    ("optimize a.wav --n-fft 512 --win-length 1024", 2, "--win-length 1024 is above --n-fft 512"),
    ("optimize a.wav --set power=" + "[" * 70_000, 2, "nested"),
    ("optimize a.wav --win-length 25 ms", 2, "25ms"),
    ("optimize a.wav --win-length 0.5 s", 2, "0.5s"),
    ("optimize a.wav --win-length 1 kHz", 2, "1kHz"),
    ("optimize -dash.wav", 2, "./-dash.wav"),
    # many recordings
    ("optimize a.wav longer.wav", 2, "dstft batch"),
    ("optimize a.wav longer.wav --shared --window-mode time", 2, "constant"),
    ("optimize a.wav longer.wav --shared --hop-mode time", 2, "hop-mode"),
    ("optimize a.wav longer.wav --shared --npy x.npy", 2, "--npy"),
    ("sweep a.wav longer.wav --scope plane", 2, "--scope"),
    ("sweep a.wav longer.wav --weigh energy", 2, "--weigh"),
    ("sweep a.wav longer.wav --workers 0", 2, "--workers"),
    ("sweep a.wav --from list", 2, "--from"),
    ("sweep a.wav -", 2, "INPUT -"),
    ("sweep", 2, "INPUT"),
    ("sweep *.flac", 2, "*.flac"),
    ("apply time a.wav longer.wav --png x.png", 2, "--png"),
    ("sweep a.wav --json --csv -", 2, "--csv - and --json"),
    ("sweep a.wav --criterion giny", 2, "did you mean 'gini'?"),
    ("sweep a.wav --win-length-min 1s --win-length-max 50ms", 2, "--win-length-min 1s is above"),
    ("sweep a.wav --csv a.wav", 2, "a.wav"),
    ("sweep a.wav -o time", 2, "--force"),
    ("sweep none.wav", 1, "none.wav: no such file"),
    ("apply time longer.wav", 1, "--duration"),
    ("apply time other.wav", 1, "--sr 8000"),
    ("apply constant none.wav", 1, "none.wav"),
    ("apply none a.wav", 1, "none"),
    ("apply constant a.wav -o time", 2, "--force"),
    ("apply constant a.wav -o constant --force", 2, "constant"),
    ("apply constant a.wav --db-range 0", 2, "--db-range 0: must be above 0"),
    ("apply a.wav constant", 2, "dstft apply DIR INPUT"),
    ("apply constant", 2, "INPUT"),
    ("apply constant a.wav --criterion gini", 2, "--scope plane"),
    ("apply constant a.wav --config c.yaml", 2, "no such option '--config'"),
    ("reconstruct time -o x.mp3", 2, ".flac"),
    ("reconstruct time -o ''", 2, "'--output': must not be empty"),
    ("reconstruct time --subtype PCM_8", 2, "--subtype PCM_8: must be one of PCM_16"),
    ("reconstruct time -o x.flac --subtype FLOAT", 2, "FLOAT"),
    ("reconstruct time -o a.wav --force", 2, "the recording itself"),
    ("report . -o report.html", 2, "--force"),
    ("report none", 1, "none"),
    ("report a.wav", 1, "a.wav"),
    ("report . -o -", 2, ".html"),
    ("report . -o ' '", 2, "must not be empty"),
    ("report", 2, "DIR"),
    ("reproduce nothing", 2, "windows, hops"),
    ("reproduce hop", 2, "did you mean 'hops'?"),
    ("reproduce hops --seed -1", 2, "--seed -1: must be at least 0"),
    ("reproduce hops --threads none", 2, "--threads none: must be"),
    ("reproduce hops --data ''", 2, "must not be empty"),
    ("reproduce", 2, "NAME"),
    ("batch", 2, "give one of CONFIG, --from FILE and --from0 FILE"),
    ("batch c.yaml --from -", 2, "CONFIG and --from exclude each other"),
    ("batch none.yaml", 2, "none.yaml: cannot be read: no such file or directory: check CONFIG"),
    ("batch --from none.txt", 2, "none.txt: cannot be read"),
    ("batch --from ''", 2, "must not be empty"),
    ("batch --from empty", 2, "names no inputs"),
    ("sweep --from0 empty", 2, "names no inputs"),
    ("batch c.yaml --workers many", 2, "--workers"),
    ("batch c.yaml --workers 0", 2, "--workers 0: must be at least 1"),
    ("batch c.yaml --workers 1 --scheduler tcp://x", 2, "--workers and --scheduler"),
    ("batch c.yaml -o -", 2, "--json"),
    ("batch c.yaml --set power=0", 2, "--set power=0: must be above 0"),
    ("batch c.yaml --preset musik", 2, "did you mean 'music'?"),
)
LONG = "x" * 5000


def test_each_is_one_line_and_nothing_is_written(place):
    Path("c.yaml").write_text("jobs: [{input: a.wav}]\n")
    for name in ("list", "report.html", "-dash.wav"):
        Path(name).write_text("a.wav\n")
    Path("empty").touch()
    before = listing(place)
    for line, code, words in REFUSED:
        message = refused(*shlex.split(line), code=code)
        assert words in message, (line, message)
        assert len(message) < 300, line
        assert listing(place) == before, line
    assert "did you mean" not in refused("sweep", "a.wav", "--window-mode", "time")


def test_no_command_at_all_shows_the_help_on_standard_error():
    printed = dstft(code=2)
    assert printed.text == ""
    assert "optimize" in printed.err


def test_long_words_are_cut():
    for line in (
        *("LONG", "optimize --LONG", "report a LONG", "reconstruct a -o LONG", "reproduce LONG"),
        *("batch --set criterion=LONG:LONG --from none", "batch none -o LONG/.."),
    ):
        assert len(refused(*line.replace("LONG", LONG).split())) < 400, line
