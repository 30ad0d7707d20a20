import numpy as np
import pytest

from benchmarks import __main__ as studies
from benchmarks import label_free


def test_a_rule_keeps_what_its_tau_reaches():
    masks = np.zeros((4, 64, 64), bool)
    masks[:2, 10:30, 10:30] = True
    rng = np.random.default_rng(0)
    good, noise = (rng.uniform(0, 1, masks.shape).astype(np.float32) for _ in range(2))
    found = label_free.kept(noise + 5 * masks, masks, good, good + 5 * masks, masks)
    assert found["f1_max"] == pytest.approx(1, abs=1e-3)
    assert found["99.9 % quantile"] > 0.99  # it lets 4 pixels of 4,096 through, on ground without a defect, too
    assert all(0 <= found[rule] <= 1.0001 for rule in label_free.RULES)
    assert (found["area"], found["pasted_area"]) == (masks.mean(), masks.mean())
    assert found["pasted_f1_max"] == pytest.approx(1, abs=1e-3)
    assert 0.9 < found["tau_best"] < 5.1
    worse = label_free.kept(noise + 0.2 * masks, masks, good, good + 5 * masks, masks)
    assert worse["pasted defects"] < 0.5  # pasted ones that stand out far more than the real ones mislead


def test_the_command_writes_a_row(tmp_path, capsys):
    from hazelnut_ae import dataset, synthetic
    from hazelnut_ae.engine import trainer
    from hazelnut_ae.presets import PRESETS

    preset = PRESETS["tiny"]
    synthetic.write_dataset(tmp_path / "nuts", preset.counts)
    trainer.train_run(dataset.load(tmp_path / "nuts"), tmp_path / "run", preset, device="cpu")
    out = tmp_path / "rules.csv"
    arguments = ["label-free", str(tmp_path / "nuts"), "--run", str(tmp_path / "run"), "--out", str(out)]
    assert studies.main(arguments) == 0
    assert "pasted defects" in out.read_text().splitlines()[0]
    assert studies.main([*arguments, "--system", "anything"]) == 1
    assert "there is no comparison system 'anything'" in capsys.readouterr().err
