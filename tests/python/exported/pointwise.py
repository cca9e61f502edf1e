"""Pointwise operators: every dtype, numbers and tensors, type promotion."""

import torch

from exported.inputs import (
    FLOATS,
    INTS,
    bools,
    complexes,
    floats,
    ints,
    numbers,
    positives,
    strange,
)
from exported.registry import DYNAMIC, ROWS, ROWS_2, ROWS_3, family

case = family("pointwise")
REAL = (*FLOATS, torch.int64, torch.int32, torch.uint8)


@case(lambda n, dtype: (positives(n, 5, dtype=dtype),), at=(3, 8), dtypes=FLOATS, dynamic=ROWS)
def exponentials(x):
    return (
        *(x.exp(), x.exp2(), x.expm1(), x.log(), x.log2(), x.log10(), x.log1p()),
        *(x.sqrt(), x.rsqrt(), x.reciprocal(), x.square(), x.logit(eps=1e-3)),
    )


@case(lambda n, dtype: (floats(n, 5, dtype=dtype),), at=(3, 1), dtypes=FLOATS, dynamic=ROWS)
def trigonometry(x):
    unit = x * 0.4
    return (
        *(x.sin(), x.cos(), x.tan(), x.sinh(), x.cosh(), x.tanh(), x.atan(), x.asinh()),
        *(unit.asin(), unit.acos(), unit.atanh(), (x.abs() + 1).acosh(), x.sinc()),
        torch.atan2(x, unit + 1),
    )


@case(lambda n, dtype: (floats(n, 5, dtype=dtype),), at=(3, 4), dtypes=FLOATS, dynamic=ROWS)
def rounding(x):
    return (
        *(x.floor(), x.ceil(), x.round(), x.trunc(), x.frac(), x.sign(), x.abs(), -x),
        *(x.round(decimals=1), x.sgn(), x.positive(), x.clamp(-1, 1), x.clip(min=0.0)),
    )


@case(lambda: (floats(3, 5),), decomposed=True)
def special_functions(x):
    y = x.abs() + 0.5
    return (
        *(x.erf(), x.erfc(), (x * 0.4).erfinv(), y.lgamma(), y.digamma(), x.sigmoid()),
        *(torch.special.i0(x), torch.special.i0e(x), torch.special.i1(x), torch.special.ndtr(x)),
        *(torch.special.entr(y), torch.special.xlog1py(x, y), torch.special.zeta(y + 1, y)),
        *(torch.xlogy(x, y), torch.special.polygamma(1, y), torch.mvlgamma(y + 2, 2)),
        *(torch.special.log_ndtr(x), torch.special.bessel_j0(x), torch.special.erfcx(x)),
        *(torch.special.ndtri(y * 0.3), torch.igamma(y, y + 1), torch.igammac(y, y + 1)),
    )


