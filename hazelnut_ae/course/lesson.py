"""What the notebooks share: their data, their preset, one trained run.

A notebook begins with `lesson = setup()`. Environment variables steer it: HAZELNUT_DATA (a folder in MVTec
layout; unset: hazelnuts are painted into the cache on first use), HAZELNUT_PRESET (quick), HAZELNUT_FIGURES (figures/
beside notebooks/) and HAZELNUT_RUN (where the run is kept; unset: the cache).
"""

import contextlib
import inspect
import os
import shutil
import sys
import tempfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from filelock import FileLock

from hazelnut_ae import backbones, dataset, detection, figures, patchcore, presets, synthetic
from hazelnut_ae.engine import bank_trainer, blur, run_data, runs, trainer
from hazelnut_ae.errors import DataError
from hazelnut_ae.io import cache
from hazelnut_ae.training import split_good

SEED = 0


@dataclass
class Lesson:
    """The data and the run that a notebook works with; each part is made when it is first asked for, and cached."""

    preset: presets.Preset
    data_folder: Path | None  # None: painted hazelnuts
    figures_folder: Path | None  # None: figures are shown but not saved
    run_folder: Path | None  # None: in the cache

    @cached_property
    def dataset(self):
        """The Dataset of HAZELNUT_DATA, or painted hazelnuts."""
        with _progress_shown():
            return dataset.load(self.data_folder or painted(self.preset))

    @property
    def data_words(self):
        """The data in a few words, with their licence, for captions."""
        if self.data_folder is None:
            return "Synthetic hazelnuts (painted, MIT)"
        return f"{self.dataset.name} ({self.dataset.license or 'licence not stated in the folder'})"

    @property
    def caption(self):
        """The data and the run in a few words, for the line under a figure."""
        return f"{self.data_words}; run: {self.run.caption}."

    @cached_property
    def run(self):
        """The trained `Run`: one that was shipped where it fits, else the preset's, trained on first use."""
        run = self.finished_run()
        if run is None:
            print(f"Training the {self.preset.name} preset once; the other notebooks will find it.", flush=True)
            run = self._train(self._run_folder())
        return run

    @cached_property
    def own_run(self):
        """The preset's `Run` on this very dataset, trained on first use, also where a shipped one fits."""
        if self.run.config["data"] == self.dataset.fingerprint:
            return self.run
        folder = cache.cache_folder() / "runs" / f"own-{self._key()}"
        run = self._finished(folder)
        if run is None:
            print(f"Training the {self.preset.name} preset on these very images, once.", flush=True)
            run = self._train(folder)
        return run

    def finished_run(self):
        """The run if there is one already, else None."""
        run = self._finished(self._run_folder())
        return run if run or self.preset.name == "tiny" else run_data.shipped_run(self.dataset)

    def _finished(self, folder):
        with contextlib.suppress(DataError):
            run = runs.load_run(folder)
            done = run.history and run.history[-1][1] >= run.config["epochs"]
            if done and run.config["data"] == self.dataset.fingerprint:
                return run
        return None

    def _train(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(folder.name + ".lock")), _progress_shown():
            # a run that was killed before its first checkpoint has left its settings alone; it begins anew
            return trainer.train_run(self.dataset, folder, self.preset, seed=SEED, resume=True)

    def _run_folder(self):
        return self.run_folder or cache.cache_folder() / "runs" / self._key()

    def _key(self):
        """The name of a run in the cache: by its data, and by its preset, whose numbers another version may change."""
        return f"{self.preset.name}-{self.dataset.fingerprint[:12]}-{zlib.crc32(repr(self.preset).encode()):08x}"

    @cached_property
    def reconstructions(self):
        """What the run's network makes of the test images, float32 [N, 3, 256, 256] in [0, 1]."""
        return detection.reconstruct(self.run.model, self.dataset.test.images)

    @cached_property
    def maps(self):
        """The anomaly maps of the test images, float32 [N, 256, 256] in [0, 1]."""
        return detection.residual(self.dataset.test.images, self.reconstructions)

    @property
    def held_out_images(self):
        """The good training images that the run kept out of its training, uint8 [M, 3, 256, 256]."""
        return run_data.held_out(self.dataset, self.run)

    @cached_property
    def held_out_maps(self):
        """The anomaly maps of the held-out images, float32 [M, 256, 256]."""
        images = self.held_out_images
        return detection.residual(images, detection.reconstruct(self.run.model, images))

    @cached_property
    def bank(self):
        """The `Run` of a memory bank of these very images (notebook 10), fitted on first use; tiny: a small one."""
        parts = (patchcore, backbones, blur)  # another version's bank is another one
        code = zlib.crc32("".join(map(inspect.getsource, parts)).encode())
        name = f"bank-{self.preset.name}-{self.dataset.fingerprint[:12]}-{code:08x}"
        folder = cache.cache_folder() / "runs" / name
        folder.mkdir(parents=True, exist_ok=True)
        small = {"side": 128, "candidates": 3000, "size": 300} if self.preset.name == "tiny" else {}
        with FileLock(folder.with_name(folder.name + ".lock")), _progress_shown():
            return bank_trainer.train_run(self.dataset, folder, self.preset, seed=SEED, resume=True, **small)

    @property
    def bank_held_out(self):
        """The good training images that the bank has not looked at, uint8 [M, 3, 256, 256]."""
        return run_data.held_out(self.dataset, self.bank)

    @property
    def bank_learnt_from(self):
        """Those that it has looked at, uint8 [N, 3, 256, 256]."""
        rows, _ = split_good(len(self.dataset.train), SEED)
        return self.dataset.train.images[rows]

    def show(self, figure, name):
        """Saves a figure under its name where figures go, and returns it, so that the notebook shows it."""
        if self.figures_folder is not None:
            figures.save(figure, self.figures_folder, name)
        return figure


