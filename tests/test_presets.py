"""The presets: the article's numbers, and as much work as they promise for any number of images."""

import pytest

from hazelnut_ae.errors import DataError
from hazelnut_ae.presets import PRESETS, find_preset, steps_per_epoch


def test_the_preset_article_is_the_articles():
    article = find_preset("article")
    assert article.counts == {"train/good": 391, "test/good": 40, "crack": 18, "cut": 17, "hole": 18, "print": 17}
    assert (article.copies, article.batch_size, article.epochs, article.latent_dim) == (5, 32, 1000, 500)
    with pytest.raises(DataError, match="tiny, quick, article"):
        find_preset("huge")


def test_copies_fill_up_to_about_2000_images_and_work_in_steps_does_not_depend_on_their_number():
    quick, article = PRESETS["quick"], PRESETS["article"]
    assert [quick.copies_for(n) for n in (33, 192, 352, 5000)] == [20, 10, 5, 5]
    assert [article.copies_for(n) for n in (33, 391)] == [5, 5]
    for images in (600, 4000):
        steps = quick.epochs_for(images) * steps_per_epoch(images, quick.batch_size)
        assert abs(steps - quick.steps) <= steps_per_epoch(images, quick.batch_size)
