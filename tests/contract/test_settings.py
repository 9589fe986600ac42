"""Where settings come from, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .support import ROOT, read, run


def settings(*options: str) -> dict[str, Any]:
    """The settings of a run with these options, as result.json has them."""
    return run("optimize", "a.wav", *options, "--json").json["settings"]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_yaml_and_set_mean_what_options_mean(folder: Path) -> None:
    values = {
        "window_mode": "time",
        "n_fft": "256",
        "hop_length": "4ms",
        "win_length": "12.5ms",
        "win_length_max": "200",
        "window": "blackman",
        "normalization": "amplitude",
        "power": "1.5",
        "smoothness": "0.2",
        "criterion": "renyi",
        "order": "2",
        "optimizer": "adam",
        "max_steps": "3",
        "lr": "0.1",
        "seed": "7",
        "duration": "0.3",
        "channel": "0",
        "search": "false",
    }
    lines = "".join(f"{name}: {value}\n" for name, value in values.items())
    pairs = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
    options = ["--no-search"]
    for name, value in values.items():
        if name != "search":
            options += ["--" + name.replace("_", "-"), value]
    by_config = settings("--config", str(write(folder / "c.yaml", lines)))
    assert settings(*pairs) == by_config
    assert settings(*options) == by_config
    assert (by_config["hop_length"], by_config["win_length"]) == (32, 100)
    assert (by_config["search"], by_config["seed"], by_config["channel"]) == (False, 7, 0)


def test_the_examples_of_settings_run(folder: Path) -> None:
    names = {path.stem for path in (ROOT / "configs").glob("*.yaml")} - {"batch"}
    assert len(names) >= 4
    for name in sorted(names):
        config = ROOT / f"configs/{name}.yaml"
        options = ["--duration", "0.3", "-o", name, "--no-figures", "-q"]
        run("optimize", "a.wav", "--config", config, *options)
        assert read(name).final <= read(name).record["criterion"]["start"], name
