// Compiled once per instruction set (see CMakeLists.txt): SPLATKIT_ISA names the set, SPLATKIT_LANES the floats in a register.
// Nothing here may instantiate a function with external linkage other than the kernel set itself.
//
// Directions and bases are found for a group of splats at once, one a lane; coefficients, which are most of the bytes, are worked through
// splat by splat in quads of bases.
#include <cstring>

#include "splatting/camera_partials.h"
#include "splatting/spherical_harmonics.h"
#include "splatting/spherical_harmonics_kernels.h"
#include "splatting/splat_lanes.h"

SPLATKIT_ISA_BEGIN

// Numbers by splat, one row a lane.
template <class V>
struct BasisRows {
  using Real = typename V::Lane;
  alignas(64) Real of[kLanesOf<V>][kMaxShBases];

  SPLATKIT_HD void store_columns(const V* columns, int count) {
    for (int k = 0; k < count; ++k) {
      alignas(64) Real staged[kLanesOf<V>];
      store(staged, columns[k]);
      for (int l = 0; l < kLanesOf<V>; ++l) of[l][k] = staged[l];
    }
  }
  SPLATKIT_HD void load_columns(V* columns, int count) const {
    for (int k = 0; k < count; ++k) {
      alignas(64) Real staged[kLanesOf<V>];
      for (int l = 0; l < kLanesOf<V>; ++l) staged[l] = of[l][k];
      columns[k] = load<V>(staged);
    }
  }
};

// Coefficients of one splat in quads of numbers: three of them hold four bases. The first quad of all joins what stands apart.
template <class Real>
using Quad = Vec<Real, 4>;

template <class Real>
SPLATKIT_HD Quad<Real> take_quad(ShRow<const Real> row, int basis, int i) {
  const Real* others = row.others;
  if (basis == 0 && i == 0) return typename Quad<Real>::Values{row.constant[0], row.constant[1], row.constant[2], others[0]};
  return load<Quad<Real>>(others + 3 * (basis - 1) + 4 * i);
}

template <bool Add, class Real>
SPLATKIT_HD void put_quad(Quad<Real> value, ShRow<Real> row, int basis, int i) {
  if (Add) value += take_quad<Real>({row.constant, row.others}, basis, i);
  if (basis == 0 && i == 0) {
    for (int k = 0; k < 3; ++k) row.constant[k] = value.v[k];
    row.others[0] = value.v[3];
  } else {
    store(row.others + 3 * (basis - 1) + 4 * i, value);
  }
}

// Four coefficients of three channels each, apart by channel.
template <class Real>
struct Channels {
  Quad<Real> of[3];

  SPLATKIT_HD Channels(ShRow<const Real> row, int basis) {
    const Quad<Real> a = take_quad(row, basis, 0), b = take_quad(row, basis, 1), c = take_quad(row, basis, 2);
    of[0] = pick<0, 1, 2, 5>(pick<0, 3, 6, 0>(a, b), c);
    of[1] = pick<0, 1, 2, 6>(pick<1, 4, 7, 0>(a, b), c);
    of[2] = pick<0, 1, 4, 7>(pick<2, 5, 0, 0>(a, b), c);
  }
};

// color = max(0, 1/2 + sum_k basis_k * coefficients[k]).
template <int Bases, class Real>
SPLATKIT_HD void color_of(const Real* basis, ShRow<const Real> coefficients, Real* color) {
  Quad<Real> sums[3] = {Quad<Real>(Real(0)), Quad<Real>(Real(0)), Quad<Real>(Real(0))};
  for (int k = 0; k + 4 <= Bases; k += 4) {
    const Channels<Real> channels(coefficients, k);
    for (int c = 0; c < 3; ++c) sums[c] += load<Quad<Real>>(basis + k) * channels.of[c];
  }
  for (int c = 0; c < 3; ++c) {
    Real value = Real(0.5) + sum(sums[c]);
    for (int k = Bases / 4 * 4; k < Bases; ++k) value += basis[k] * coefficients.of(k)[c];
    color[c] = value > 0 ? value : Real(0);
  }
}

