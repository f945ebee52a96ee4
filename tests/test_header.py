"""Headers: complete, hidden and broken ones."""

from pathlib import Path

import pytest

from ecgpage.header import RecordError, format_header, parse_header

COMPLETE = """00121_hr 2 500 5000 14:23:41 19/01/1986
00121_hr.dat 16 1000.0(0)/mV 16 0 80 18538 0 I
00121_hr.dat 16 1000.0(0)/mV 16 0 -32768 15917 0 AVR
# Age: 54
# Labels: NORM, AFIB/AFL
# Image: 00121_hr-0.png, 00121_hr-1.png
"""
HIDDEN = """00121_hr 2 500 5000
00121_hr.dat 16 1000.0(0)/mV 16 0    I
00121_hr.dat 16 1000.0(0)/mV 16 0    AVR
# Image: 00121_hr-0.png
"""


def test_complete_header():
    header = parse_header(COMPLETE, folder=Path("pages"))
    assert (header.name, header.fs, header.num_samples) == ("00121_hr", 500, 5000)
    assert header.names == ("I", "AVR")  # as written
    assert header.labels == ("NORM", "AFIB/AFL")
    assert header.images == (Path("pages/00121_hr-0.png"), Path("pages/00121_hr-1.png"))
    assert header.items("Age") == ("54",)
    assert header.comments_without("Labels", "Image") == ("Age: 54",)
    field = header.signals[1]
    assert (field.gain, field.baseline, field.units, field.initial_value, field.checksum) == (
        1000,
        0,
        "mV",
        -32768,
        15917,
    )


def test_hidden_header_and_back():
    header = parse_header(HIDDEN)
    assert header.names == ("I", "AVR")
    assert header.labels == ()
    assert {(field.initial_value, field.checksum, field.block_size) for field in header.signals} == {(None,) * 3}
    assert format_header(header.name, header.fs, header.num_samples, header.signals, header.comments) == HIDDEN


def test_complete_header_and_back():
    header = parse_header(COMPLETE)
    text = format_header(header.name, 500.0, 5000, header.signals, header.comments, "14:23:41 19/01/1986")
    assert text == COMPLETE


@pytest.mark.parametrize("line", ["# Image:", "# Image: ", "# Image: ,"])
def test_empty_list_of_images(line):
    assert parse_header(HIDDEN.replace("# Image: 00121_hr-0.png", line)).images == ()


@pytest.mark.parametrize(
    ("line", "gain", "baseline", "units", "name"),
    [
        ("a.dat 16 200 12 1024 995 1 0 MLII", 200, 1024, "mV", "MLII"),  # baseline is the converter's zero
        ("a.dat 212 4.88e3(-7)/uV 12 0 V1", 4880, -7, "uV", "V1"),
        ("a.dat 16 0 I", 200, 0, "mV", "I"),  # gain 0: not calibrated, 200 by WFDB's convention
        ("a.dat 16 1000/mV 16 0 1 2 0 lead two", 1000, 0, "mV", "lead two"),
    ],
)
def test_forms_of_signal_lines(line, gain, baseline, units, name):
    (field,) = parse_header(f"a 1 250/100(0) 10\r\n{line}\r\n").signals
    assert (field.gain, field.baseline, field.units, field.name) == (gain, baseline, units, name)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "first line"),
        ("a 1 500\na.dat 16 200 I\n", "first line"),
        ("a 1 500 0\na.dat 16 200 I\n", "positive"),
        ("a 2 500 10\na.dat 16 200 I\n", "expected 2 signal lines, found 1"),
        ("a 1 500 10\na.dat 16\n", "a.dat 16"),
    ],
)
def test_broken_headers_are_named(text, problem):
    with pytest.raises(RecordError, match=f"(?s)page.hea.*{problem}"):
        parse_header(text, "page")
