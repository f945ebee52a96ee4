from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors import safe_open

from ecgpage.diagnosis import LabelledRecord, train_classifier
from ecgpage.diagnosis.classifier import IMAGE, MEMBERS, SIGNAL
from ecgpage.diagnosis.dataset import RESOLUTION, PageDataset, find_page, jitter
from ecgpage.diagnosis.judge import OutOfFold, choose_judge, judge_unseen
from ecgpage.diagnosis.labels import targets_of
from ecgpage.diagnosis.metrics import binary_f_measure, calibration_error, macro_f_measure
from ecgpage.diagnosis.network import INPUT_SIZE
from ecgpage.diagnosis.reading import PageReading
from ecgpage.diagnosis.train import MultiLabelLoss, choose_classes, usual_page
from ecgpage.io import write_record
from ecgpage.leads import LEADS, layout_3x4
from ecgpage.synthesis import PROFILES, Arrangement, DrawnPage, choose_arrangement, draw_page
from ecgpage.training import DrawingSettings, StageSettings, TrainingSettings

SHORT = Arrangement(layout_3x4(seconds=2.0))


def beats(seconds: float, fs: float = 100.0) -> np.ndarray:
    """(samples, 12) mV with one narrow beat a second."""
    time = np.arange(round(seconds * fs)) / fs
    beat = np.exp(-0.5 * ((time % 1 - 0.5) / 0.02) ** 2)
    return np.repeat(beat[:, None], 12, axis=1).astype(np.float32)


class CountingDrawer:
    """Draws a page of beats and remembers of what."""

    def __init__(self) -> None:
        self.paths: list[Path] = []

    def __call__(self, path: Path, rng: np.random.Generator) -> DrawnPage:
        self.paths.append(path)
        return draw_page(beats(2.0), 100.0, SHORT, PROFILES["clean"].drawn_at(*RESOLUTION), rng)


TARGETS = np.array([targets_of(labels, ("NORM", "CD")) for labels in (("NORM",), ("CD",))])


def dataset(draw: CountingDrawer, cache: Path | None = None, **options: object) -> PageDataset:
    records = [LabelledRecord(Path("a"), ("NORM",)), LabelledRecord(Path("b"), ("CD",))]
    return PageDataset(records, TARGETS, draw, pages_per_record=2, cache=cache, **options)


def test_items_are_ink_and_targets() -> None:
    page, targets = dataset(CountingDrawer())[1]
    assert page.shape == (1, *INPUT_SIZE) and page.dtype == torch.float32
    assert page.min() == 0 and 0.9 < page.max() <= 1
    torch.testing.assert_close(targets, torch.tensor([0.0, 1.0, 1.0]))


def test_a_cached_page_is_drawn_once(tmp_path: Path) -> None:
    draw = CountingDrawer()
    pages = dataset(draw, tmp_path / "cache", augment=False)
    first, again = pages[0][0], pages[0][0]
    assert draw.paths == [Path("a")]
    assert (first - again).abs().mean() < 0.01  # what JPEG changes
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".jpg"]


def test_a_record_shows_each_of_its_pages(tmp_path: Path) -> None:
    torch.manual_seed(0)
    draw = CountingDrawer()
    pages = dataset(draw, tmp_path)
    for _ in range(12):
        pages[0]
    assert len(draw.paths) == 2 == len(list(tmp_path.iterdir()))
    assert not np.array_equal(pages.page(0, 0), pages.page(0, 1))


def test_without_a_cache_a_page_is_the_same_every_time() -> None:
    pages = dataset(CountingDrawer())
    np.testing.assert_array_equal(pages.page(1, 0), pages.page(1, 0))


def test_the_page_is_found_near_its_paper() -> None:
    profile = replace(PROFILES["photo"], camera=replace(PROFILES["photo"].camera, margin=(0.1, 0.1)))
    drawn = draw_page(beats(2.0), 100.0, SHORT, profile, np.random.default_rng(0))
    errors, whole = [], 0
    for seed in range(40):
        page_to_picture, (height, width) = find_page(drawn, np.random.default_rng(seed))
        if np.array_equal(page_to_picture, np.eye(3)):
            whole += 1
            assert (height, width) == drawn.image.shape[:2]
            continue
        corners = np.array([[[0, 0]], [[width, 0]], [[width, height]], [[0, height]]], np.float64)
        found = cv2.perspectiveTransform(corners, page_to_picture)[:, 0]
        errors.append(np.abs(found - drawn.outline).max() / width)
    assert 0 < whole < 20
    assert 0.002 < max(errors) < 0.06  # five standard deviations of 0.01, and rounding


