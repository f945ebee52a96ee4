"""Contact sheets and the synthesizer's command line."""

import numpy as np
import pytest

from ecgpage.cli import main
from ecgpage.header import RecordError
from ecgpage.io import read_header, read_image
from ecgpage.synthesis.profile import PROFILES
from ecgpage.synthesis.sheet import TILE, contact_sheet, write_sheet
from ecgpage.synthesis.signals import AS_RECORDED


@pytest.fixture(scope="module")
def records(root):
    return root / "benchmarks" / "records"


def test_a_sheet_has_as_many_pages_as_asked(records):
    sheet = contact_sheet(records, PROFILES["kit"].drawn_at(50, 60), AS_RECORDED, 0, 6)
    assert sheet.shape == (2 * TILE[0], 4 * TILE[1], 3)
    tiles = [sheet[r : r + TILE[0], c : c + TILE[1]] for r in (0, TILE[0]) for c in range(0, 4 * TILE[1], TILE[1])]
    assert [bool(tile.std() > 3) for tile in tiles] == [True] * 6 + [False] * 2


def test_the_command_writes_sheets_and_pages(records, tmp_path, capsys):
    sheet = tmp_path / "the sheet.png"
    assert (
        main(["synthesize", "-i", str(records), "--profile", "kit", "--varied", "-n", "2", "--sheet", str(sheet)]) == 0
    )
    assert read_image(sheet).shape == (TILE[0], 4 * TILE[1], 3)
    record = str(records / "01825_hr.hea")
    assert main(["synthesize", "-i", record, "-o", str(tmp_path), "-n", "2", "--varied", "--seed", "4"]) == 0
    assert len(read_header(tmp_path / "01825_hr").images) == 2
    assert read_header(tmp_path / "01825_hr").items("Profile")[-1] == "varied signals"
    capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected where the pages go"),
        (["--sheet", "sheet.gif"], r"expected a sheet named \*.jpg or \*.png"),
        (["-o", "pages", "--jobs", "0"], "at least one worker"),
        (["-o", "pages", "-n", "0"], "at least one page"),
        (["--sheet", "sheet.png", "-n", "0"], "at least one page"),
    ],
)
def test_wrong_requests_say_what_was_expected(records, arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["synthesize", "-i", str(records), *arguments]) == 1
    assert np.any([message.replace("\\", "") in line for line in capsys.readouterr().err.splitlines()])


def test_no_records_no_sheet(tmp_path):
    with pytest.raises(RecordError, match="no records"):
        contact_sheet(tmp_path, PROFILES["kit"], AS_RECORDED, 0, 2)
    with pytest.raises(ValueError, match="expected a sheet named"):
        write_sheet(tmp_path / "sheet.tif", np.zeros((4, 4, 3), np.uint8))
