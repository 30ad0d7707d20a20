"""What all notebooks share: the data, the preset and one trained run.

A notebook begins with `lesson = setup()`. Environment variables control it: HAZELNUT_DATA (a data folder in MVTec
layout; unset: synthetic hazelnuts, painted into the cache on first use), HAZELNUT_PRESET (unset: quick),
HAZELNUT_FIGURES (unset: figures/ beside notebooks/) and HAZELNUT_RUN (the run folder; unset: in the cache).
"""

import contextlib
import io
import os
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from unittest.mock import patch

import numpy as np
from filelock import FileLock
from matplotlib.figure import Figure
from PIL import Image

from hazelnut_ae import dataset, detection, figures, metrics, presets, synthetic
from hazelnut_ae.course import prose
from hazelnut_ae.engine import calibration, run_data, runs
from hazelnut_ae.errors import DataError
from hazelnut_ae.io import cache

SEED = 0
PAINTER = 1  # increase it when `synthetic` paints other pixels
TRAINER = 1  # increase it when the same data and preset give another run
NEEDS = (
    "Lessons 1, 2 and 5 to 10 need defective test images with masks (test/cut/1.png, ground_truth/cut/1.png), 5 to 10 "
    "also four images in train/good, 5, 9 and 10 one in test/good; add them, or unset HAZELNUT_DATA for painted ones."
)
SMALL_BANK = {"side": 128, "coarse_side": 64, "candidates": 3000, "size": 300}  # of the tiny preset


class WithoutTest(dataset.Dataset):
    """A Dataset without the test images that most lessons need, which it says to those that ask for them."""

    def __getattribute__(self, name):
        if name == "test":
            raise DataError(NEEDS)
        return super().__getattribute__(name)


