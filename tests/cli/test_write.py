"""The files of a command."""

import pytest

from geomrob.cli.write import check_picture, margin_figure, slug, write_curves, write_picture
from geomrob.errors import UsageError
from geomrob.results import MarginCurve, equal, load
from tests.synthetic import margin_curve


def test_one_curve_is_margin_json(tmp_path):
    curve = margin_curve()
    files = write_curves([curve], tmp_path)
    assert [file.name for file in files] == ["margin.json", "margin.npz", "margin.csv"]
    assert all(file.exists() for file in files)
    assert equal(load(files[0], MarginCurve), curve)


def test_several_curves_are_named_by_their_models(tmp_path):
    files = write_curves([margin_curve(), margin_curve(model="pkg.mod:net")], tmp_path)
    assert [file.name for file in files if file.suffix == ".json"] == [
        "margin-fmnist-lenet.json",
        "margin-pkg.mod-net.json",
    ]


@pytest.mark.parametrize(("name", "safe"), [("a:b", "a-b"), ("../x", "x"), ("::", "model"), ("a b/c", "a-b-c")])
def test_slug_is_a_file_name(name, safe):
    assert slug(name) == safe


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_pictures_have_the_format_of_their_ending(tmp_path, ending, start):
    path = check_picture(tmp_path / "new" / f"margin.{ending}")
    write_picture(margin_figure([margin_curve(bands=3)]), path)
    assert path.read_bytes().startswith(start)


def test_a_grid_is_a_map_for_each_model():
    curve = margin_curve(bands=9, kind="grid")
    assert [len(ax.images) for ax in margin_figure([curve, curve]).axes[:2]] == [1, 1]


def test_misuse_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match=r"figure must end in .png, .pdf, .svg; got"):
        check_picture(tmp_path / "margin.jpeg")
    with pytest.raises(UsageError, match=r"gallery must end in"):
        check_picture(tmp_path / "gallery.jpeg", option="gallery")
