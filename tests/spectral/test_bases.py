import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from scipy import fft

from geomrob.errors import UsageError
from geomrob.spectral.bases import BASES, Basis, basis, from_matrix
from geomrob.spectral.bases_dense import random_matrix
from tests.spectral.dense import dense_basis


def build(name, shape, tmp_path=None):
    """Return a basis of any name, with what its builder needs."""
    if name == "pca":
        generator = torch.Generator().manual_seed(1)
        return basis(name, shape, images=torch.rand(6, 2, *shape, generator=generator))
    if name == "custom":
        file = tmp_path / "basis.npz"
        pair = (basis("dct", shape).matrices[0], basis("haar", shape).matrices[1])
        np.savez(file, rows=pair[0].numpy(), columns=pair[1].numpy())
        return basis(name, shape, file=file)
    return basis(name, shape, seed=3)


@pytest.mark.parametrize("shape", [(8, 8), (5, 9), (1, 4)])
@pytest.mark.parametrize("name", BASES)
def test_every_basis_is_orthonormal_and_inverts_exactly(name, shape, tmp_path):
    built = build(name, shape, tmp_path)
    assert (built.name, built.shape) == (name, shape)
    vectors = dense_basis(built)
    torch.testing.assert_close(vectors @ vectors.T, torch.eye(len(vectors), dtype=torch.float64), atol=1e-12, rtol=0)
    images = torch.randn(2, 3, *shape, dtype=torch.float64)
    coefficients = built.forward(images)
    assert coefficients.shape == images.shape
    torch.testing.assert_close(coefficients.flatten(-2), images.flatten(-2) @ vectors.T)
    torch.testing.assert_close(built.inverse(coefficients), images)
    torch.testing.assert_close(coefficients.square().sum(), images.square().sum())


@pytest.mark.parametrize("name", BASES)
def test_every_basis_works_in_the_type_of_the_images(name, tmp_path):
    built = build(name, (6, 6), tmp_path)
    images = torch.rand(2, 3, 6, 6)
    assert built.forward(images).dtype == torch.float32
    torch.testing.assert_close(built.inverse(built.forward(images)), images)
    torch.testing.assert_close(built.forward(images.double()).float(), built.forward(images), atol=1e-5, rtol=1e-5)
    assert built.forward(images.bfloat16()).dtype == torch.bfloat16
    assert built.forward(images.to("meta")).device.type == "meta"