@dataclass
class Lesson:
    """The data and the run of a notebook. Each part is computed on first use and stored in the cache."""

    preset: presets.Preset
    data_folder: Path | None  # None: synthetic hazelnuts
    figures_folder: Path | None  # None: figures are shown but not saved
    run_folder: Path | None  # None: in the cache

    @cached_property
    def dataset(self):
        """The Dataset of HAZELNUT_DATA, or synthetic hazelnuts; defective images without a mask are left out."""
        with _progress_shown():
            data = dataset.load(self.data_folder or painted(self.preset))
        known = metrics.pixels_known(data.test)  # bool [N]
        if not known.all():
            print(f"{np.count_nonzero(~known)} defective images without a mask are left out.")
            data = replace(data, test=data.test.subset(np.flatnonzero(known)))
        return data if data.test.defect_names else WithoutTest(**vars(data))

    @property
    def data_words(self):
        """The name and the licence of the data, for captions."""
        if self.data_folder is None:
            return "Synthetic hazelnuts (painted, MIT)"
        return f"{self.dataset.name} ({self.dataset.license or 'licence not stated in the folder'})"

    @property
    def caption(self):
        """The data and the run, for the line under a figure."""
        return f"{self.data_words}; run: {self.run.caption}."

    @cached_property
    def run(self):
        """The trained `Run`: the shipped one if it suits the data, else the preset's, trained on first use."""
        return self.finished_run() or self._train(self.run_folder or self.cache_folder("runs"))

    @cached_property
    def own_run(self):
        """The preset's `Run` trained on exactly these images, even if a shipped one suits them."""
        if "good" not in self.dataset.test.defects:
            raise DataError(NEEDS)
        if self.run.config["data"] == self.dataset.fingerprint:
            return self.run
        folder = self.cache_folder("runs", own=True)
        return self._finished(folder) or self._train(folder)

    @cached_property
    def bank(self):
        """The `Run` of a memory bank of these images (notebook 10), fitted on first use; tiny: a small bank."""
        return self.fit_bank(self.dataset, self.cache_folder("runs", detector="memory bank, no halos"))

    @property
    def shipped_run(self):
        """The `Run` in the package that suits the data, or None."""
        return run_data.shipped_run(self.dataset)

    def finished_run(self):
        """Returns the run if it is already trained, else None."""
        run = self._finished(self.run_folder or self.cache_folder("runs"))
        return run if run or self.preset.name == "tiny" else self.shipped_run

    def _finished(self, folder):
        with contextlib.suppress(DataError):
            run = runs.load_run(folder)
            done = run.history and run.history[-1][1] >= run.config["epochs"]
            if done and run.config["data"] == self.dataset.fingerprint:
                return run
        return None

    def _train(self, folder):
        name = self.data_folder.resolve().name if self.data_folder else "synthetic_hazelnuts"
        started = _folder_variable("", Path("runs") / f"{name}-{self.preset.name}")  # by `hazelnut-ae start`
        run, settings = self._finished(started), ("copies", "batch_size", "learning_rate")
        if run and all(run.config[key] == getattr(self.preset, key) for key in settings):
            return run
        from hazelnut_ae.engine import trainer  # seconds, which a notebook that only shows a run need not wait

        print(f"Training the {self.preset.name} preset once; the other notebooks will find it.", flush=True)
        with _locked(folder):  # resume: continues a run that was killed
            return trainer.train_run(self.dataset, folder, self.preset, seed=SEED, resume=True)

    def fit_bank(self, data, folder):
        """Fits a memory bank to the good images of a Dataset and writes its run folder; returns the `Run`."""
        from hazelnut_ae.engine import bank_trainer

        small = SMALL_BANK if self.preset.name == "tiny" else {}
        with _locked(folder):
            return bank_trainer.train_run(data, folder, self.preset, seed=SEED, resume=True, **small)

    def cache_folder(self, category, **inputs):
        """Returns the folder in the cache for results on these data with this preset and these inputs."""
        preset = asdict(self.preset)  # with all its settings, because another version may change them
        return cache.entry(category, TRAINER, data=self.dataset.fingerprint, preset=preset, **inputs)

    def learned_from(self, run):
        """Returns the good images that a run learned from, before augmentation, uint8 [N, 3, 256, 256]."""
        return self.dataset.train.images[run_data.good_rows(self.dataset, run)[0]]

    def held_out(self, run):
        """Returns the good training images that a run never saw, uint8 [M, 3, 256, 256]."""
        return self.dataset.train.images[run_data.good_rows(self.dataset, run)[1]]

    held_out_images = property(lambda self: self.held_out(self.run), doc="`held_out` of the lesson's own run.")

    @cached_property
    def calibration(self):
        """The thresholds that the run stores, from all images that it held out; some may not be in these data."""
        return calibration.read(self.run.folder, self.run.detector)

    @cached_property
    def reconstructions(self):
        """The run's reconstructions of the test images, float32 [N, 3, 256, 256] in [0, 1]."""
        return detection.reconstruct(self.run.model, self.dataset.test.images)

    @cached_property
    def maps(self):
        """The anomaly maps of the test images, float32 [N, 256, 256] in [0, 1]."""
        return detection.residual(self.dataset.test.images, self.reconstructions)

    @cached_property
    def held_out_maps(self):
        """The anomaly maps of the held-out images, float32 [M, 256, 256]."""
        return detection.residual(self.held_out_images, detection.reconstruct(self.run.model, self.held_out_images))

    def show(self, figure, name):
        """Saves a figure under its name in the figures folder, and returns it, so that the notebook shows it."""
        if self.figures_folder is not None:
            figures.save(figure, self.figures_folder, name)
        return figure


