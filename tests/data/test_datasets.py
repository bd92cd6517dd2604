"""Python objects as data sets: each kind gives the images and labels that it was made of."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from geomrob.data import load_data
from geomrob.errors import UsageError

N = 7
BYTES = np.random.default_rng(0).integers(0, 256, (N, 3, 6, 5), dtype=np.uint8)
LABELS = np.array([2, 0, 1, 1, 0, 2, 1])
FLOATS = torch.from_numpy(BYTES).float() / 255
PICTURES = [Image.fromarray(image.transpose(1, 2, 0)) for image in BYTES]


class Tuples(Dataset):
    """Entries (image, label) with the names of the classes, counting what is read."""

    classes = ("cat", "dog", "owl")

    def __init__(self, images=FLOATS):
        self.images, self.read = images, []

    def __len__(self):
        return len(self.images)

    def __getitem__(self, position):
        self.read.append(position)
        return self.images[position], int(LABELS[position])


def lists(entries):
    return tuple(zip(*entries, strict=True))


class Stream(IterableDataset):
    def __iter__(self):
        return zip(FLOATS, LABELS.tolist(), strict=True)


class Endless(IterableDataset):
    def __iter__(self):
        while True:
            yield FLOATS[0], 1


class Image_:  # noqa: N801 - named as in `datasets`, below
    pass


class ClassLabel:
    names = ("cat", "dog", "owl")


Image_.__name__ = "Image"


class HuggingFace:
    """What geomrob sees of `datasets.Dataset`."""

    features = {"thumbnail": Image_(), "img": Image_(), "age": object(), "fine": ClassLabel()}  # noqa: RUF012
    column_names = tuple(features)

    def __len__(self):
        return N

    def __iter__(self):
        return (self[position] for position in range(N))

    def __getitem__(self, position):
        return {"thumbnail": PICTURES[0], "img": PICTURES[position], "age": 3, "fine": int(LABELS[position])}


ACCEPTED = {
    "numpy pair": lambda: (BYTES, LABELS),
    "numpy pair, channels last": lambda: (BYTES.transpose(0, 2, 3, 1), LABELS),
    "tensor pair": lambda: (FLOATS, torch.from_numpy(LABELS)),
    "tensor and list": lambda: [FLOATS, LABELS.tolist()],
    "bytes in a tensor": lambda: (torch.from_numpy(BYTES), LABELS),
    "dict": lambda: {"images": FLOATS.double(), "labels": LABELS},
    "list of pictures": lambda: (PICTURES, LABELS),
    "list of tuples": lambda: list(zip(PICTURES, LABELS.tolist(), strict=True)),
    "list of dicts": lambda: [{"image": i, "label": t} for i, t in zip(PICTURES, LABELS.tolist(), strict=True)],
    "two tuples of pictures": lambda: (tuple(PICTURES), tuple(LABELS.tolist())),
    "Dataset": Tuples,
    "Dataset of pictures": lambda: Tuples(PICTURES),
    "Dataset of numpy images": lambda: Tuples(list(BYTES.transpose(0, 2, 3, 1))),
    "TensorDataset": lambda: TensorDataset(FLOATS, torch.from_numpy(LABELS)),
    "Subset": lambda: Subset(Tuples(), range(N)),
    "ConcatDataset": lambda: ConcatDataset([Subset(Tuples(), range(3)), Subset(Tuples(), range(3, N))]),
    "DataLoader": lambda: DataLoader(Tuples(), batch_size=3),
    "DataLoader, single entries": lambda: DataLoader(Tuples(), batch_size=None),
    "DataLoader of lists": lambda: DataLoader(
        Tuples(PICTURES), batch_size=3, collate_fn=lambda b: tuple(zip(*b, strict=True))
    ),
    "DataLoader of dicts": lambda: DataLoader(
        [{"img": i, "target": t} for i, t in zip(FLOATS, LABELS.tolist(), strict=True)], batch_size=3
    ),
    "(label, image)": lambda: list(zip(LABELS.tolist(), PICTURES, strict=True)),
    "IterableDataset": Stream,
    "DataLoader of an IterableDataset": lambda: DataLoader(Stream(), batch_size=2),
    "generator": lambda: ((image, label) for image, label in zip(PICTURES, LABELS.tolist(), strict=True)),
    "Hugging Face": HuggingFace,
    "Hugging Face splits": lambda: {"train": Tuples(PICTURES[:1]), "test": HuggingFace()},
    "one-hot": lambda: (BYTES, np.eye(3)[LABELS]),
    "names": lambda: (BYTES, [("cat", "dog", "owl")[label] for label in LABELS]),
}


@pytest.mark.parametrize("kind", ACCEPTED)
def test_every_kind_gives_its_images_and_labels(kind):
    samples = load_data(ACCEPTED[kind]())
    torch.testing.assert_close(samples.images, FLOATS, rtol=0, atol=1e-7)
    assert samples.images.dtype == torch.float32
    assert samples.labels.tolist() == LABELS.tolist()
    assert samples.indices.tolist() == list(range(N))
    assert len(samples.classes) == 3


LENGTHLESS = ("IterableDataset", "DataLoader of an IterableDataset", "generator")


@pytest.mark.parametrize("kind", [kind for kind in ACCEPTED if kind not in LENGTHLESS])
def test_the_draw_is_that_of_every_source_of_the_same_length(kind):
    samples = load_data(ACCEPTED[kind](), samples=4, seed=3)
    chosen = torch.randperm(N, generator=torch.Generator().manual_seed(3))[:4]
    assert torch.equal(samples.indices, chosen)
    torch.testing.assert_close(samples.images, FLOATS[chosen], rtol=0, atol=1e-7)
    assert samples.labels.tolist() == LABELS[chosen].tolist()


@pytest.mark.parametrize("kind", LENGTHLESS)
def test_of_a_stream_without_a_length_the_first_are_taken_and_noted(kind):
    samples = load_data(ACCEPTED[kind](), samples=4)
    torch.testing.assert_close(samples.images, FLOATS[:4], rtol=0, atol=1e-7)
    assert any("has no length: its first 4 images are taken" in text for text in samples.notes)
    assert len(load_data(Endless(), samples=3)) == 3


def test_only_the_drawn_entries_of_a_data_set_are_read():
    source = Tuples()
    load_data(source, samples=2, seed=1)
    assert len(source.read) == 2


def test_names_of_classes_come_from_the_data_set_and_its_parts():
    for source in (Tuples(), Subset(Tuples(), [0, 1]), DataLoader(Tuples()), HuggingFace()):
        assert load_data(source).classes == ("cat", "dog", "owl")


def test_a_loader_keeps_its_order_and_says_what_it_drops_and_shuffles():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    loader = DataLoader(Tuples(), batch_size=3, shuffle=True, drop_last=True)
    samples = load_data(loader)
    assert torch.equal(torch.get_rng_state(), before)
    assert any("shuffles" in text for text in samples.notes)
    assert any("drops its last 1 images" in text for text in samples.notes)
    assert len(samples) == 6
    torch.manual_seed(5)
    order = torch.cat([images for images, _ in loader])
    torch.testing.assert_close(samples.images, order)
    assert load_data(loader, samples=6).indices.sort().values.tolist() == list(range(6))


def test_names_are_numbered_by_all_labels_whatever_is_drawn():
    names = ["owl", "cat", "dog", "dog", "cat", "owl", "dog"]
    pairs = list(zip(PICTURES, names, strict=True))
    whole = load_data(pairs)
    assert whole.classes == ("cat", "dog", "owl")
    assert any("alphabetical order, 0 is cat, 1 is dog, 2 is owl" in text for text in whole.notes)
    drawn = load_data(pairs, samples=2, seed=1)
    assert drawn.classes == whole.classes
    assert torch.equal(drawn.labels, whole.labels[drawn.indices])


def test_what_was_chosen_of_several_columns_is_noted():
    assert any("read img, not thumbnail" in text for text in load_data(HuggingFace()).notes)
    triples = [(image, label, "path") for image, label in zip(PICTURES, LABELS.tolist(), strict=True)]
    assert any("the first two are image and label" in text for text in load_data(triples).notes)
    assert any("no split is called test: read validation" in t for t in load_data({"validation": Tuples()}).notes)


def test_samples_are_taken_as_they_are_and_drawn_from():
    whole = load_data(Tuples())
    assert load_data(whole) is whole
    assert (
        load_data(whole, samples=2, seed=1).indices.tolist() == load_data(Tuples(), samples=2, seed=1).indices.tolist()
    )


def test_pictures_of_other_modes_are_converted_and_counted():
    grey = Image.fromarray(BYTES[0, 0])
    clear = Image.fromarray(np.concatenate([BYTES[1].transpose(1, 2, 0), np.full((6, 5, 1), 9, np.uint8)], -1))
    turned = Image.fromarray(BYTES[2].transpose(1, 2, 0)).rotate(90, expand=True)
    tag = Image.Exif()
    tag[0x0112] = 6
    turned.info["exif"] = tag.tobytes()
    samples = load_data(([grey, clear, PICTURES[3], turned], [0, 1, 2, 0]))
    torch.testing.assert_close(samples.images[0], FLOATS[0, :1].expand(3, -1, -1))
    torch.testing.assert_close(samples.images[1:3], FLOATS[[1, 3]])
    torch.testing.assert_close(samples.images[3], FLOATS[2])
    said = " ".join(samples.notes)
    for text in ("1 of 4 images of images are grey", "alpha channel is dropped", "turned by their EXIF orientation"):
        assert text in said
    deep = Image.fromarray(np.array([[0, 65535], [32768, 1]], np.uint16))
    torch.testing.assert_close(
        load_data(([deep], [0])).images[0, 0], torch.tensor([[0, 65535], [32768, 1]]) / 65535, rtol=0, atol=1e-7
    )


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (lambda: BYTES, "images must come with labels; got ndarray alone"),
        (lambda: FLOATS, "got Tensor alone"),
        (lambda: (FLOATS, None), "must come with labels; got none"),
        (lambda: (FLOATS, FLOATS), "two arrays of images"),
        (lambda: PICTURES, "must hold \\(image, label\\); got Image"),
        (lambda: (PICTURES, LABELS[:3]), "one label an image; got 3 for 7"),
        (lambda: TensorDataset(FLOATS), "must hold \\(image, label\\); got tuple of 1"),
        (lambda: [(PICTURES[0], None)], "must be class numbers or names; got NoneType"),
        (lambda: [{"image": PICTURES[0]}], "must hold an image and a label"),
        (lambda: [{"path": "x.png", "label": 0}], "must hold an image and a label .*; got path, label"),
        (lambda: ([PICTURES[0], Image.new("RGB", (9, 9))], [0, 1]), "one size; got .*3, 6, 5.* first and .*3, 9, 9"),
        (
            lambda: [(PICTURES[0], 0), (FLOATS[0], 1)],
            "must all be arrays, tensors or Pillow images; got",
        ),
        (lambda: [(FLOATS[0], 0), (FLOATS[1].double(), 1)], "one type of numbers; got float32 and float64"),
        (lambda: (torch.arange(7), FLOATS), r"got \(labels, images\): pass \(images, labels\)"),
        (lambda: [(9, PICTURES[0], 0), (8, PICTURES[1], 1)], "3 values an entry, of which two may be the label"),
        (lambda: {"x": FLOATS}, "add the labels"),
        (lambda: dict, "data must be a name"),
        (lambda: b"abc", "data must be a name"),
        (lambda: [BYTES[0, 0], BYTES[1, 0]], "two arrays of images alone"),
        (list, r"list must hold at least one image"),
        (lambda: 3, "data must be a name, a path"),
        (lambda: None, "data must be a name, a path"),
        (lambda: {"z": BYTES}, r"got z \(7, 3, 6, 5\)"),
        (lambda: {"train": Tuples()}, "split must be one of train; got 'test'"),
        (lambda: (FLOATS * 2 - 1, LABELS), r"scaled to \[-1, 1\]"),
        (lambda: (FLOATS * 255, LABELS), "divide them by 255"),
        (lambda: (torch.sparse_coo_tensor((7, 1, 4, 4)), LABELS), "must be dense"),
        (lambda: (np.array([[[object()] * 3] * 3]), [0]), "must be numbers"),
    ],
)
def test_what_cannot_be_read_for_certain_is_one_sentence(source, words):
    with pytest.raises(UsageError, match=words) as caught:
        load_data(source())
    assert "\n" not in str(caught.value)


def test_grey_batches_of_three_axes_and_batches_of_any_size(tmp_path):
    grey = [(image[0], label) for image, label in zip(FLOATS, LABELS.tolist(), strict=True)]
    samples = load_data(DataLoader(grey, batch_size=3))
    assert torch.equal(samples.images, FLOATS[:, :1])
    samples = load_data(DataLoader(grey, batch_sampler=[[0, 1], [5]]), samples=2)
    assert torch.equal(samples.images, FLOATS[:2, :1])
    assert any("first 2 images" in text for text in samples.notes)


def test_labels_may_be_a_range_or_another_library_s_column():
    class Column:
        def __array__(self, dtype=None, copy=None):
            return LABELS

    assert load_data((BYTES, range(N))).labels.tolist() == list(range(N))
    assert load_data((BYTES, Column())).labels.tolist() == LABELS.tolist()


def test_labels_before_images_are_noted():
    samples = load_data(ACCEPTED["(label, image)"]())
    assert any("holds (label, image): read in that order" in text for text in samples.notes)
    torch.testing.assert_close(samples.images, FLOATS, rtol=0, atol=1e-7)


def test_pictures_of_palettes_and_print_colours_are_converted():
    plain = Image.new("RGB", (5, 6), (255, 0, 0))
    samples = load_data(([plain, plain.quantize(4), plain.convert("CMYK")], [0, 1, 0]))
    assert torch.equal(samples.images[1], samples.images[0])
    assert torch.equal(samples.images[2], samples.images[0])
    assert any("CMYK: converted to RGB" in text for text in samples.notes)
