from pathlib import Path

import pytest

from ecgpage.training.configuration import (
    SECONDS_VARIABLE,
    SETTINGS_VARIABLE,
    STAGES,
    SettingsError,
    StageSettings,
    TrainingSettings,
    load_settings,
    settings_from_environment,
)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "value"),
    [("batch_size", 0), ("seconds", -1.0), ("ema_decay", 1.0), ("optimizer", "lion"), ("precision", "int8")],
)
def test_an_unusable_setting_is_named(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=name):
        StageSettings(**{name: value})


def test_a_file_sets_what_it_names_and_leaves_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path / "t.toml", '[detector]\nseconds = 5\n[drawing]\nprofiles = ["photo"]\n')
    settings = load_settings(path)
    assert settings.detector == StageSettings(seconds=5.0)
    assert settings.digitizer == StageSettings()
    assert settings.drawing.profiles == ("photo",)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[decoder]\nseconds = 5", "decoder"),
        ("[detector]\nsecond = 5", "second"),
        ('[detector]\nsteps = "many"', "steps"),
        ("[detector]\nsteps = true", "steps"),
        ("[detector", "TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        load_settings(write(tmp_path / "t.toml", text))


def test_the_environment_chooses_file_and_total_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    budgets = {"detector": 10, "name_reader": 10, "scale_reader": 5, "digitizer": 15, "classifier": 10}
    path = write(tmp_path / "t.toml", "".join(f"[{name}]\nseconds={budget}\n" for name, budget in budgets.items()))
    monkeypatch.setenv(SETTINGS_VARIABLE, str(path))
    monkeypatch.setenv(SECONDS_VARIABLE, "500")
    settings = settings_from_environment()
    seconds = [getattr(settings, name).seconds for name in STAGES]
    assert seconds == [100, 100, 50, 150, 100]  # the file's 10 : 10 : 5 : 15 : 10


def test_only_one_stage_keeps_its_budget() -> None:
    settings = TrainingSettings().only("digitizer")
    assert [getattr(settings, name).seconds for name in STAGES] == [0, 0, 0, 3600, 0]
    with pytest.raises(SettingsError, match="stage must be one of"):
        TrainingSettings().only("drawing")


@pytest.mark.parametrize("seconds", ["soon", "0", "-3"])
def test_a_wrong_total_time_is_refused(monkeypatch: pytest.MonkeyPatch, seconds: str) -> None:
    monkeypatch.delenv(SETTINGS_VARIABLE, raising=False)
    monkeypatch.setenv(SECONDS_VARIABLE, seconds)
    with pytest.raises(SettingsError, match=SECONDS_VARIABLE):
        settings_from_environment()


def test_the_shipped_settings_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECONDS_VARIABLE, raising=False)
    monkeypatch.delenv(SETTINGS_VARIABLE, raising=False)
    default = settings_from_environment()
    monkeypatch.setenv(SETTINGS_VARIABLE, "smallest")
    smallest = settings_from_environment()
    assert isinstance(default, TrainingSettings)
    assert smallest.seconds < 180 < default.seconds  # "within three minutes"