@case(
    lambda n, dtype: (numbers(n, 4, dtype=dtype), numbers(n, 4, dtype=dtype)),
    at=(3, 6),
    dtypes=REAL,
    dynamic=ROWS_2,
)
def arithmetic(x, y):
    divisor = y.abs() + 1
    return (
        *(x + y, x - y, x * y, x / divisor, x // divisor, x % divisor, -x),
        *(torch.maximum(x, y), torch.minimum(x, y), torch.fmax(x, y), torch.fmin(x, y)),
        *(torch.div(x, divisor, rounding_mode="trunc"), torch.fmod(x, divisor)),
        *(torch.div(x, divisor, rounding_mode="floor"), torch.remainder(x, divisor)),
        *(torch.add(x, y, alpha=2), torch.sub(x, y, alpha=3), torch.rsub(x, y)),
        *(torch.addcmul(x, y, divisor, value=2), torch.clamp(x, min=y, max=divisor)),
    )


@case(lambda n, dtype: (numbers(n, 4, dtype=dtype),), at=(3, 2), dtypes=REAL, dynamic=ROWS)
def with_numbers(x):
    return (
        *(x + 1, 1 + x, x - 2, 2 - x, x * 3, x / 2, x // 2, x % 3, x**2, x.pow(3)),
        *(x * 0.5, x + 1.5, 1 / (x.abs() + 1), torch.remainder(x, 4), torch.fmod(x, 3)),
        *(x > 1, x >= 1, x < 1, x <= 1, x == 1, x != 1, 2 ** x.abs(), x.clamp(min=0, max=3)),
        *(torch.rsub(x, 5), torch.true_divide(x, 4), torch.floor_divide(x, 3)),
    )


@case(
    lambda n: (floats(n, 4), positives(n, 4), floats(n, 4)),
    at=(2, 5),
    dynamic=ROWS_3,
    decomposed=True,
)
def mixtures(x, y, z):
    return (
        *(torch.lerp(x, y, 0.3), torch.lerp(x, y, z), torch.addcdiv(x, z, y, value=0.5)),
        *(torch.addcmul(x, z, y), torch.hypot(x, y), torch.copysign(x, z), torch.nextafter(x, z)),
        *(torch.logaddexp(x, y), torch.logaddexp2(x, y), torch.heaviside(x, y), x.float_power(2)),
        *(torch.pow(y, x), torch.pow(2, x), y**0.5, y**x, torch.ldexp(x, z.round())),
        *(torch.where(x > 0, y, z), torch.where(x > 0, 1.0, z), torch.where(x > 0, y, 0)),
        *(torch.frexp(x)[0], torch.frexp(x)[1], torch.clamp(x, max=y), torch.dist(x, y)),
    )


@case(
    lambda n, dtype: (numbers(n, 4, dtype=dtype), numbers(n, 4, dtype=dtype)),
    at=(3, 5),
    dtypes=(torch.float32, torch.float64, torch.int64, torch.int32, torch.bool),
    dynamic=ROWS_2,
    decomposed=True,
)
def comparisons(x, y):
    return (
        *(x == y, x != y, x < y, x <= y, x > y, x >= y),
        *(torch.logical_and(x, y), torch.logical_or(x, y), torch.logical_xor(x, y)),
        *(torch.logical_not(x), torch.isclose(x.float(), y.float(), rtol=0.5)),
        *(torch.isin(x.float(), y[:1].float()), torch.where(x == y, x, y)),
    )


@case(
    lambda n, dtype: (numbers(n, 4, dtype=dtype), numbers(n, 4, dtype=dtype)),
    at=(3, 5),
    dtypes=INTS,
    dynamic=ROWS_2,
    decomposed=True,
)
def bits(x, y):
    few = y.abs() % 4
    return (
        *(x & y, x | y, x ^ y, ~x, x << few, x >> few, x & 3, x | 4, x ^ 1, x << 2, x >> 1),
        *(torch.gcd(x, y), torch.lcm(x, y), torch.bitwise_left_shift(x, few)),
    )


@case(lambda: (bools(4, 3), bools(4, 3)))
def bools_only(x, y):
    return x & y, x | y, x ^ y, ~x, x == y, x.int() + y, torch.logical_not(x), x.to(torch.float16)


@case(lambda: (strange(), strange().flip(0)), decomposed=True)
def strange_numbers(x, y):
    return (
        *(x.isnan(), x.isinf(), x.isfinite(), x.isposinf(), x.isneginf(), x.signbit()),
        *(x.nan_to_num(), x.nan_to_num(nan=1.0, posinf=2.0, neginf=-2.0), x.exp(), x.log()),
        *(x + y, x * y, x / y, torch.maximum(x, y), torch.fmax(x, y), x == y, x < y),
        *(x.relu(), x.clamp(-1, 1), x.sign(), x.sum(), x.mean(), x.sort().values, x.amax()),
        *(x.to(torch.float16), x.to(torch.bfloat16), torch.where(x.isnan(), 0.0, x)),
    )


@case(lambda: (complexes(3, 4), complexes(3, 4)), decomposed=True)
def complex_arithmetic(x, y):
    return (
        *(x + y, x * y, x / y, x - y, x.conj().resolve_conj(), x.abs(), x.angle(), -x),
        *(x.exp(), x.sqrt(), x.real, x.imag, torch.view_as_real(x), x * 2, x * 1j, x + 1.5),
        *(torch.complex(x.real, y.imag), torch.polar(x.abs(), y.angle()), x.sum(), x == y),
        *(x @ y.mH, x.sgn(), x.reciprocal(), x.pow(2)),
    )


@case(
    lambda: (ints(4), ints(4, dtype=torch.int32), floats(4), floats(4, dtype=torch.float64),
             floats(4, dtype=torch.float16), bools(4), torch.tensor(2), torch.tensor(0.5)),
    decomposed=True,
)  # fmt: skip
def promotion(i64, i32, f32, f64, f16, flags, whole, half):
    return (
        *(i64 + i32, i64 + f32, f32 + f64, f16 + f32, f16 + i64, flags + i32, flags + f16),
        *(i32 + whole, f16 + half, i64 + half, f32 * f64[:1], flags * 1.5, i32 / 2, i64 * 2.0),
        *(flags + flags, torch.where(flags, i64, f32), torch.where(flags, f16, 1.0)),
        *(torch.cat([i64, f32, f64]), torch.maximum(i32, i64), f32.pow(i64), i64.pow(2)),
        *(whole + half, whole * f16, i64 > half, torch.result_type(i64, half) == torch.float32),
    )


@case(
    lambda n, m: (floats(n, 1, 4), floats(m, 1), torch.tensor(0.5)),
    at=((2, 3), (5, 2)),
    dynamic=({0: DYNAMIC}, {0: DYNAMIC}, {}),
    decomposed=True,
)
def broadcasting(x, y, scalar):
    return x + y, x * scalar, y - scalar, torch.where(x > y, x, scalar), torch.lerp(x, y, scalar)


@case(lambda n: (floats(n, 3), floats(3, n).T), at=(4, 2), dynamic=({0: DYNAMIC}, {0: DYNAMIC}))
def strided_arguments(x, y):
    return x + y, x * y.contiguous(), torch.maximum(y, x), y.exp()


@case(lambda: (floats(0, 3), floats(1), torch.tensor(1.5)))
def small_tensors(empty, one, scalar):
    return empty + one, empty.sum(), empty * scalar, one + scalar, scalar * 2, empty.exp()