@pytest.mark.parametrize("name", ["dct", "random"])
def test_a_matrix_cast_in_inference_mode_still_carries_gradients(name):
    built = basis(name, (4, 4))
    with torch.inference_mode():
        built.forward(torch.rand(1, 1, 4, 4))
    images = torch.rand(1, 1, 4, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(built.forward(images).square().sum(), images)
    torch.testing.assert_close(gradient, 2 * images.detach())


@settings(max_examples=15, deadline=None)
@given(height=st.integers(1, 24), width=st.integers(1, 24), name=st.sampled_from(["dct", "haar", "fourier", "random"]))
def test_forward_and_inverse_are_adjoint_at_any_size(height, width, name):
    built = basis(name, (height, width))
    generator = torch.Generator().manual_seed(height * 100 + width)
    image, coefficients = torch.randn(2, height, width, dtype=torch.float64, generator=generator)
    left = (built.forward(image) * coefficients).sum()
    right = (image * built.inverse(coefficients)).sum()
    torch.testing.assert_close(left, right)


@pytest.mark.parametrize("shape", [(28, 28), (32, 20)])
def test_dct_is_that_of_scipy(shape):
    images = torch.rand(2, 3, *shape, dtype=torch.float64)
    expected = fft.dctn(images.numpy(), type=2, norm="ortho", axes=(-2, -1))
    torch.testing.assert_close(basis("dct", shape).forward(images), torch.from_numpy(expected))


def test_frequencies_are_cycles_per_image():
    vertical, horizontal = basis("dct", (4, 6)).frequencies
    assert vertical[:, 0].tolist() == [0, 0.5, 1, 1.5]
    assert horizontal[0].tolist() == [0, 0.5, 1, 1.5, 2, 2.5]
    assert basis("fourier", (4, 6)).frequencies[1, 0].tolist() == [0, 1, 1, 2, 2, 3]
    assert basis("haar", (4, 4)).frequencies[0, :, 0].tolist() == [0, 1, 2, 2]
    for name in ("pixel", "random"):
        assert bool(basis(name, (4, 6)).frequencies.isnan().all())


def test_random_is_seeded_and_covers_the_channel_or_says_that_it_does_not():
    assert torch.equal(basis("random", (8, 8), seed=1).matrices[0], basis("random", (8, 8), seed=1).matrices[0])
    assert not torch.equal(basis("random", (8, 8), seed=1).matrices[0], basis("random", (8, 8), seed=2).matrices[0])
    small, large = basis("random", (8, 8)), basis("random", (64, 65))
    assert not small.separable
    assert "whole channel" in small.note
    assert large.separable
    assert "product" in large.note
    torch.testing.assert_close(large.inverse(large.forward(torch.ones(64, 65))), torch.ones(64, 65))


def test_random_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    basis("random", (8, 8))
    assert torch.equal(before, torch.random.get_rng_state())


def test_random_is_uniform_over_orthogonal_matrices():
    # Without the sign fix the diagonal of a QR factor leans to one side; its mean over many draws shows that.
    first = torch.stack([basis("random", (1, 2), seed=seed).matrices[0] for seed in range(400)])
    assert float(first.mean(0).abs().max()) < 4 * math.sqrt(0.5 / 400)


def test_pca_orders_by_variance_and_pools_channels():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2100, 2, 4, 4, dtype=torch.float64, generator=generator) * torch.arange(1, 17).view(4, 4)
    built = basis("pca", (4, 4), images=images)
    variances = built.forward(images).reshape(-1, 16).var(0)
    assert bool((variances.diff() < 1e-9).all())
    expected = torch.linalg.svdvals(images.reshape(-1, 16) - images.reshape(-1, 16).mean(0)).square() / 4199
    torch.testing.assert_close(variances, expected)


def test_pca_of_few_images_is_completed():
    images = torch.rand(3, 1, 4, 4, dtype=torch.float64)
    built = basis("pca", (4, 4), images=images)
    deviations = built.forward(images - images.mean(0)).flatten(1)
    torch.testing.assert_close(deviations[:, 2:], torch.zeros(3, 14, dtype=torch.float64), atol=1e-7, rtol=0)


def save(path, **matrices):
    """Write matrices in the format that the file's name says."""
    if path.suffix == ".npy":
        np.save(path, matrices["matrix"].numpy())
    elif path.suffix == ".npz":
        np.savez(path, **{name: matrix.numpy() for name, matrix in matrices.items()})
    else:
        save_file({name: matrix.contiguous() for name, matrix in matrices.items()}, path)
    return path


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_custom_reads_one_matrix_back(suffix, tmp_path):
    matrix = basis("random", (3, 4)).matrices[0]
    built = basis("custom", (3, 4), file=save(tmp_path / f"basis{suffix}", matrix=matrix))
    assert not built.separable
    torch.testing.assert_close(built.matrices[0], matrix)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_custom_reads_rows_and_columns_back(suffix, tmp_path):
    rows, columns = basis("haar", (3, 4)).matrices
    built = basis("custom", (3, 4), file=str(save(tmp_path / f"basis{suffix}", rows=rows, columns=columns)))
    assert built.separable
    torch.testing.assert_close(built.matrices, (rows, columns))


def test_custom_repairs_what_is_nearly_orthonormal(tmp_path):
    matrix = basis("random", (4, 4)).matrices[0]
    rough = (matrix + 1e-5 * torch.randn(16, 16, generator=torch.Generator().manual_seed(0))).float()
    built = basis("custom", (4, 4), file=save(tmp_path / "basis.npy", matrix=rough))
    exact = built.matrices[0] @ built.matrices[0].T
    torch.testing.assert_close(exact, torch.eye(16, dtype=torch.float64), atol=1e-12, rtol=0)
    assert float((built.matrices[0] - matrix).abs().max()) < 1e-4


IDENTITY = torch.eye(16)