@pytest.mark.parametrize("name", ["clean", "photo"])
def test_the_classifier_is_shown_usual_pages(name: str) -> None:
    profile = usual_page(PROFILES[name])
    rng = np.random.default_rng(0)
    arrangements = [choose_arrangement(profile.arrangement, rng) for _ in range(40)]
    assert {one.layout.name.split("+")[0] for one in arrangements} == {"3x4"}
    assert {(one.speed, one.gains) for one in arrangements} == {(25.0, (10.0, 10.0))}
    assert profile.resolution == RESOLUTION and profile.print.fixed == 0.9


def test_jitter_moves_a_mark_a_little() -> None:
    ink = np.zeros(INPUT_SIZE, np.uint8)
    ink[190:195, 254:259] = 255
    for seed in range(10):
        rows, columns = np.nonzero(jitter(ink, np.random.default_rng(seed)) > 60)
        assert abs(rows.mean() - 192) < 0.04 * INPUT_SIZE[0]
        assert abs(columns.mean() - 256) < 0.04 * INPUT_SIZE[1]


def test_rare_positives_weigh_more_and_unknown_targets_nothing() -> None:
    """A class with 4 negatives per positive weighs sqrt(4); at logit 0 every target costs log 2 times its weight."""
    targets = np.array([[1.0, np.nan], [0, 0], [0, 1], [0, 1], [0, 0]], np.float32)
    loss = MultiLabelLoss(targets)
    np.testing.assert_allclose(loss.positive_weight, [2.0, 1.0])
    batch = torch.zeros(2, 1), torch.from_numpy(targets[:2])
    value, _ = loss(torch.nn.Linear(1, 2, bias=False), batch)
    assert value.item() == pytest.approx(np.log(2) * (2 + 1 + 1) / 3)
    unknown, _ = loss(torch.nn.Linear(1, 2), (torch.zeros(1, 1), torch.full((1, 2), torch.nan)))
    assert unknown.item() == 0


def test_statements_together_weigh_as_much_as_the_classes() -> None:
    """One class and three statements at logit 0, one of them unknown: log 2 for the classes, log 2 for the others."""
    targets = np.array([[1.0, 1, 0, 1], [0, 0, 1, 0]], np.float32)
    loss = MultiLabelLoss(targets, 1)
    shown = torch.tensor([[1.0, 1, 0, torch.nan]])
    value, _ = loss(torch.nn.Linear(1, 4, bias=False), (torch.zeros(1, 1), shown))
    assert value.item() == pytest.approx(2 * np.log(2))


def write_records(folder: Path, labels: Sequence[tuple[str, ...]]) -> list[LabelledRecord]:
    for index, names in enumerate(labels):
        write_record(folder, f"r{index}", beats(2.5), 100.0, LEADS, names)
    return [LabelledRecord(folder / f"r{index}", names) for index, names in enumerate(labels)]


def smallest() -> TrainingSettings:
    stage = StageSettings(batch_size=2, steps=2, seconds=60.0, warmup_steps=0)
    return TrainingSettings(classifier=stage, drawing=DrawingSettings(("clean",), 1, 2))


def reading(record: LabelledRecord) -> PageReading:
    signal = np.full((250, 12), np.nan, np.float32)
    signal[:, :3] = beats(2.5)[:, :3]
    return PageReading(signal, 100.0, np.zeros(INPUT_SIZE, np.uint8), "clean", np.full(12, 20.0))


def test_training_ends_with_networks_of_every_fold(tmp_path: Path) -> None:
    records = write_records(tmp_path / "data", [("NORM",), ("CD", "PVC"), ("NORM",), ("CD", "PVC"), ()])
    folds, readings = np.array([0, 0, 1, 1, 1]), [*map(reading, records[:3]), None, None]
    lines: list[str] = []
    arguments = (records, folds, lambda _: readings, smallest(), tmp_path / "work", lines.append)
    classifier, unseen = train_classifier(*arguments)
    assert classifier.classes == ("NORM", "CD", "PVC") and len(classifier.thresholds) == 4
    assert {len(networks) for networks in classifier.networks.values()} == {2}
    assert unseen.names == ("r0", "r1", "r2")  # of r3 no page was read, r4 has no labels
    assert set(unseen.logits) == set(MEMBERS) and all(part.shape == (3, 4) for part in unseen.logits.values())
    assert any("on unseen records" in line for line in lines)
    states = {f"{member}-{fold}.safetensors" for member in MEMBERS for fold in (0, 1)}
    assert {path.name for path in (tmp_path / "work").iterdir()} == states  # drawn pages are gone
    _, again = train_classifier(*arguments)
    for member in MEMBERS:
        np.testing.assert_allclose(again.logits[member], unseen.logits[member], atol=1e-3)


