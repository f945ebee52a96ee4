"""The organisers' public names, on complete and hidden headers."""

import numpy as np
import pytest
from PIL import Image

import helper_code as helper
from ecgpage.header import RecordError

HIDDEN = """a 2 100 10
a.dat 16 1000.0(0)/mV 16 0    aVR
a.dat 16x1 200/uV 12 1024    i
# Image: a-0.png, a-1.png
"""


def test_fields_of_a_hidden_header():
    assert helper.get_record_name(HIDDEN) == "a"
    assert helper.get_num_signals(HIDDEN) == 2
    assert helper.get_sampling_frequency(HIDDEN) == 100
    assert helper.get_num_samples(HIDDEN) == 10
    assert helper.get_signal_names(HIDDEN) == ["aVR", "i"]
    assert helper.get_signal_files_from_header(HIDDEN) == ["a.dat"]
    assert helper.get_signal_formats(HIDDEN) == ["16", "16"]
    assert helper.get_adc_gains(HIDDEN) == [1000, 200]
    assert helper.get_baselines(HIDDEN) == [0, 1024]
    assert helper.get_signal_units(HIDDEN) == ["mV", "uV"]
    assert helper.get_adc_resolutions(HIDDEN) == [16, 12]
    assert helper.get_adc_zeros(HIDDEN) == [0, 1024]
    assert helper.get_initial_values(HIDDEN) == helper.get_checksums(HIDDEN) == [None, None]
    assert helper.get_image_files_from_header(HIDDEN) == ["a-0.png", "a-1.png"]
    with pytest.raises(RecordError, match="Labels"):
        helper.get_labels_from_header(HIDDEN)


def test_a_record_as_run_model_writes_it(tmp_path):
    record = str(tmp_path / "a")
    helper.save_header(record, HIDDEN.replace("16x1 200/uV 12 1024", "16 200/mV 16 0"))
    assert helper.load_signals(record) == (None, None)
    signal = np.array([[0.5, np.nan]] * 10)
    helper.save_signals(record, signal, ["# Image: a-0.png, a-1.png"])
    helper.save_labels(record, ["NORM", "AFIB/AFL"])
    values, fields = helper.load_signals(record)
    np.testing.assert_allclose(values, signal)
    assert (fields["sig_name"], fields["fs"]) == (["aVR", "i"], 100)
    assert helper.load_labels(record) == ["NORM", "AFIB/AFL"]
    Image.new("RGB", (3, 2)).save(tmp_path / "a-1.png")
    assert [image.size for image in helper.load_images(record)] == [(3, 2)]  # only those that are there
    assert helper.find_records(str(tmp_path)) == ["a"]
    assert helper.get_signal_files(record) == ["a.dat"]


def test_variables():
    text = "# Age: 54\n# Labels: NORM, CD\n# Labels: PAC\n"
    assert helper.get_variable(text, "# Age:") == ("54", True)
    assert helper.get_variable(text, "# Sex:") == ("", False)
    assert helper.get_variables(text, helper.substring_labels) == (["NORM", "CD", "PAC"], True)


def test_values():
    assert [helper.is_integer(x) for x in ("3", 3.5, "x", None, float("inf"))] == [True, False, False, False, False]
    assert [helper.is_nan(x) for x in ("nan", 1, "x")] == [True, False, False]
    assert [helper.cast_int_float_unknown(x) for x in (56.0, "170.5", float("nan"))] == [56, 170.5, "Unknown"]
    with pytest.raises(NotImplementedError):
        helper.cast_int_float_unknown("old")


def test_one_hot_encoding():
    encoded = helper.compute_one_hot_encoding([["NORM"], ["MI", "CD"], []], ["CD", "NORM"])
    assert encoded.tolist() == [[False, True], [True, False], [False, False]]
