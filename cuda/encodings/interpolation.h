// Weights of a cell's vertices, and the gradient through them. Real: float, double, Vec, or Dual of these: the tangent of a weight is the
// slope of the same formula, so that forward mode and second derivatives need no formulas of their own.
#pragma once
#include "common/dual.h"
#include "encodings/lattice.h"

SPLATKIT_ISA_BEGIN

enum Interpolation { kLinear = 0, kSmooth = 1, kNearest = 2, kStochastic = 3 };

// One vertex instead of all.
SPLATKIT_HD bool takes_one_vertex(int interpolation) { return interpolation == kNearest || interpolation == kStochastic; }

template <class Real>
SPLATKIT_HD Real held_positive(const Real& x) {
  return max(Real(0), x);
}
template <class Real, int N>
SPLATKIT_HD Dual<Real, N> held_positive(const Dual<Real, N>& x) {
  const Real zero = Real(0);
  Dual<Real, N> out(held_positive(x.value));
  for (int i = 0; i < N; ++i) out.slope[i] = select(x.value > zero, x.slope[i], zero);
  return out;
}

// Smooth simplex weights. Kernels max(0, 1/2 - r^2)^4 of the distances to the vertices, in edges of the lattice; with fractions that fall,
// vertex k lies at (1, ..., 1, 0, ..., 0), and r^2 = |e|^2 - (2 G - d G^2) sum(e)^2 for the skewed difference e; G undoes the skew.
template <int D, class Real>
struct SmoothSimplex {
  Real rest[D + 1];   // max(0, 1/2 - r^2)
  Real total[D + 1];  // sum(e)
  Real inverse;       // 1 / sum of kernels

  static SPLATKIT_HD double metric() {
    const double G = (1 - 1 / ::sqrt(D + 1.0)) / D;
    return 2 * G - D * G * G;
  }

  SPLATKIT_HD explicit SmoothSimplex(const Real (&falling)[D]) {
    Real square = falling[0] * falling[0], sum = falling[0], kernels = Real(0);
    for (int i = 1; i < D; ++i) square = square + falling[i] * falling[i], sum = sum + falling[i];
    for (int k = 0; k <= D; ++k) {
      if (k > 0) square = square - Real(2) * falling[k - 1] + Real(1), sum = sum - Real(1);
      total[k] = sum;
      rest[k] = held_positive(Real(0.5) - (square - Real(metric()) * sum * sum));
      kernels = kernels + kernel(k);
    }
    inverse = reciprocal(kernels);
  }
  SPLATKIT_HD Real kernel(int k) const {
    const Real square = rest[k] * rest[k];
    return square * square;
  }
};

// weight[k] of the k-th vertex of the path; falling: sorted fractions.
template <int D, class Real>
SPLATKIT_HD void simplex_weights(int interpolation, const Real (&falling)[D], Real (&weight)[D + 1]) {
  if (interpolation == kSmooth) {
    const SmoothSimplex<D, Real> smooth(falling);
    for (int k = 0; k <= D; ++k) weight[k] = smooth.kernel(k) * smooth.inverse;
    return;
  }
  weight[0] = Real(1) - falling[0];
  for (int k = 1; k < D; ++k) weight[k] = falling[k - 1] - falling[k];
  weight[D] = falling[D - 1];
}

// Gradient of sum_k weight[k] * value[k] with respect to the sorted fractions.
template <int D, class Real, class Value>
SPLATKIT_HD void simplex_gradient(int interpolation, const Real (&falling)[D], const Value (&value)[D + 1], Real (&v_falling)[D]) {
  if (interpolation != kSmooth) {
    for (int i = 0; i < D; ++i) v_falling[i] = Real(value[i + 1] - value[i]);
    return;
  }
  const SmoothSimplex<D, Real> smooth(falling);
  Real mean = Real(0);
  for (int k = 0; k <= D; ++k) mean = mean + smooth.kernel(k) * Real(value[k]);
  mean = mean * smooth.inverse;
  for (int i = 0; i < D; ++i) v_falling[i] = Real(0);
  for (int k = 0; k <= D; ++k) {  // d kernel / d e_i = -8 rest^3 (e_i - metric sum(e))
    const Real pull = Real(-8) * smooth.rest[k] * smooth.rest[k] * smooth.rest[k] * (Real(value[k]) - mean) * smooth.inverse;
    for (int i = 0; i < D; ++i) {
      const Real away = i < k ? falling[i] - Real(1) : falling[i];
      v_falling[i] = v_falling[i] + pull * (away - Real(SmoothSimplex<D, Real>::metric()) * smooth.total[k]);
    }
  }
}

template <class Real>
SPLATKIT_HD Real smoothstep(Real f) {
  return f * f * (Real(3) - Real(2) * f);
}

