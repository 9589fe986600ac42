"""Values that the sample recordings give, stored in golden.json.

`python -m tests.contract.test_golden` computes them anew and writes the file.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from .support import PLANE, SAMPLES, run

STORED = Path(__file__).parent / "golden.json"
ALWAYS = ("--dtype", "float64", "--threads", "1", "--device", "cpu", "--json")
SPEECH = "speech.wav --offset 0.5 --duration 0.6 --n-fft 512 --hop-length 64"
DRONE = "clicks-over-drone.wav --duration 0.5 --n-fft 1024 --hop-length 128"
TONES = "two-tones.wav --duration 2 --n-fft 256 --hop-length 32"
SIX = "six-tones.wav --duration 3 --n-fft 512 --hop-length 64"
FM = "fm-and-tone.wav --duration 0.6 --n-fft 512 --hop-length 64"
BELL = "bell.oga --duration 0.1 --n-fft 1024 --hop-length 128"
TIME = "--window-mode time --smoothness 0.1"

CASES = {
    "speech fixed": f"{SPEECH} --window-mode fixed --win-length 23ms",
    "speech constant": f"{SPEECH} --window-mode constant",
    "speech time": f"{SPEECH} {TIME}",
    "speech time, rough": f"{SPEECH} --window-mode time --smoothness 0",
    "speech frequency": f"{SPEECH} --window-mode frequency --smoothness 0.5",
    "speech cells": f"{SPEECH} --window-mode time-frequency --smoothness 0.5",
    "speech band": f"{SPEECH} {TIME} --criterion-fmin 300 --criterion-fmax 3000",
    "speech search": f"{SPEECH} {TIME} --max-steps 0",
    "drone constant": f"{DRONE} --window-mode constant",
    "drone time": f"{DRONE} {TIME}",
    "drone frequency": f"{DRONE} --window-mode frequency --smoothness 0.5",
    "drone kurtosis": f"{DRONE} --window-mode constant --criterion kurtosis",
    "drone gini": f"{DRONE} --window-mode constant --criterion gini",
    "tones time": f"{TONES} {TIME}",
    "tones frequency": f"{TONES} --window-mode frequency --smoothness 0",
    "tones renyi": f"{TONES} {TIME} --criterion renyi --order 2",
    "tones concentration": f"{TONES} --window-mode constant --criterion concentration",
    "six constant hop": f"{SIX} --window-mode constant --hop-mode constant",
    "six hops": f"{SIX} --window-mode constant --hop-mode time --max-steps 10",
    "six lbfgs": f"{SIX} {TIME} --no-search --optimizer lbfgs --max-steps 5",
    "six sgd": f"{SIX} --window-mode constant --no-search --optimizer sgd --max-steps 5",
    "fm amplitude": f"{FM} --window-mode constant --normalization amplitude --power 1",
    "fm none": f"{FM} --window-mode time --normalization none --power 1 --smoothness 0.2",
    "fm blackman": f"{FM} --window-mode constant --window blackman --criterion hoyer",
    "fm gaussian": f"{FM} {TIME} --window gaussian",
    "fm kaiser": f"{FM} --window-mode fixed --window kaiser --win-length 300.5",
    "fm adam": f"{FM} {TIME} --no-search --optimizer adam --lr 0.05 --max-steps 8",
    "bell all": f"{BELL} --channel all --window-mode constant --criterion l1l2",
    "bell lp": f"{BELL} --channel 1 {TIME} --criterion lp",
    "bell sr": f"{BELL} --sr 22050 --window-mode constant --window nuttall",
}

SWEEPS = {
    "sweep speech": "speech.wav --duration 0.6 --n-fft 512 --hop-length 64",
    "sweep drone": "clicks-over-drone.wav --duration 0.5 --n-fft 1024 --criterion kurtosis",
    "sweep tones": "two-tones.wav --n-fft 512 --hop-length 32 --criterion renyi",
    "sweep fm": "fm-and-tone.wav --duration 0.6 --n-fft 512 --window blackman --power 1",
    "sweep lengths": "six-tones.wav --n-fft 1024 --win-length-min 100 --win-length-max 900",
}


def computed(name: str) -> dict[str, Any]:
    """Values of one case."""
    command = "sweep" if name in SWEEPS else "optimize"
    recording, *options = (CASES | SWEEPS)[name].split()
    record = run(command, SAMPLES / recording, *options, *ALWAYS, *PLANE).json
    if command == "sweep":
        (curve,) = record["criteria"]
        best = curve["best"]
        found = {"best_length": best["win_length"], "n_fft": best["n_fft"], "value": best["value"]}
        found |= {"spread": curve["spread"], "off_by_two": curve["off_by_two"]}
        return found | {"count": record["window_length"]["count"]}
    criterion, lengths = record["criterion"], record["window_length"]
    if not isinstance(lengths, dict):
        lengths = dict.fromkeys(("min", "median", "max"), lengths)
    return {
        "start": criterion["start"],
        "best_fixed_length": criterion["best_fixed"]["win_length"],
        "best_fixed": criterion["best_fixed"]["value"],
        "final": criterion["final"],
        "table_bound": criterion["table_bound"],
        "frames": record["frames"],
        **{f"length_{key}": lengths[key] for key in ("min", "median", "max")},
    }


@pytest.mark.parametrize("kind", sorted({name.split()[0] for name in CASES | SWEEPS}))
def test_values_are_what_they_were(kind):
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    assert set(stored) == set(CASES | SWEEPS)
    names = [name for name in stored if name.split()[0] == kind]
    found = [line for name in names for line in differences(name, computed(name), stored[name])]
    assert found == []


VALUES, LENGTHS = 1e-6, 1e-4  # relative: criteria; window lengths, where an optimum is flat


def differences(name: str, got: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Every value that is not what it was."""
    assert set(got) == set(wanted), name
    found = []
    for key, value in wanted.items():
        rel = LENGTHS if "length" in key else VALUES
        if got[key] != (value if value is None else pytest.approx(value, rel=rel)):
            found.append(f"{name}: {key} {got[key]}, was {value}")
    return found


def main() -> None:
    lines = (f"{json.dumps(name)}: {json.dumps(computed(name))}" for name in CASES | SWEEPS)
    STORED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