// v_basis from coefficients, and v_coefficients: added to, or written.
template <int Bases, bool Add, class Real>
SPLATKIT_HD void color_gradient(const Real* basis, ShRow<const Real> coefficients, const Real* v, ShRow<Real> v_coefficients,
                                Real* v_basis) {
  using Q = Quad<Real>;
  const Q vs = Q(typename Q::Values{v[0], v[1], v[2], v[0]});
  const Q turned[3] = {vs, pick<1, 2, 0, 1>(vs, vs), pick<2, 0, 1, 2>(vs, vs)};
  for (int k = 0; k + 4 <= Bases; k += 4) {
    const Channels<Real> channels(coefficients, k);
    store(v_basis + k, channels.of[0] * Q(v[0]) + channels.of[1] * Q(v[1]) + channels.of[2] * Q(v[2]));
    const Q b = load<Q>(basis + k);
    const Q spread[3] = {pick<0, 0, 0, 1>(b, b), pick<1, 1, 2, 2>(b, b), pick<2, 3, 3, 3>(b, b)};
    for (int i = 0; i < 3; ++i) put_quad<Add>(spread[i] * turned[i], v_coefficients, k, i);
  }
  for (int k = Bases / 4 * 4; k < Bases; ++k) {
    v_basis[k] = Real(0);
    for (int c = 0; c < 3; ++c) {
      Real& to = v_coefficients.of(k)[c];
      v_basis[k] += coefficients.of(k)[c] * v[c];
      to = (Add ? to : Real(0)) + basis[k] * v[c];
    }
  }
}

constexpr int degree_of(int bases) { return bases == 1 ? 0 : bases == 4 ? 1 : bases == 9 ? 2 : 3; }

template <class Real>
SPLATKIT_HD ShRow<const Real> row_of(const ShColorInput<Real>& input, int64_t n) {
  return {input.constants + input.constant_stride * n, input.others + input.other_stride * n};
}

template <class V, int Bases, class Real>
void forward_chunk(const ShColorInput<Real>& input, Real* colors, int64_t begin, int64_t end) {
  BasisRows<V> rows;
  for (int64_t c = 0; c < input.cameras; ++c) {
    Real center[3], *camera_colors = colors + 3 * c * input.splats;
    camera_center(input.viewmats + 16 * c, center);
    std::memset(camera_colors + 3 * begin, 0, sizeof(Real) * 3 * (end - begin));
    const SeenSplats<Real> seen(input.extents + 2 * c * input.splats, begin, end);
    seen.template for_each_group<V>([&](const SplatGroup<V>& group) {
      V mean[3], direction[3], basis[kMaxShBases];
      group.template take<3>(input.means, mean);
      view_direction(mean, center, direction);
      sh_basis(degree_of(Bases), direction[0], direction[1], direction[2], basis);
      rows.store_columns(basis, Bases);
      for (int l = 0; l < group.count; ++l) { color_of<Bases>(rows.of[l], row_of(input, group.ids[l]), camera_colors + 3 * group.ids[l]); }
    });
  }
}