// weight[k] of corner k of a cube.
template <int D, class Real>
SPLATKIT_HD void grid_weights(int interpolation, const Real (&fraction)[D], Real (&weight)[1 << D]) {
  weight[0] = Real(1);
  for (int i = 0; i < D; ++i) {
    const Real f = interpolation == kSmooth ? smoothstep(fraction[i]) : fraction[i];
    for (int k = 0; k < 1 << i; ++k) {
      weight[k + (1 << i)] = weight[k] * f;
      weight[k] = weight[k] - weight[k + (1 << i)];
    }
  }
}

// A cube's values summed by the weights of its first Axes axes, from the highest down. By recursion, as below: every index is a constant,
// so that the values stay in registers.
template <int Axes, class Real>
SPLATKIT_HD Real fold_axes(const Real* place, const Real (&value)[1 << Axes]) {
  if constexpr (Axes == 0) {
    return value[0];
  } else {
    constexpr int kHalf = 1 << (Axes - 1);
    Real folded[kHalf];
    for (int k = 0; k < kHalf; ++k) folded[k] = value[k] + place[Axes - 1] * (value[k + kHalf] - value[k]);
    return fold_axes<Axes - 1>(place, folded);
  }
}

// Derivatives of fold_axes with respect to each place. What is folded along an axis serves all axes below it.
template <int Axes, class Real>
SPLATKIT_HD void fold_slopes(const Real* place, const Real (&value)[1 << Axes], Real* slope) {
  if constexpr (Axes > 0) {
    constexpr int kHalf = 1 << (Axes - 1);
    Real along[kHalf], folded[kHalf];
    for (int k = 0; k < kHalf; ++k) {
      along[k] = value[k + kHalf] - value[k];
      folded[k] = value[k] + place[Axes - 1] * along[k];
    }
    slope[Axes - 1] = fold_axes<Axes - 1>(place, along);
    fold_slopes<Axes - 1>(place, folded, slope);
  }
}

// Gradient of sum_k weight[k] * value[k] with respect to the fractions.
template <int D, class Real, class Value>
SPLATKIT_HD void grid_gradient(int interpolation, const Real (&fraction)[D], const Value (&value)[1 << D], Real (&v_fraction)[D]) {
  Real place[D], corner[1 << D];
  for (int i = 0; i < D; ++i) place[i] = interpolation == kSmooth ? smoothstep(fraction[i]) : fraction[i];
  for (int k = 0; k < 1 << D; ++k) corner[k] = Real(value[k]);
  fold_slopes<D>(place, corner, v_fraction);
  if (interpolation != kSmooth) return;
  for (int i = 0; i < D; ++i) v_fraction[i] = Real(6) * fraction[i] * (Real(1) - fraction[i]) * v_fraction[i];
}

// A bijective hash of 32-bit numbers; in wider lanes the upper bits stay 0.
template <class Index>
SPLATKIT_HD Index random_bits(Index x) {
  x = ((x ^ (x >> 16)) * 0x7feb352du) & 0xffffffffu;
  x = ((x ^ (x >> 15)) * 0x846ca68bu) & 0xffffffffu;
  return x ^ (x >> 16);
}
template <class Real>
SPLATKIT_HD Real uniform(LaneIndex<Real> bits) {
  return real_of<Real>(bits >> 8) * Real(5.9604644775390625e-8f);  // 2^-24
}
template <class Index>
SPLATKIT_HD Index random_state(Index point, uint32_t level, uint32_t seed) {
  return random_bits((point * 0x9e3779b9u + level * 0x85ebca6bu + seed) & 0xffffffffu);
}

// Number of the one vertex that is taken; state: of the point's random numbers.
template <int D, class Real>
SPLATKIT_HD LaneIndex<Real> simplex_vertex(int interpolation, const Real (&falling)[D], LaneIndex<Real> state) {
  using Index = LaneIndex<Real>;
  Index chosen = Index{};
  if (interpolation == kStochastic) {  // vertex k or a later one is due with probability falling[k - 1]
    const Real threshold = uniform<Real>(state);
    for (int i = 0; i < D; ++i) chosen = chosen + choose(falling[i] > threshold, Index{} + 1u, Index{});
    return chosen;
  }
  Real weight[D + 1];
  simplex_weights(kLinear, falling, weight);
  Real best = weight[0];
  for (int k = 1; k <= D; ++k) {
    chosen = choose(weight[k] > best, Index{} + static_cast<uint32_t>(k), chosen);
    best = max(weight[k], best);
  }
  return chosen;
}
template <int D, class Real>
SPLATKIT_HD LaneIndex<Real> grid_vertex(int interpolation, const Real (&fraction)[D], LaneIndex<Real> state) {
  using Index = LaneIndex<Real>;
  Index chosen = Index{};
  for (int i = 0; i < D; ++i) {
    const Real threshold = interpolation == kStochastic ? uniform<Real>(state) : Real(0.5f);
    chosen = chosen + choose(fraction[i] > threshold, Index{} + (1u << i), Index{});
    state = random_bits(state);
  }
  return chosen;
}

SPLATKIT_ISA_END