def setup():
    """Reads the HAZELNUT_* variables, prints in one line what the notebook works with, and returns the Lesson.

    Raises: DataError for a variable that cannot be used.
    """
    from IPython import get_ipython

    if get_ipython() is not None:
        from hazelnut_ae.course import pictures

        get_ipython().run_line_magic("matplotlib", "inline")
        pictures.sharp(get_ipython())
    name = os.environ.get("HAZELNUT_PRESET") or "quick"
    if name not in presets.PRESETS:
        raise DataError(f"HAZELNUT_PRESET is {name!r}; set it to one of {', '.join(presets.PRESETS)}, or unset it.")
    data = _folder_variable("HAZELNUT_DATA")
    if data is not None and not data.is_dir():
        raise DataError(
            f"HAZELNUT_DATA names {data}, which is not a folder; set it to a folder in MVTec layout, or unset it for "
            "painted hazelnuts."
        )
    figures_folder = _folder_variable("HAZELNUT_FIGURES")
    if figures_folder is None and name != "tiny":  # a test run must not draw over the figures of a real one
        figures_folder = _root() / "figures"
    for variable, folder in (("HAZELNUT_FIGURES", figures_folder), ("HAZELNUT_RUN", _folder_variable("HAZELNUT_RUN"))):
        if folder is not None and folder.exists() and not folder.is_dir():
            raise DataError(f"{variable} names {folder}, which is a file; set it to a folder, or unset it.")
    lesson = Lesson(presets.PRESETS[name], data, figures_folder, _folder_variable("HAZELNUT_RUN"))
    train, test = lesson.dataset.train, lesson.dataset.test
    print(f"Data: {lesson.data_words}; {len(train)} good images to train on, {len(test)} to test on. Preset: {name}.")
    return lesson


def _root():
    """The folder that holds notebooks/, or the working folder."""
    here = Path.cwd()
    return next((folder.parent for folder in (here, *here.parents) if folder.name == "notebooks"), here)


def _folder_variable(name):
    """The folder an environment variable names, as seen from here or from the folder above notebooks/."""
    value = os.environ.get(name)
    if not value:
        return None
    try:
        path = Path(value).expanduser()
        return path if path.exists() or path.is_absolute() else _root() / path
    except (OSError, RuntimeError) as error:  # too long, a folder that is closed to us, a user who does not exist
        raise DataError(f"{name} names no folder ({error}); set it to a folder, or unset it.") from error


def painted(preset):
    """The folder of the preset's painted hazelnuts, in the cache; painted on first use.

    Another painter (another version of `synthetic`) paints anew.
    """
    source = b"".join(path.read_bytes() for path in sorted(Path(synthetic.__file__).parent.glob("*.py")))
    folder = cache.cache_folder() / "painted" / f"{preset.name}-{zlib.crc32(source):08x}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(folder.name + ".lock")):
        if not folder.is_dir():
            building = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".painting-"))
            try:
                synthetic.write_dataset(building, preset.counts, seed=SEED)
                os.rename(building, folder)
            finally:
                shutil.rmtree(building, ignore_errors=True)
    return folder


class _LikeTerminal:
    """A notebook's error stream that calls itself a terminal, so that progress bars show themselves."""

    def __init__(self, stream):
        self.stream = stream

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def isatty(self):
        return True


def _progress_shown():
    return contextlib.redirect_stderr(_LikeTerminal(sys.stderr))
