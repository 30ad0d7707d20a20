"""Each notebook of the course can be graded: its solutions pass, and what was handed out is missing."""

import pytest

from hazelnut_ae.course.execute import notebooks_folder
from hazelnut_ae.course.grading import grade, lessons, submissions

pytestmark = pytest.mark.slow

LESSONS = [lesson for lesson in lessons.load_lessons(notebooks_folder()) if lesson.exercises]


@pytest.fixture(scope="module")
def bench(painted_folder, tiny_run):
    """A bench with the tiny run of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hazelnut_ae.course.lesson.painted", lambda preset: painted_folder)
        patch.setattr("hazelnut_ae.course.lesson.Lesson.run", tiny_run)
        environment = grade.prepared_environment(grade.find_preset("tiny"))
    bench = grade.Bench("tiny", (120, 600, 4 << 30))
    bench.environment = environment
    yield bench
    bench.close()


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_solutions_pass_and_stubs_are_missing(lesson, bench):
    for folder, wanted in ((notebooks_folder() / "solutions", "passed"), (notebooks_folder(), "missing")):
        one = submissions.read("one", folder / f"{lesson.name}.ipynb", LESSONS)
        assert one.lesson is lesson
        rows = [(row.exercise, row.result, row.message) for row in bench.rows(one)]
        assert [row[:2] for row in rows] == [(exercise.number, wanted) for exercise in lesson.exercises], rows