def setup():
    """Reads the HAZELNUT_* variables, prints data and preset, returns the Lesson. Raises DataError if one is wrong."""
    from IPython import get_ipython

    if get_ipython() is not None:
        get_ipython().run_line_magic("matplotlib", "inline")
        show_sharp_figures(get_ipython())
        if prose.soften_claims not in get_ipython().input_transformers_cleanup:
            get_ipython().input_transformers_cleanup.append(prose.soften_claims)
        one_sentence = lambda shell, kind, error, trace, **_: print(error, file=sys.stderr)  # noqa: E731
        get_ipython().set_custom_exc((DataError,), one_sentence)  # instead of a traceback
    name = os.environ.get("HAZELNUT_PRESET") or "quick"
    if name not in presets.PRESETS:
        raise DataError(f"HAZELNUT_PRESET is {name!r}; set it to one of {', '.join(presets.PRESETS)}, or unset it.")
    if (data := _folder_variable("HAZELNUT_DATA")) is not None and not data.is_dir():
        raise DataError(f"HAZELNUT_DATA names {data}, which is no folder; set it to one in MVTec layout, or unset it.")
    drawn = _folder_variable("HAZELNUT_FIGURES", None if name == "tiny" else "figures")  # a test run overwrites none
    lesson = Lesson(presets.PRESETS[name], data, drawn, _folder_variable("HAZELNUT_RUN"))
    train, test = (vars(lesson.dataset)[split] for split in ("train", "test"))
    print(f"Data: {lesson.data_words}; {len(train)} good images to train on, {len(test)} to test on. Preset: {name}.")
    if name == "tiny":
        print("This preset is for tests: reconstructions are grey, and the numbers in the text do not hold for it.")
    if not {"good"} < set(test.defects) or len(train) < 4:
        print(NEEDS)
    return lesson


def show_sharp_figures(shell):
    """Makes an IPython shell show figures in double resolution, as small files."""
    for suffix in ("png", "jpeg"):
        formatter = shell.display_formatter.formatters[f"image/{suffix}"]
        formatter.for_type(Figure, lambda figure, suffix=suffix: encoded(figure, suffix))


def encoded(figure, suffix):
    """Returns (bytes, the size to show): pictures as "jpeg", lines as "png" of 256 colours; None for the other one."""
    from IPython.core.pylabtools import print_figure

    has_pictures = any(ax.images for ax in figure.axes)
    data = print_figure(figure, "png", dpi=2 * figure.dpi) if suffix == ("jpeg" if has_pictures else "png") else None
    if data is None:  # the other format, or an empty figure
        return None
    picture, file = Image.open(io.BytesIO(data)).convert("RGB"), io.BytesIO()
    if has_pictures:  # a quarter of the bytes of PNG; at this quality doubled pixels show no blocks
        picture.save(file, "jpeg", quality=75, subsampling="4:2:0", optimize=True, progressive=True)
    else:
        picture.quantize(256, dither=Image.Dither.NONE).save(file, "png", optimize=True)
    return file.getvalue(), {"width": picture.width // 2, "height": picture.height // 2}


def _folder_variable(name, default=None):
    """The folder that a variable names, relative to the working folder or to the folder that holds notebooks/."""
    value, here = os.environ.get(name) or default, Path.cwd()
    if not value:
        return None
    root = next((folder.parent for folder in (here, *here.parents) if folder.name == "notebooks"), here)
    try:
        path = Path(value).expanduser()
        path = path if path.exists() or path.is_absolute() else root / path
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(f"{path} is a file")
        return path
    except (OSError, RuntimeError) as error:  # too long, a folder without access, an unknown user
        raise DataError(f"{name} names no folder ({error}); set it to a folder, or unset it.") from error


def painted(preset):
    """Returns the folder of the preset's synthetic hazelnuts in the cache, and paints them on first use."""
    folder = cache.entry("painted", PAINTER, counts=preset.counts, seed=SEED)
    with _locked(folder):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".painting-") as place:
                os.rename(synthetic.write_dataset(Path(place, "set"), preset.counts, seed=SEED), folder)
    return folder


@contextlib.contextmanager
def _locked(folder):
    """Locks a folder, so that only one process creates it, and shows progress bars. Raises DataError if it cannot."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"), _progress_shown():
            yield
    except OSError as error:  # a full or read-only disk
        what = f"{error.filename or folder} cannot be written ({error.strerror or error})"
        remedy = "set HAZELNUT_CACHE to a folder with space, or HAZELNUT_RUN if that is what you named"
        raise DataError(f"{what}; {remedy}.") from error


def _progress_shown():
    """Lets a notebook's error stream claim to be a terminal, so that progress bars are shown."""
    return patch.object(sys.stderr, "isatty", lambda: True)
