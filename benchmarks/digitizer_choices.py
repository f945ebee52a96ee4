"""What each choice in the digitizer is worth: ``python -m benchmarks.digitizer_choices -d DATA -v DATA [CHOICE ...]``.

Trains the digitizer from random weights, once plain and once for each choice left out, added or replaced, always on
the same drawn crops in the same order for the same number of steps, and prints how well each reads the same crops of
other records: the SNR over a crop (dB, mean and median), the share of crops below 10 dB, and the share of sub-columns
whose presence is told wrongly. Heights are compared on the crop's own paper, so that nothing but the network counts.

What needs no training of its own is measured on the first network: the likeliest height instead of the expected one,
one height per crop column instead of three, and the mean of two readings half an output row apart.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ecgpage.digitization.crop import SUBCOLUMNS
from ecgpage.digitization.dataset import CropSampling, DrawnLeadBatches, Example, collate, take_batch
from ecgpage.digitization.features import HEIGHT_CHANNEL, ZERO_CHANNEL
from ecgpage.digitization.loss import DigitizerBatch, DigitizerLoss, DigitizerLossSettings
from ecgpage.digitization.network import STEM_STRIDE, DigitizerOutput, DigitizerSettings, LeadDigitizer
from ecgpage.io import find_records
from ecgpage.reporting import text_table
from ecgpage.synthesis.signals import AS_RECORDED, VARIED, SignalSettings
from ecgpage.training import StageSettings, train
from ecgpage.training.configuration import DrawingSettings
from ecgpage.training.loading import page_source

Terms = tuple[Tensor, dict[str, float]]
Batches = list[list[Example]]


class Reader(nn.Module):
    """A digitizer as a choice has it: ``read`` gives its output for crops, ``loss`` its loss of a batch."""

    def __init__(self, settings: DigitizerSettings, loss: DigitizerLossSettings) -> None:
        super().__init__()
        self.network = LeadDigitizer(settings)
        self.criterion = DigitizerLoss(loss)

    def read(self, crops: Tensor) -> DigitizerOutput:
        """(B, CHANNELS, H, W) -> heights and presence at every sub-column."""
        return self.network(crops)

    def loss(self, batch: DigitizerBatch) -> Terms:
        """The loss and its terms."""
        return self.criterion(self.read(batch.crops), batch)


class WithoutChannel(Reader):
    """One input channel of ``crop_features`` is always empty."""

    channel: int

    def read(self, crops: Tensor) -> DigitizerOutput:
        """See ``Reader``."""
        crops = crops.clone()
        crops[:, self.channel] = 0
        return self.network(crops)


class WithoutHeight(WithoutChannel):
    """No pixel is told how high it lies in the crop."""

    channel = HEIGHT_CHANNEL


class WithoutZeroLine(WithoutChannel):
    """The zero line is never shown."""

    channel = ZERO_CHANNEL


class HalfWidth(Reader):
    """Crops at half the columns per millimetre: time is not oversampled against the usual pictures.

    The ends that count more in the presence's loss are twice as long for it.
    """

    def read(self, crops: Tensor) -> DigitizerOutput:
        """See ``Reader``; heights between the coarser sub-columns are interpolated."""
        coarse = self._coarse(crops)
        wide = {"scale_factor": 2, "mode": "linear", "align_corners": False}
        height, presence, spread = (
            functional.interpolate(values[:, None], **wide)[:, 0]
            for values in (coarse.height, coarse.presence, coarse.spread)
        )
        return DigitizerOutput(height, presence, None, spread)

    def loss(self, batch: DigitizerBatch) -> Terms:
        """See ``Reader``; each coarse sub-column is held against the mean of the two it covers."""
        height = batch.height.unflatten(1, (-1, 2)).mean(dim=2)
        presence = batch.presence.unflatten(1, (-1, 2)).all(dim=2)
        return self.criterion(self._coarse(batch.crops), DigitizerBatch(batch.crops, height, presence))

    def _coarse(self, crops: Tensor) -> DigitizerOutput:
        return self.network(functional.avg_pool2d(crops, (1, 2)))


class Choice(NamedTuple):
    """A variant of the plain digitizer."""

    kind: type[Reader] = Reader
    network: DigitizerSettings = DigitizerSettings(refiner=False)
    loss: DigitizerLossSettings = DigitizerLossSettings()


PLAIN = "plain"

CHOICES = {
    PLAIN: Choice(),
    "mean over height (published)": Choice(network=DigitizerSettings(head="mean", refiner=False)),
    "no distribution target": Choice(loss=DigitizerLossSettings(cross_entropy=0.0)),
    "no SNR term": Choice(loss=DigitizerLossSettings(snr=0.0)),
    "no coordinate channel": Choice(WithoutHeight),
    "no zero line": Choice(WithoutZeroLine),
    "half the columns": Choice(HalfWidth),
    "auxiliary mask": Choice(network=DigitizerSettings(refiner=False, mask=True)),
    "refiner along time": Choice(network=DigitizerSettings(refiner=True)),
}


@dataclass(frozen=True)
class Score:
    """snr: (crops,) dB; wrong: (crops,) share of sub-columns whose presence is told wrongly."""

    snr: np.ndarray
    wrong: np.ndarray

    @property
    def row(self) -> tuple[float, float, float, float]:
        """Mean and median SNR, per cent of crops below 10 dB, per cent of presences that are wrong."""
        below = 100 * float((self.snr < 10).mean())
        return float(self.snr.mean()), float(np.median(self.snr)), below, 100 * float(self.wrong.mean())


Read = Callable[[Tensor], DigitizerOutput]


def evaluate(read: Read, batches: Batches) -> Score:
    """How well crops are read, each against its target."""
    snr, wrong = [], []
    for examples in batches:
        batch = collate(examples)
        with torch.inference_mode():
            output = read(batch.crops)
        for k, printed in enumerate(batch.presence.numpy()):
            wrong.append(float(((output.presence[k].numpy() > 0) != printed).mean()))
            if printed.any():
                snr.append(crop_snr(output.height[k].double().numpy()[printed], batch.height[k].numpy()[printed]))
    return Score(np.array(snr), np.array(wrong))


def crop_snr(read: np.ndarray, true: np.ndarray) -> float:
    """Power of the true heights about their mean over that of the error, dB; flat crops count as of one crop row."""
    return float(10 * np.log10(max(true.var(), 1.0) / max(np.mean((read - true) ** 2), 1e-6)))


def likeliest(network: LeadDigitizer) -> Read:
    """The likeliest height instead of the expected one."""

    def read(crops: Tensor) -> DigitizerOutput:
        output = network(crops)
        if output.log_probability is None:
            raise ValueError("expected the distribution head")
        return output._replace(height=STEM_STRIDE * output.log_probability.argmax(dim=1).float())

    return read


def one_per_column(network: LeadDigitizer) -> Read:
    """The heights at the columns' centres, and straight lines between them."""

    def read(crops: Tensor) -> DigitizerOutput:
        output = network(crops)
        places = np.arange(output.height.shape[1])
        centres = places[SUBCOLUMNS // 2 :: SUBCOLUMNS]
        height = [np.interp(places, centres, values[centres]) for values in output.height.numpy()]
        return output._replace(height=torch.from_numpy(np.stack(height)))

    return read


def shifted(network: LeadDigitizer) -> Read:
    """The mean of what is read as the crop stands and one crop row lower."""

    def read(crops: Tensor) -> DigitizerOutput:
        lower = network(torch.cat([crops[:, :, :1], crops[:, :, :-1]], dim=2))
        output = network(crops)
        return output._replace(height=(output.height + lower.height - 1) / 2)

    return read


UNTRAINED = {"likeliest height": likeliest, "one height per column": one_per_column, "mean of two shifts": shifted}


def draw_batches(data: Path, count: int, size: int, signals: SignalSettings, seed: int) -> Batches:
    """Batches of crops of drawn pages of all profiles, each of one size, the same for the same arguments."""
    draw = page_source(DrawingSettings(pages_per_record=0), signals)
    records = [data / name for name in find_records(data)]
    pages = DrawnLeadBatches(records, draw, size, 0, seed, CropSampling())
    rng = np.random.default_rng(seed)
    batches: Batches = []
    buffer: list[Example] = []
    while len(batches) < count:
        drawn = len(buffer) + len(batches)
        for examples in pages.examples(rng):
            buffer += examples
            while len(buffer) >= pages.sampling.buffer + size and len(batches) < count:
                batches.append(take_batch(buffer, size, rng))
            if len(batches) == count:
                break
        if len(buffer) + len(batches) == drawn:
            raise ValueError(f"expected records to draw crops of in {data}, found none")
    return batches


class Collated:
    """Batches made of their crops when their turn comes: as features they would not fit in memory."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[DigitizerBatch]:
        return (collate(examples) for examples in self.batches)


def train_choice(choice: Choice, batches: Batches, settings: StageSettings) -> Reader:
    """A reader trained on the batches, each shown once."""
    torch.manual_seed(settings.seed)
    model = choice.kind(choice.network, choice.loss)
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        return train(model, Collated(batches), lambda model, batch: model.loss(batch), settings, state, print)


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("choices", nargs="*", metavar="CHOICE", default=[], help=", ".join(CHOICES))
    parser.add_argument("-d", "--data", type=Path, required=True, help="records to train on")
    parser.add_argument("-v", "--validation", type=Path, required=True, help="records to be judged by")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--batch", type=int, default=4, help="crops of a step")
    parser.add_argument("--judged", type=int, default=100, help="batches to be judged by")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the choices asked for and print the table."""
    options = build_parser().parse_args(arguments)
    unknown = sorted(set(options.choices) - set(CHOICES))
    if unknown:
        raise SystemExit(f"expected choices among {', '.join(CHOICES)}, got {', '.join(unknown)}")
    settings = StageSettings(
        batch_size=options.batch,
        steps=options.steps,
        seconds=1e9,
        learning_rate=2e-3,
        weight_decay=0.01,
        warmup_steps=40,
        ema_decay=0.99,
        clip_norm=5.0,
        precision="mixed",
        checkpoint_seconds=1e9,
    )
    judged = draw_batches(options.validation, options.judged, options.batch, AS_RECORDED, seed=1)
    batches = draw_batches(options.data, options.steps, options.batch, VARIED, seed=0)
    rows = []
    for name in options.choices or CHOICES:
        reader = train_choice(CHOICES[name], batches, settings)
        rows.append((name, *evaluate(reader.read, judged).row))
        print(rows[-1], flush=True)
        if name == PLAIN:
            rows += [(name, *evaluate(kind(reader.network), judged).row) for name, kind in UNTRAINED.items()]
    print(text_table(("choice", "SNR mean", "SNR median", "below 10 dB %", "presence wrong %"), rows, digits=2))


if __name__ == "__main__":
    main()
