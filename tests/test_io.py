"""Records and pictures: round trips, odd kinds and broken files."""

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from ecgpage.header import RecordError
from ecgpage.io import find_records, has_signal, read_header, read_image, read_signal, write_record, write_text
from ecgpage.recording import PageError

NAMES = ("I", "AVR", "V1")


@given(
    signal=arrays(np.float64, (7, 3), elements=st.floats(-32.7, 32.7) | st.just(np.nan)),
    gain=st.sampled_from([1000.0, 200.0]),
    unit=st.sampled_from(["mV", "uV"]),
)
@settings(max_examples=30, deadline=None)
def test_record_round_trip(tmp_path_factory, signal, gain, unit):
    folder = tmp_path_factory.mktemp("record")
    gain = gain / 1000 if unit == "uV" else gain
    write_record(folder, "a", signal, 100, NAMES, ["NORM"], gains=gain, units=unit)
    back, fs, names = read_signal(folder / "a", np.float64)
    step = 1 / gain / (1000 if unit == "uV" else 1)  # mV per digital unit
    np.testing.assert_allclose(back, signal, atol=0.51 * step)
    assert (fs, names) == (100, NAMES)


def test_wfdb_reads_what_we_write(tmp_path):
    signal = np.random.default_rng(0).normal(size=(500, 3)).round(3)
    signal[:100, 1] = np.nan
    write_record(tmp_path, "a", signal, 250, NAMES, ["NORM", "CD"], comments=["Age: 54"])
    values, fields = wfdb.rdsamp(str(tmp_path / "a"))
    np.testing.assert_allclose(values, signal, atol=1e-9)
    assert (fields["fs"], fields["sig_name"], fields["units"]) == (250, list(NAMES), ["mV"] * 3)
    assert fields["comments"] == ["Age: 54", "Labels: NORM, CD"]
    record = wfdb.rdrecord(str(tmp_path / "a"), physical=False)
    assert record.checksum == record.calc_checksum()
    assert record.init_value == list(record.d_signal[0])


@pytest.mark.parametrize("fmt", ["16", "212", "80", "24"])
def test_signals_in_other_formats(tmp_path, fmt):
    signal = np.linspace(-1, 1, 40).reshape(20, 2)
    wfdb.wrsamp("a", 100, ["mV", "mV"], ["I", "II"], signal, fmt=[fmt, fmt], write_dir=str(tmp_path))
    np.testing.assert_allclose(read_signal(tmp_path / "a")[0], signal, atol=0.02)


def test_voltages_beyond_the_range_are_clipped_with_a_warning(tmp_path):
    signal = np.array([[40.0, -np.inf, 1.0], [-40.0, 0.0, 32.767]])
    with pytest.warns(UserWarning, match="a: 2 samples beyond the range"):
        write_record(tmp_path, "a", signal, 500, NAMES)
    back = read_signal(tmp_path / "a")[0]
    np.testing.assert_allclose(back, [[32.767, np.nan, 1.0], [-32.767, 0.0, 32.767]], atol=1e-5)


@pytest.mark.parametrize("name", ["plain", "with blank", "größe"])
def test_names_and_folders_with_blanks_and_umlauts(tmp_path, name):
    folder = tmp_path / "two words" / "ä"
    write_record(folder, name, np.ones((5, 3)), 500, NAMES, [])
    assert find_records(tmp_path) == [f"two words/ä/{name}"]
    assert (read_signal(folder / name)[0] == 1).all()
    assert (wfdb.rdsamp(str(folder / name))[0] == 1).all()
    assert read_header(folder / f"{name}.hea").name == name


def test_a_record_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    write_record(tmp_path, "a", np.ones((5, 3)), 500, NAMES)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_record(tmp_path, "a", np.zeros((5, 3)), 500, NAMES)
    assert (read_signal(tmp_path / "a")[0] == 1).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.dat", "a.hea"]


def test_signal_of_another_shape_is_refused(tmp_path):
    with pytest.raises(RecordError, match=r"a: expected a signal \(samples, 3 leads\), got shape \(5, 2\)"):
        write_record(tmp_path, "a", np.ones((5, 2)), 500, NAMES)


def test_missing_and_short_signals_are_named(tmp_path):
    with pytest.raises(RecordError, match="no header"):
        read_header(tmp_path / "a")
    write_record(tmp_path, "a", np.ones((5, 3)), 500, NAMES)
    (tmp_path / "a.dat").write_bytes(b"\0" * 20)
    with pytest.raises(RecordError, match=r"a.dat: expected 15 samples \(30 bytes\), found 10"):
        read_signal(tmp_path / "a")
    (tmp_path / "a.dat").unlink()
    assert not has_signal(read_header(tmp_path / "a"))
    with pytest.raises(RecordError, match="a.dat is missing"):
        read_signal(tmp_path / "a")


def test_unknown_units_are_named(tmp_path):
    write_record(tmp_path, "a", np.ones((5, 3)), 500, NAMES)
    text = (tmp_path / "a.hea").read_text().replace("/mV", "/mmHg")
    write_text(tmp_path / "a.hea", text)
    with pytest.raises(RecordError, match="mmHg"):
        read_signal(tmp_path / "a")


# Pictures: the left half red, the right half dark.
RED, DARK = (255, 0, 0), (40, 40, 40)


def picture(size=(8, 4)) -> Image.Image:
    image = Image.new("RGB", size, RED)
    image.paste(DARK, (size[0] // 2, 0, *size))
    return image


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "webp"])
def test_pictures_of_all_kinds(tmp_path, suffix):
    path = tmp_path / f"größe 1.{suffix}"
    picture((64, 32)).save(path, **({"lossless": True} if suffix == "webp" else {}))
    image = read_image(path)
    assert (image.shape, image.dtype) == ((32, 64, 3), np.uint8)
    assert np.abs(image[16, 8].astype(int) - RED).max() < 10
    assert np.abs(image[16, 56].astype(int) - DARK).max() < 10


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK"])
def test_other_colour_modes(tmp_path, mode):
    path = tmp_path / "a.tif"
    Image.new("RGB", (4, 4), "white").convert(mode).save(path)
    assert (read_image(path) == 255).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_are_white(tmp_path, mode):
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    path = tmp_path / "a.png"
    if mode == "P":
        Image.fromarray(np.array([[0, 1]], np.uint8), "L").convert("P").save(path, transparency=1)
    else:
        image.convert(mode).save(path)
    rgb = read_image(path)
    assert rgb[0, 0].max() <= 1
    assert (rgb[0, 1] == 255).all()


def test_16_bit_grey_is_scaled(tmp_path):
    Image.fromarray(np.array([[0, 257 * 100, 65535]], np.uint16)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[0, :, 0].tolist() == [0, 100, 255]


def test_exif_orientation_is_respected(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn right by 90 degrees
    picture((64, 32)).save(tmp_path / "a.jpg", exif=exif)
    image = read_image(tmp_path / "a.jpg")
    assert image.shape == (64, 32, 3)
    assert image[8, 16, 0] > 200  # the left half is now the upper one
    assert image[56, 16, 0] < 80


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\n broken"])
def test_unreadable_pictures_are_named(tmp_path, content):
    path = tmp_path / "page.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PageError, match=r"page\.png.*expected one of \.png, \.jpg"):
        read_image(path)


def test_truncated_picture_is_named(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(PageError, match=r"a\.png cannot be read"):
        read_image(tmp_path / "a.png")
