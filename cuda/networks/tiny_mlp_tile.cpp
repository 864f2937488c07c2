// Compiled once per instruction set. A register holds one feature of neighboring points, so that no width of a layer wastes lanes.
#include <memory>

#include "common/simd.h"
#include "networks/tiny_mlp_kernels.h"

SPLATKIT_ISA_BEGIN

// Sums that stay in registers: rows of a matrix times registers of points, and rows times columns of a gradient.
constexpr int kRows = 4;
constexpr int kColumns = SPLATKIT_LANES == 16 ? 4 : 2;
static_assert(kMlpTile % (SPLATKIT_LANES * kColumns) == 0, "a tile is whole blocks");

// One matrix, read forward (element (row, inner) of the layer) or transposed.
template <class Real>
struct Matrix {
  const Real* values;
  int rows, inner;
  int64_t row_stride, inner_stride;
};

// kColumns registers of points of `Rows` rows of matrix * in; in [inner, kMlpTile]. done(row, column, sum) takes the results.
template <int Rows, class V, class Start, class Done>
SPLATKIT_HD void multiply_rows(const Matrix<typename V::Lane>& matrix, const typename V::Lane* in, int first, int column,
                               const Start& start, const Done& done) {
  using Real = typename V::Lane;
  V sums[Rows][kColumns];
  for (int r = 0; r < Rows; ++r) {
    for (int c = 0; c < kColumns; ++c) sums[r][c] = start(first + r);
  }
  const Real* at = matrix.values + first * matrix.row_stride;
  for (int i = 0; i < matrix.inner; ++i) {
    V x[kColumns];
    for (int c = 0; c < kColumns; ++c) x[c] = load<V>(in + i * kMlpTile + column + c * V::kLanes);
    for (int r = 0; r < Rows; ++r) {
      const V weight(at[r * matrix.row_stride + i * matrix.inner_stride]);
      for (int c = 0; c < kColumns; ++c) sums[r][c] += weight * x[c];
    }
  }
  for (int r = 0; r < Rows; ++r) {
    for (int c = 0; c < kColumns; ++c) done(first + r, column + c * V::kLanes, sums[r][c]);
  }
}

// The first `points` points of matrix * in.
template <class V, class Start, class Done>
void multiply(const Matrix<typename V::Lane>& matrix, const typename V::Lane* in, int points, const Start& start, const Done& done) {
  for (int column = 0; column < points; column += kColumns * V::kLanes) {
    int row = 0;
    for (; row + kRows <= matrix.rows; row += kRows) multiply_rows<kRows, V>(matrix, in, row, column, start, done);
    for (; row < matrix.rows; ++row) multiply_rows<1, V>(matrix, in, row, column, start, done);
  }
}

// Adds sums over points of left[row] * right[column] to out [rows of left, rows of right].
template <int Rows, int Columns, class V>
SPLATKIT_HD void correlate_block(const typename V::Lane* left, const typename V::Lane* right, int points, typename V::Lane* out,
                                 int stride) {
  constexpr int kSums = Rows * Columns, kSlots = (kSums + V::kLanes - 1) / V::kLanes * V::kLanes;
  V sums[kSlots];
  for (int k = 0; k < kSlots; ++k) sums[k] = V(0);
  for (int point = 0; point < points; point += V::kLanes) {
    V b[Columns];
    for (int c = 0; c < Columns; ++c) b[c] = load<V>(right + c * kMlpTile + point);
    for (int r = 0; r < Rows; ++r) {
      const V a = load<V>(left + r * kMlpTile + point);
      for (int c = 0; c < Columns; ++c) sums[r * Columns + c] += a * b[c];
    }
  }
  alignas(64) typename V::Lane totals[kSlots];
  sum_each<kSlots>(sums, totals);
  for (int r = 0; r < Rows; ++r) {
    for (int c = 0; c < Columns; ++c) out[r * stride + c] += totals[r * Columns + c];
  }
}

template <class V>
void correlate(const typename V::Lane* left, int rows, const typename V::Lane* right, int columns, int points, typename V::Lane* out) {
  for (int r = 0; r < rows;) {
    const int height = rows - r >= kRows ? kRows : 1;
    for (int c = 0; c < columns;) {
      const int width = columns - c >= kColumns ? kColumns : 1;
      const auto *a = left + r * kMlpTile, *b = right + c * kMlpTile;
      auto* to = out + r * columns + c;
      if (height == kRows && width == kColumns) {
        correlate_block<kRows, kColumns, V>(a, b, points, to, columns);
      } else if (height == kRows) {
        correlate_block<kRows, 1, V>(a, b, points, to, columns);
      } else if (width == kColumns) {
        correlate_block<1, kColumns, V>(a, b, points, to, columns);
      } else {
        correlate_block<1, 1, V>(a, b, points, to, columns);
      }
      c += width;
    }
    r += height;
  }
}

// Activations of a tile: those of the input, then of each layer.
template <class Real>
struct Tile {
  std::unique_ptr<Real[]> memory;
  Real* activations[kMaxMlpLayers + 1];
  Real *v, *v_next;  // gradients of activations, of a layer and of the one before it

  explicit Tile(const TinyMlpLayers& layers) {
    int64_t rows = 2 * kMaxMlpWidth;
    for (int l = 0; l <= layers.count; ++l) rows += layers.widths[l];
    constexpr int64_t kAligned = 64 / sizeof(Real);
    memory.reset(new Real[rows * kMlpTile + kAligned]);
    const uintptr_t address = (reinterpret_cast<uintptr_t>(memory.get()) + 63) / 64 * 64;
    Real* next = reinterpret_cast<Real*>(address);
    for (int l = 0; l <= layers.count; ++l) activations[l] = next, next += int64_t(layers.widths[l]) * kMlpTile;
    v = next, v_next = next + kMaxMlpWidth * kMlpTile;
  }
};

