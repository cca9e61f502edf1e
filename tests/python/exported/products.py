"""Matrix products, linear algebra and FFT."""

import torch
from torch import nn
from torch.nn import functional as F

from exported.inputs import FLOATS, complexes, floats, ints, symmetric
from exported.registry import DYNAMIC, ROWS, ROWS_2, family

case = family("products")


@case(
    lambda n, dtype: (floats(n, 4, dtype=dtype), floats(4, 5, dtype=dtype), floats(5, dtype=dtype)),
    at=(3, 7),
    dtypes=FLOATS,
    dynamic=({0: DYNAMIC}, {}, {}),
)
def matrices(x, w, b):
    return (
        *(x @ w, x.mm(w), torch.addmm(b, x, w), torch.addmm(b, x, w, beta=2, alpha=0.5)),
        *(x.mv(w[:, 0]), F.linear(x, w.T, b), F.linear(x, w.T), x[0].dot(w[:, 1]), x @ w[:, 0]),
        *(w[:, 0] @ w, torch.chain_matmul(w.T, w, w.T), torch.addmv(b[:4], w, b), x.mT @ x),
        torch.addr(x.new_zeros(4, 5), w[:, 0], b),
    )


@case(
    lambda n: (floats(n, 3, 4), floats(n, 4, 2), floats(4, 5)),
    at=(2, 5),
    dynamic=({0: DYNAMIC}, {0: DYNAMIC}, {}),
    decomposed=True,
)
def batches(x, y, w):
    return (
        *(x.bmm(y), x @ y, x @ w, x @ w[:, 0], w.T @ y, torch.baddbmm(x[..., :2], x, y)),
        *(torch.baddbmm(x[:, :1, :2], x, y, beta=0.5, alpha=2), x.unsqueeze(1) @ w),
        *(torch.matmul(w[:, 0], y), torch.addbmm(x[0, :, :2], x, y), F.linear(x, w.T)),
        torch.matmul(x.unsqueeze(1), y),
    )


@case(
    lambda n: (floats(n, 3, 4), floats(n, 4, 5), floats(n, 3)),
    at=(2, 4),
    dynamic=({0: DYNAMIC}, {0: DYNAMIC}, {0: DYNAMIC}),
    decomposed=True,
)
def einsums(x, y, z):
    return (
        *(torch.einsum("bij,bjk->bik", x, y), torch.einsum("bij,bi->bj", x, z)),
        *(torch.einsum("bij->bji", x), torch.einsum("bij->", x), torch.einsum("bi,bj->ij", z, z)),
        *(torch.einsum("bij,bjk,bi->bk", x, y, z), torch.einsum("...ij,...i->...j", x, z)),
        *(torch.einsum("bii->bi", x[..., :3]), torch.tensordot(x, y[0], ([2], [0]))),
        *(torch.kron(x[0], y[0]), torch.linalg.multi_dot([z.T @ z, z.T @ z, z.T @ z])),
    )


@case(lambda n: (ints(n, 3), ints(3, 4), ints(n, 3, dtype=torch.int32)), at=(2, 5),
      dynamic=({0: DYNAMIC}, {}, {0: DYNAMIC}))  # fmt: skip
def integer_products(x, y, z):
    return x @ y, x.mm(y), torch.einsum("ij,jk->ik", x, y), z @ z.T, x[0].dot(x[1])


@case(lambda n: (floats(n, 4), floats(n, 3)), at=(3, 5), dynamic=ROWS_2, decomposed=True)
class Linears(nn.Module):
    def __init__(self):
        super().__init__()
        self.bilinear = nn.Bilinear(4, 3, 5)
        self.plain = nn.Linear(4, 6)
        self.unbiased = nn.Linear(4, 6, bias=False)

    def forward(self, x, y):
        return (
            *(self.bilinear(x, y), self.plain(x), self.unbiased(x), self.plain(x[0])),
            *(self.plain(x.view(-1, 1, 4)), self.plain.weight @ x.T),
        )


@case(
    lambda n: (floats(n, 4), floats(5, 4)), at=(3, 6), dynamic=({0: DYNAMIC}, {}), decomposed=True
)
def distances(x, y):
    return (
        *(torch.cdist(x, y), torch.cdist(x, y, p=1), torch.cdist(x, y, p=float("inf"))),
        *(torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist"), torch.pdist(y)),
    )


@case(lambda: (symmetric(4), floats(4, 2)), decomposed=True)
def solvers(a, b):
    return (
        *(torch.linalg.inv(a), torch.linalg.solve(a, b), torch.linalg.cholesky(a), a.det()),
        *(torch.cholesky_solve(b, torch.linalg.cholesky(a)), *torch.linalg.slogdet(a)),
        *(torch.linalg.solve_triangular(a.tril(), b, upper=False), torch.cholesky_inverse(a)),
        *(torch.linalg.pinv(a), torch.linalg.matrix_power(a, 3), torch.linalg.cond(a)),
        *(torch.linalg.matrix_exp(a * 0.1), a.logdet()),
        *(*torch.linalg.inv_ex(a), torch.linalg.matrix_norm(a, "nuc"), a.matrix_power(-1)),
    )


@case(lambda: (symmetric(4), floats(3, 5)))
def factorisations(a, x):
    u, s, v = torch.linalg.svd(x, full_matrices=False)
    return (
        *(u, s, v, *torch.linalg.qr(x), *torch.linalg.eigh(a), torch.linalg.eigvalsh(a)),
        *(torch.linalg.svdvals(x), *torch.linalg.lu(a), *torch.linalg.lu_factor(a)),
        *(torch.linalg.eigvals(a), torch.linalg.matrix_rank(x), torch.linalg.eig(a)[0]),
        *(*torch.linalg.ldl_factor(a), torch.linalg.vander(x[0]), torch.linalg.tensorinv(a, 1)),
    )


@case(lambda n: (floats(n, 8),), at=(2, 3), dynamic=ROWS)
def fourier(x):
    z = torch.fft.rfft(x)
    return (
        *(z, z.abs(), torch.fft.irfft(z, n=8), torch.fft.fft(x), torch.fft.ifft(z).real),
        *(torch.fft.fft2(x), torch.fft.fftshift(x), torch.fft.ifftshift(x, 1), torch.fft.hfft(z)),
        *(torch.fft.fftfreq(8), torch.fft.rfftfreq(8, 0.5), torch.fft.rfft(x, norm="ortho")),
        *(torch.fft.rfft2(x), torch.fft.fftn(x, dim=(1,)), torch.view_as_real(z), z * z.conj()),
    )


@case(lambda n: (floats(n, 64),), at=(2, 3), dynamic=ROWS, decomposed=True)
class Spectrogram(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("window", torch.hann_window(16))

    def forward(self, x):
        z = torch.stft(x, 16, 8, window=self.window, return_complex=True)
        return z, z.abs().square(), torch.istft(z, 16, 8, window=self.window)


@case(lambda: (complexes(3, 4), complexes(4, 2)))
def complex_products(x, y):
    return (
        *(x @ y, x.mm(y), x.H @ x, torch.einsum("ij,jk->ki", x, y), x.conj() @ y),
        *(torch.linalg.solve(x[:, :3], x[:, 3:]), torch.vdot(x[0], x[1]), x[0].dot(x[1])),
    )
