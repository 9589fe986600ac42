"""Where settings come from, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .support import FIXED, ROOT, read, refused, run


def settings(*options: str) -> dict[str, Any]:
    """The settings of a run with these options, as result.json has them."""
    return run("optimize", "a.wav", *options, "--json").json["settings"]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_order_of_precedence(folder: Path) -> None:
    config = ["--config", str(write(folder / "c.yaml", "power: 1.25\nn_fft: 128\n"))]
    pair, option = ["--set", "power=1.5"], ["--power", "1.75"]
    fixed = ["--window-mode", "fixed"]
    assert settings(*FIXED)["power"] == 2
    for given, power in (
        (config, 1.25),
        (pair, 1.5),
        (option, 1.75),
        (config + pair, 1.5),
        (pair + config, 1.5),
        (config + option, 1.75),
        (option + pair, 1.75),
        (config + option + pair, 1.75),
        (["--set", "power=1.1", *pair], 1.5),
    ):
        assert settings(*fixed, *given)["power"] == power, given
    assert settings(*fixed, *config)["n_fft"] == 128
    assert settings(*fixed, *config, "--n-fft", "256")["n_fft"] == 256


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


def test_wrong_yaml_is_told_with_file_and_line(folder: Path) -> None:
    for text, line, word in (
        ("power: 1\n\ncriterium: gini\n", 3, "criterion"),
        ("# c\nhop_length: 3 parsecs\n", 2, "hop_length"),
        ("seed: 1\n\tpower: 2\n", 2, ""),
        ("seed: 1\ncmap: !!python/name:os.system\n", 2, ""),
    ):
        message = refused("optimize", "a.wav", "--config", write(folder / "c.yaml", text))
        assert f"c.yaml:{line}" in message, (text, message)
        assert word in message.replace("-", "_"), (text, message)


def test_the_examples_of_settings_run(folder: Path) -> None:
    names = {path.stem for path in (ROOT / "configs").glob("*.yaml")} - {"batch"}
    assert len(names) >= 4
    for name in sorted(names):
        config = ROOT / f"configs/{name}.yaml"
        options = ["--duration", "0.3", "-o", name, "--no-figures", "-q"]
        run("optimize", "a.wav", "--config", config, *options)
        assert read(name).final <= read(name).record["criterion"]["start"], name