@pytest.mark.parametrize(
    ("matrices", "said"),
    [
        ({"matrix": IDENTITY[:9]}, r"matrix must be shaped \(16, 16\); got \(9, 16\)"),
        ({"matrix": IDENTITY * 1.001}, r"matrix must be orthonormal to 0.0001; got 0.002"),
        ({"matrix": IDENTITY * math.nan}, r"matrix must be orthonormal to 0.0001; got nan"),
        ({"matrix": IDENTITY + 0j}, r"matrix must be real; got torch.complex64"),
        ({"rows": IDENTITY[:4, :4], "columns": IDENTITY}, r"columns must be shaped \(4, 4\); got \(16, 16\)"),
        ({"rows": IDENTITY, "other": IDENTITY}, "one matrix, or rows and columns; got other, rows"),
    ],
)
def test_custom_refuses_other_matrices(matrices, said, tmp_path):
    file = save(tmp_path / "basis.npz", **matrices)
    with pytest.raises(UsageError, match=said):
        basis("custom", (4, 4), file=file)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_custom_refuses_damaged_files(suffix, tmp_path):
    file = tmp_path / f"basis{suffix}"
    for content in (b"", b"not a matrix", b"PK\x03\x04 cut"):
        file.write_bytes(content)
        with pytest.raises(UsageError, match=f"file must be a readable {suffix}; got") as caught:
            basis("custom", (4, 4), file=file)
        assert "\n" not in str(caught.value)


def test_custom_runs_no_pickle(tmp_path):
    file = tmp_path / "basis.npy"
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UsageError, match="file must be a readable"):
        basis("custom", (4, 4), file=file)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": "dtc"}, "basis must be one of dct, .*got 'dtc': did you mean dct"),
        ({"name": "dct", "shape": (0, 4)}, r"shape must be \(height, width\), each at least 1; got \(0, 4\)"),
        ({"name": "dct", "shape": (1, 4, 4)}, r"got \(1, 4, 4\)"),
        ({"name": "dct", "file": "x.npy"}, "file must be left out for the dct basis"),
        ({"name": "pca"}, "images must be given for the pca basis"),
        ({"name": "pca", "images": torch.rand(3, 1, 5, 4)}, r"images must be several \(N, C, 4, 4\)"),
        ({"name": "pca", "images": torch.rand(1, 1, 4, 4)}, "pass two or more"),
        ({"name": "pca", "images": torch.full((3, 1, 4, 4), math.nan)}, "images must be finite"),
        ({"name": "pca", "shape": (65, 64), "images": torch.rand(1)}, "at most 4096 pixels for pca"),
        ({"name": "custom"}, "file must be given for the custom basis"),
        ({"name": "custom", "file": "absent.npy"}, "file must exist; got absent.npy"),
        ({"name": "custom", "file": __file__}, "file must end in .npy, .npz or .safetensors"),
    ],
)
def test_misuse_is_told_in_one_sentence(arguments, said):
    with pytest.raises(UsageError, match=said) as caught:
        basis(**{"shape": (4, 4), **arguments})
    assert "\n" not in str(caught.value)


def test_images_of_another_shape_are_refused():
    built = basis("dct", (4, 4))
    for method in (Basis.forward, Basis.inverse):
        with pytest.raises(UsageError, match=r"images must have the basis' shape \(4, 4\); got \(4, 5\)"):
            method(built, torch.rand(1, 1, 4, 5))


def test_a_basis_from_a_matrix_has_its_rows_for_vectors():
    matrix = random_matrix(12, torch.Generator().manual_seed(1))
    made = from_matrix(matrix.float(), (3, 4), note="mine")
    image = torch.randn(12, dtype=torch.float64)
    torch.testing.assert_close(made.forward(image.reshape(3, 4)).flatten(), matrix @ image, atol=1e-6, rtol=0)
    assert made.note == "mine"
    with pytest.raises(UsageError, match=r"matrix must be shaped \(12, 12\); got \(10, 10\): match"):
        from_matrix(torch.eye(10), (3, 4))
    with pytest.raises(UsageError, match="matrix must be orthonormal"):
        from_matrix(torch.ones(4, 4), (2, 2))