def test_a_fold_is_not_judged_by_what_it_taught(tmp_path: Path) -> None:
    """Networks of a fold read it by that fold's readings, and are told nothing of its labels."""
    records = write_records(tmp_path, [("NORM",), ("CD",), ("NORM",), ("CD",)])
    changed = [LabelledRecord(records[k].path, records[1 - k].labels) for k in (0, 1)] + records[2:]
    asked: list[int] = []

    def read(fold: int) -> list[PageReading | None]:
        asked.append(fold)
        return [reading(record) for record in records]

    found = []
    for k, labels in enumerate((records, changed)):
        folds, work = np.array([0, 0, 1, 1]), tmp_path / f"work{k}"
        found.append(train_classifier(labels, folds, read, smallest(), work, lambda _: None, [SIGNAL])[1])
    assert asked == [0, 1, 0, 1]
    np.testing.assert_array_equal(found[0].logits[SIGNAL][:2], found[1].logits[SIGNAL][:2])
    assert not np.array_equal(found[0].logits[SIGNAL][2:], found[1].logits[SIGNAL][2:])


def test_statements_are_learnt_and_then_cut_off(tmp_path: Path) -> None:
    """Networks that ship give classes alone; what is stated of a fold's records teaches the other folds' networks."""
    records = write_records(tmp_path, [("NORM",), ("CD",), ("NORM",), ("CD",)])
    folds, found = np.array([0, 0, 1, 1]), []
    stated = np.array([[1, 0, 1], [0, 1, np.nan], [1, 0, 0], [0, 1, 1]], np.float32)
    for k, statements in enumerate((stated, np.concatenate([1 - stated[:2], stated[2:]]))):
        read, work = [reading(record) for record in records], tmp_path / f"work{k}"
        found.append(
            train_classifier(
                records, folds, lambda _, read=read: read, smallest(), work, lambda _: None, [SIGNAL], statements
            )
        )
        with safe_open(work / "signal-0.safetensors", "numpy") as file:
            assert file.get_slice("average.head.bias").get_shape() == [2 + 1 + 3]
    for classifier, unseen in found:
        assert {network.outputs for network in classifier.networks[SIGNAL]} == {3}
        assert unseen.logits[SIGNAL].shape == (4, 3)
    first, second = (unseen.logits[SIGNAL] for _, unseen in found)
    np.testing.assert_array_equal(first[:2], second[:2])
    assert not np.array_equal(first[2:], second[2:])


def test_records_without_labels_train_no_classifier(tmp_path: Path) -> None:
    lines: list[str] = []
    records = [LabelledRecord(Path("a"), ())]
    assert train_classifier(records, np.zeros(1, int), lambda _: [None], smallest(), tmp_path, lines.append) is None
    assert "no record has labels" in lines[0]


def test_classes_too_rare_to_learn_are_left_out_with_a_line() -> None:
    lines: list[str] = []
    labels = [("NORM",), ("NORM", "PAC"), ("CD",), ("CD",)]
    assert choose_classes(labels, 2, lines.append) == ("NORM", "CD")
    assert lines == ["class PAC is left out: 1 records, fewer than 2 folds"]
    assert choose_classes([("PAC",)], 2, lines.append) == ("PAC",)  # nothing would be left


def unseen_records(count: int = 400) -> OutOfFold:
    """A signal that tells, an image that does not."""
    rng = np.random.default_rng(0)
    abnormal = rng.random(count) < 0.4
    labels = np.where(abnormal, "CD", "NORM")
    targets = np.array([targets_of((label,), ("NORM", "CD")) for label in labels])
    told = np.where(targets > 0.5, 2.0, -2.0) + rng.normal(0, 1, targets.shape)
    logits = {SIGNAL: told, IMAGE: rng.normal(0, 1, targets.shape)}
    return OutOfFold(tuple(map(str, range(count))), ("NORM", "CD"), targets, logits, np.arange(count) % 4)


def test_the_members_that_judge_best_are_kept() -> None:
    lines: list[str] = []
    judge = choose_judge(unseen_records(), lines.append)
    assert SIGNAL in judge.members and len(lines) == 3
    decided, abnormal, probabilities = judge_unseen(unseen_records(), (SIGNAL,))
    targets = unseen_records().targets
    assert macro_f_measure(targets[:, :-1], decided) > 0.93 and binary_f_measure(targets[:, -1], abnormal) > 0.93
    assert calibration_error(targets[:, -1], probabilities[:, -1]) < 0.05
    decided, abnormal, _ = judge_unseen(unseen_records(), (IMAGE,))
    assert binary_f_measure(targets[:, -1], abnormal) < 0.65