// Rows of [rows, all] from point `first` on, as rows of a tile; zeros beyond `count`.
template <class Real>
void take_tile(const Real* from, int rows, int64_t all, int64_t first, int count, Real* tile) {
  for (int r = 0; r < rows; ++r) {
    Real* to = tile + r * kMlpTile;
    std::memcpy(to, from + r * all + first, sizeof(Real) * count);
    std::memset(to + count, 0, sizeof(Real) * (kMlpTile - count));
  }
}

template <class Real>
void give_tile(const Real* tile, int rows, int64_t all, int64_t first, int count, Real* to) {
  for (int r = 0; r < rows; ++r) std::memcpy(to + r * all + first, tile + r * kMlpTile, sizeof(Real) * count);
}

// All activations of a tile. Returns where the parameters of each layer start.
template <class V, class Real = typename V::Lane>
void forward_tile(const TinyMlpInput<Real>& input, int64_t first, int count, const Tile<Real>& tile) {
  take_tile(input.features, input.layers.widths[0], input.points, first, count, tile.activations[0]);
  const Real* parameters = input.parameters;
  for (int l = 0; l < input.layers.count; ++l) {
    const int inner = input.layers.widths[l], rows = input.layers.widths[l + 1];
    const Real* biases = parameters + int64_t(rows) * inner;
    Real* out = tile.activations[l + 1];
    const auto bias = [&](int row) { return V(biases[row]); };
    const Matrix<Real> weights = {parameters, rows, inner, inner, 1};
    if (l + 1 < input.layers.count) {
      // max returns its second argument where one is NaN.
      multiply<V>(weights, tile.activations[l], count, bias,
                  [&](int row, int at, V sum) { store(out + row * kMlpTile + at, max(V(0), sum)); });
    } else {
      multiply<V>(weights, tile.activations[l], count, bias, [&](int row, int at, V sum) { store(out + row * kMlpTile + at, sum); });
    }
    parameters = biases + rows;
  }
}

template <class V, class Real = typename V::Lane>
void backward_tile(const TinyMlpInput<Real>& input, int count, Tile<Real>& tile, bool to_features, Real* v_parameters) {
  int64_t end = 0;
  for (int l = 0; l < input.layers.count; ++l) end += int64_t(input.layers.widths[l] + 1) * input.layers.widths[l + 1];
  const int padded = (count + V::kLanes - 1) / V::kLanes * V::kLanes;
  for (int l = input.layers.count - 1; l >= 0; --l) {
    const int inner = input.layers.widths[l], rows = input.layers.widths[l + 1];
    const int64_t biases = end - rows, weights = biases - int64_t(rows) * inner;
    const Real* kept = tile.activations[l];
    correlate<V>(tile.v, rows, kept, inner, padded, v_parameters + weights);
    for (int r = 0; r < rows; ++r) {
      V total(0);
      for (int point = 0; point < padded; point += V::kLanes) total += load<V>(tile.v + r * kMlpTile + point);
      v_parameters[biases + r] += sum(total);
    }
    end = weights;
    if (l == 0 && !to_features) return;
    const Matrix<Real> transposed = {input.parameters + weights, inner, rows, 1, inner};
    const auto zero = [](int) { return V(0); };
    Real* out = tile.v_next;
    if (l > 0) {  // through the rectifier
      multiply<V>(transposed, tile.v, count, zero, [&](int row, int at, V sum) {
        const int64_t place = row * kMlpTile + at;
        store(out + place, select(load<V>(kept + place) > V(0), sum, V(0)));
      });
    } else {
      multiply<V>(transposed, tile.v, count, zero, [&](int row, int at, V sum) { store(out + row * kMlpTile + at, sum); });
    }
    std::swap(tile.v, tile.v_next);
  }
}

// body(first, count) for the tiles of a range.
template <class Body>
void for_each_tile(int64_t begin, int64_t end, const Body& body) {
  for (int64_t first = begin; first < end; first += kMlpTile)
    body(first, static_cast<int>(end - first < kMlpTile ? end - first : kMlpTile));
}

template <class V, class Real = typename V::Lane>
void forward(const TinyMlpInput<Real>& input, int64_t begin, int64_t end, Real* outputs) {
  const Tile<Real> tile(input.layers);
  const int last = input.layers.count;
  for_each_tile(begin, end, [&](int64_t first, int count) {
    forward_tile<V>(input, first, count, tile);
    give_tile(tile.activations[last], input.layers.widths[last], input.points, first, count, outputs);
  });
}

template <class V, class Real = typename V::Lane>
void backward(const TinyMlpInput<Real>& input, int64_t begin, int64_t end, const Real* v_outputs, Real* v_features, Real* v_parameters) {
  Tile<Real> tile(input.layers);
  for_each_tile(begin, end, [&](int64_t first, int count) {
    forward_tile<V>(input, first, count, tile);
    take_tile(v_outputs, input.layers.widths[input.layers.count], input.points, first, count, tile.v);
    backward_tile<V>(input, count, tile, v_features != nullptr, v_parameters);
    if (v_features != nullptr) give_tile(tile.v, input.layers.widths[0], input.points, first, count, v_features);
  });
}

using FloatVec = Vec<float, SPLATKIT_LANES>;
using DoubleVec = Vec<double, SPLATKIT_LANES / 2>;

constexpr TinyMlpKernelSet kernel_set = {{forward<FloatVec>, backward<FloatVec>}, {forward<DoubleVec>, backward<DoubleVec>}};

SPLATKIT_ISA_END

SPLATKIT_DEFINE_KERNEL_SET(TinyMlpKernelSet, tiny_mlp_kernels, kernel_set)