template <class V, int Bases, bool Add, class Real>
void backward_camera(const ShColorInput<Real>& input, const ShColorGradient<Real>& gradient, int64_t c, const SeenSplats<Real>& seen,
                     double* partial) {
  const Real *colors = gradient.colors + 3 * c * input.splats, *v_colors = gradient.v_colors + 3 * c * input.splats;
  Real center[3];
  double v_center[3] = {0, 0, 0};
  BasisRows<V> rows, v_rows = {};
  camera_center(input.viewmats + 16 * c, center);
  seen.template for_each_group<V>([&](const SplatGroup<V>& group) {
    V mean[3], direction[3], basis[kMaxShBases], v_mean[3];
    group.template take<3>(input.means, mean);
    const V distance = view_direction(mean, center, direction);
    sh_basis(degree_of(Bases), direction[0], direction[1], direction[2], basis);
    rows.store_columns(basis, Bases);
    for (int l = 0; l < group.count; ++l) {
      const int64_t n = group.ids[l];
      Real v[3];
      for (int k = 0; k < 3; ++k) v[k] = colors[3 * n + k] > 0 ? v_colors[3 * n + k] : Real(0);
      const ShRow<Real> v_row = {gradient.v_constants + input.constant_stride * n, gradient.v_others + input.other_stride * n};
      color_gradient<Bases, Add>(rows.of[l], row_of(input, n), v, v_row, v_rows.of[l]);
    }
    v_rows.load_columns(basis, Bases);
    for (V& v : v_mean) v = V(Real(0));
    turn_gradient(degree_of(Bases), direction, distance, basis, v_mean);
    group.template add<3>(v_mean, gradient.v_means);
    for (int k = 0; partial != nullptr && k < 3; ++k) {
      alignas(64) Real lanes[kLanesOf<V>];
      store(lanes, v_mean[k]);
      for (int l = 0; l < group.count; ++l) v_center[k] -= lanes[l];
    }
  });
  if (partial != nullptr) add_center_gradient(input.viewmats + 16 * c, v_center, partial);
}

template <class V, int Bases, class Real>
void backward_chunk(const ShColorInput<Real>& input, const ShColorGradient<Real>& gradient, int64_t begin, int64_t end, double* partials) {
  std::memset(gradient.v_means + 3 * begin, 0, sizeof(Real) * 3 * (end - begin));
  for (int64_t c = 0; c < input.cameras; ++c) {
    const Real* extents = input.extents + 2 * c * input.splats;
    const SeenSplats<Real> seen(extents, begin, end);
    double* partial = partials == nullptr ? nullptr : partials + c * kCameraPartials;
    if (c > 0) {
      backward_camera<V, Bases, true>(input, gradient, c, seen, partial);
      continue;
    }
    // The first camera writes the rows of the splats that it sees: clearing them all would cost as much as the gradients.
    for (int64_t n = begin; n < end; ++n) {
      const bool written = extents[2 * n] > 0;
      if (!written) std::memset(gradient.v_constants + input.constant_stride * n, 0, sizeof(Real) * 3);
      const int64_t others = written ? 3 * (Bases - 1) : 0;
      std::memset(gradient.v_others + input.other_stride * n + others, 0, sizeof(Real) * (3 * (input.bases - 1) - others));
    }
    backward_camera<V, Bases, false>(input, gradient, c, seen, partial);
  }
}

template <class V>
void forward(const ShColorInput<typename V::Lane>& input, typename V::Lane* colors, int64_t begin, int64_t end) {
  switch (input.degree) {
    case 0: return forward_chunk<V, 1>(input, colors, begin, end);
    case 1: return forward_chunk<V, 4>(input, colors, begin, end);
    case 2: return forward_chunk<V, 9>(input, colors, begin, end);
    default: return forward_chunk<V, 16>(input, colors, begin, end);
  }
}

template <class V>
void backward(const ShColorInput<typename V::Lane>& input, const ShColorGradient<typename V::Lane>& gradient, int64_t begin, int64_t end,
              double* partials) {
  switch (input.degree) {
    case 0: return backward_chunk<V, 1>(input, gradient, begin, end, partials);
    case 1: return backward_chunk<V, 4>(input, gradient, begin, end, partials);
    case 2: return backward_chunk<V, 9>(input, gradient, begin, end, partials);
    default: return backward_chunk<V, 16>(input, gradient, begin, end, partials);
  }
}

using FloatVec = Vec<float, SPLATKIT_LANES>;
using DoubleVec = Vec<double, SPLATKIT_LANES / 2>;

constexpr ShKernelSet kernel_set = {{forward<FloatVec>, backward<FloatVec>}, {forward<DoubleVec>, backward<DoubleVec>}};

SPLATKIT_ISA_END

SPLATKIT_DEFINE_KERNEL_SET(ShKernelSet, sh_kernels, kernel_set)
