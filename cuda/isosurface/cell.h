// The vertices of one active cell and their gradients. FlexiCubes (arXiv 2308.05371), eqs. 3 to 5; definition:
// splatkit/reference/isosurface.py. Real: float or double.
#pragma once
#include "common/scalar_math.h"
#include "include/splatkit_native.h"
#include "isosurface/case_table.h"

SPLATKIT_ISA_BEGIN

// Where on an edge the field is zero, from the low end's value on: low / (low - high). Signs differ; products with weights may underflow.
template <class Real>
SPLATKIT_HD Real zero_between(Real low, Real high) {
  const Real span = low - high;
  return span == Real(0) ? Real(0.5) : low / span;
}
// Adds the gradient of zero_between.
template <class Real>
SPLATKIT_HD void zero_between_backward(Real low, Real high, Real v, Real& v_low, Real& v_high) {
  const Real span = low - high;
  const Real scale = span == Real(0) ? Real(0) : v / (span * span);
  v_low -= scale * high;
  v_high += scale * low;
}

// What is read of a cell: rows of its corners, -1 beyond the grid, their values and weights, and their places from the first corner that
// exists: differences of near points lose no digits.
template <class Real>
struct CellData {
  const SurfaceCase& found;
  int64_t row[8], anchor;
  Real value[8], alpha[8], beta[12], offset[8][3];

  SPLATKIT_HD CellData(const SurfaceInput<Real>& input, int64_t cell) : found(surface_case(input.cases[cell])), anchor(-1) {
    for (int c = 7; c >= 0; --c) {
      row[c] = input.corners[8 * cell + c];
      anchor = row[c] >= 0 ? row[c] : anchor;
    }
    const Real* first = input.points + anchor * input.channels;
    for (int c = 0; c < 8; ++c) {
      const int64_t at = row[c] < 0 ? anchor : row[c];
      value[c] = input.values[at];
      alpha[c] = input.alphas == nullptr ? Real(1) : input.alphas[8 * cell + c];
      for (int k = 0; k < 3; ++k) offset[c][k] = input.points[at * input.channels + k] - first[k];
    }
    for (int e = 0; e < 12; ++e) beta[e] = input.betas == nullptr ? Real(1) : input.betas[12 * cell + e];
  }
};

// Crossings of one vertex. At the border of the grid an edge has one end only, which is inside: its crossing lies there.
template <class Real>
struct Loop {
  int edges, low[kMaxLoopEdges], high[kMaxLoopEdges], edge[kMaxLoopEdges];
  Real t[kMaxLoopEdges];       // of the crossing, from low to high
  Real plain[kMaxLoopEdges];   // ... without alphas
  Real weight[kMaxLoopEdges];  // beta over the sum of betas
  Real inverse_beta;           // 1 / the sum of betas
  bool border[kMaxLoopEdges];
  Real vertex[3];  // from the cell's anchor

  SPLATKIT_HD Loop(const CellData<Real>& cell, int number) {
    const int first = cell.found.begin[number];
    edges = cell.found.begin[number + 1] - first;
    Real sum = 0;
    for (int i = 0; i < edges; ++i) {
      const int e = cell.found.edges[first + i];
      edge[i] = e, low[i] = low_corner(e), high[i] = high_corner(e);
      const bool no_low = cell.row[low[i]] < 0, no_high = cell.row[high[i]] < 0;
      if (no_low) low[i] = high[i];
      if (no_high) high[i] = low[i];
      border[i] = no_low || no_high;
      const Real a = cell.value[low[i]], b = cell.value[high[i]];
      t[i] = border[i] ? Real(0.5) : zero_between(a * cell.alpha[low[i]], b * cell.alpha[high[i]]);
      plain[i] = border[i] ? Real(0.5) : zero_between(a, b);
      sum += cell.beta[e];
    }
    inverse_beta = Real(1) / sum;
    for (int k = 0; k < 3; ++k) vertex[k] = 0;
    for (int i = 0; i < edges; ++i) {
      weight[i] = cell.beta[edge[i]] * inverse_beta;
      const Real *from = cell.offset[low[i]], *to = cell.offset[high[i]];
      for (int k = 0; k < 3; ++k) vertex[k] += weight[i] * (from[k] + t[i] * (to[k] - from[k]));
    }
  }
};

// A feature of a vertex.
template <class Real>
SPLATKIT_HD Real feature_of(const CellData<Real>& cell, const Loop<Real>& loop, const Real* points, int channels, int channel) {
  Real sum = 0;
  for (int i = 0; i < loop.edges; ++i) {
    const Real low = points[cell.row[loop.low[i]] * channels + channel], high = points[cell.row[loop.high[i]] * channels + channel];
    sum += loop.weight[i] * (low + loop.t[i] * (high - low));
  }
  return sum;
}

// Distances of the vertex from the crossings without alphas, and their mean.
template <class Real>
SPLATKIT_HD Real find_distances(const CellData<Real>& cell, const Loop<Real>& loop, Real (&away)[kMaxLoopEdges][3],
                                Real (&distance)[kMaxLoopEdges]) {
  Real mean = 0;
  for (int i = 0; i < loop.edges; ++i) {
    const Real *from = cell.offset[loop.low[i]], *to = cell.offset[loop.high[i]];
    Real square = 0;
    for (int k = 0; k < 3; ++k) {
      away[i][k] = from[k] - loop.vertex[k] + loop.plain[i] * (to[k] - from[k]);
      square += away[i][k] * away[i][k];
    }
    distance[i] = sqrt(square);
    mean += distance[i];
  }
  return mean / Real(loop.edges);
}

template <class Real>
SPLATKIT_HD void cell_vertices(const SurfaceInput<Real>& input, int64_t number, Real* vertices, Real* deviations) {
  const CellData<Real> cell(input, number);
  const int channels = input.channels;
  const Real* anchor = input.points + cell.anchor * channels;
  for (int l = 0; l < cell.found.loops; ++l) {
    const Loop<Real> loop(cell, l);
    Real* vertex = vertices + (int64_t(input.first_vertex[number]) + l) * channels;
    for (int k = 0; k < 3; ++k) vertex[k] = anchor[k] + loop.vertex[k];
    for (int channel = 3; channel < channels; ++channel) vertex[channel] = feature_of(cell, loop, input.points, channels, channel);
    if (deviations == nullptr) continue;
    Real away[kMaxLoopEdges][3], distance[kMaxLoopEdges];
    const Real mean = find_distances(cell, loop, away, distance);
    Real* out = deviations + input.first_crossing[number] + cell.found.begin[l];
    for (int i = 0; i < loop.edges; ++i) out[i] = abs(distance[i] - mean);
  }
}

// A quad's vertices and the products of gammas along its diagonals.
template <class Real>
struct Quad {
  int64_t vertex[4];
  Real gamma[4], share;  // share: of the even diagonal, from vertex 0 to vertex 2

  SPLATKIT_HD Quad(const SurfaceInput<Real>& input, int64_t number) {
    for (int k = 0; k < 4; ++k) {
      vertex[k] = input.quad_vertices[4 * number + k];
      gamma[k] = input.gammas == nullptr ? Real(1) : input.gammas[input.vertex_cells[vertex[k]]];
    }
    const Real even = gamma[0] * gamma[2], odd = gamma[1] * gamma[3];
    share = even / (even + odd);
  }
};

template <class Real>
SPLATKIT_HD void quad_center(const SurfaceInput<Real>& input, int64_t number, Real* vertices) {
  const Quad<Real> quad(input, number);
  Real* center = vertices + (input.vertices + number) * input.channels;
  for (int c = 0; c < input.channels; ++c) {
    Real at[4];
    for (int k = 0; k < 4; ++k) at[k] = vertices[quad.vertex[k] * input.channels + c];
    center[c] = Real(0.5) * (quad.share * (at[0] + at[2]) + (Real(1) - quad.share) * (at[1] + at[3]));
  }
}

// What the cells round a quad need of it: the share, and the gradients of the four gammas.
constexpr int kQuadScratch = 5;

template <class Real>
SPLATKIT_HD void quad_backward(const SurfaceInput<Real>& input, const SurfaceGradient<Real>& gradient, int64_t number, Real* scratch) {
  const Quad<Real> quad(input, number);
  const Real* v_center = gradient.v_vertices + (input.vertices + number) * input.channels;
  Real v_share = 0;
  for (int c = 0; c < input.channels; ++c) {
    Real at[4];
    for (int k = 0; k < 4; ++k) at[k] = gradient.vertices[quad.vertex[k] * input.channels + c];
    v_share += v_center[c] * Real(0.5) * ((at[0] - at[1]) + (at[2] - at[3]));
  }
  const Real v_log = v_share * quad.share * (Real(1) - quad.share);  // with respect to log(even / odd)
  Real* out = scratch + kQuadScratch * number;
  out[0] = quad.share;
  for (int k = 0; k < 4; ++k) out[1 + k] = (k % 2 == 0 ? v_log : -v_log) / quad.gamma[k];
}

// The gradient of one channel of a vertex, with what comes from the centers of its quads.
template <class Real>
SPLATKIT_HD Real vertex_gradient(const SurfaceInput<Real>& input, const SurfaceGradient<Real>& gradient, const Real* quads, int64_t vertex,
                                 const int32_t* crossing_quads, int edges, int channel) {
  Real v = gradient.v_vertices[vertex * input.channels + channel];
  if (!gradient.centers) return v;
  for (int i = 0; i < edges; ++i) {
    if (crossing_quads[i] < 0) continue;
    const int64_t quad = crossing_quads[i] / 4;
    const Real share = quads[kQuadScratch * quad], own = crossing_quads[i] % 2 == 0 ? share : Real(1) - share;
    v += Real(0.5) * own * gradient.v_vertices[(input.vertices + quad) * input.channels + channel];
  }
  return v;
}

// Gradients of a cell's corners and weights, summed over its loops.
template <class Real>
struct CellGradient {
  Real value[8] = {0}, alpha[8] = {0}, beta[12] = {0}, gamma = 0, position[8][3] = {{0}};
};

// Adds the gradient of a loop's deviations; pull: on the vertex.
template <class Real>
SPLATKIT_HD void deviations_backward(const CellData<Real>& cell, const Loop<Real>& loop, const Real* v_deviations, CellGradient<Real>& v,
                                     Real (&pull)[3]) {
  Real away[kMaxLoopEdges][3], distance[kMaxLoopEdges], v_distance[kMaxLoopEdges], v_mean = 0;
  const Real mean = find_distances(cell, loop, away, distance);
  for (int i = 0; i < loop.edges; ++i) {
    v_distance[i] = distance[i] > mean ? v_deviations[i] : (distance[i] < mean ? -v_deviations[i] : Real(0));
    v_mean += v_distance[i];
  }
  v_mean = v_mean / Real(loop.edges);
  for (int i = 0; i < loop.edges; ++i) {
    const Real scale = distance[i] > Real(0) ? (v_distance[i] - v_mean) / distance[i] : Real(0);
    const int low = loop.low[i], high = loop.high[i];
    Real v_plain = 0;
    for (int k = 0; k < 3; ++k) {
      const Real v_crossing = scale * away[i][k];
      pull[k] -= v_crossing;
      v.position[low][k] += (Real(1) - loop.plain[i]) * v_crossing;
      v.position[high][k] += loop.plain[i] * v_crossing;
      v_plain += v_crossing * (cell.offset[high][k] - cell.offset[low][k]);
    }
    if (!loop.border[i]) zero_between_backward(cell.value[low], cell.value[high], v_plain, v.value[low], v.value[high]);
  }
}

// Adds the gradient of a loop's vertex. v_weight and v_t hold what the features gave already.
template <class Real>
SPLATKIT_HD void loop_backward(const CellData<Real>& cell, const Loop<Real>& loop, const Real (&v_vertex)[3],
                               Real (&v_weight)[kMaxLoopEdges], Real (&v_t)[kMaxLoopEdges], CellGradient<Real>& v) {
  Real mean = 0;
  for (int i = 0; i < loop.edges; ++i) {
    const int low = loop.low[i], high = loop.high[i];
    const Real *from = cell.offset[low], *to = cell.offset[high], rest = Real(1) - loop.t[i];
    for (int k = 0; k < 3; ++k) {
      const Real along = v_vertex[k] * (to[k] - from[k]);
      v_weight[i] += v_vertex[k] * from[k] + loop.t[i] * along;
      v_t[i] += along;
      v.position[low][k] += loop.weight[i] * rest * v_vertex[k];
      v.position[high][k] += loop.weight[i] * loop.t[i] * v_vertex[k];
    }
    mean += loop.weight[i] * v_weight[i];
    if (loop.border[i]) continue;
    const Real a = cell.value[low], b = cell.value[high];
    Real v_low = 0, v_high = 0;
    zero_between_backward(a * cell.alpha[low], b * cell.alpha[high], loop.weight[i] * v_t[i], v_low, v_high);
    v.value[low] += v_low * cell.alpha[low], v.alpha[low] += v_low * a;
    v.value[high] += v_high * cell.alpha[high], v.alpha[high] += v_high * b;
  }
  for (int i = 0; i < loop.edges; ++i) v.beta[loop.edge[i]] += (v_weight[i] - mean) * loop.inverse_beta;
}

// Gradients of grid vertices, to which one cell after the other adds.
template <class Real>
struct CornerSums {
  Real *v_values, *v_points;
  int channels;

  SPLATKIT_HD CornerSums(const SurfaceInput<Real>& input, const SurfaceGradient<Real>& gradient)
      : v_values(gradient.v_values), v_points(gradient.v_points), channels(input.channels) {}
  SPLATKIT_HD void add_value(int64_t row, int, Real v) const { v_values[row] += v; }
  SPLATKIT_HD void add_channel(int64_t row, int, int channel, Real v) const { v_points[row * channels + channel] += v; }
};

// Gradients of grid vertices, whose cells add to places of their own, so that all can work at once: value, then channels, of the cell of
// which the vertex is corner 0, then 1, ... `sum_slots` adds them in this order.
template <class Real>
struct CornerSlots {
  Real* slots;
  int channels;

  SPLATKIT_HD void add_value(int64_t row, int corner, Real v) const { slots[(row * 8 + corner) * (1 + channels)] += v; }
  SPLATKIT_HD void add_channel(int64_t row, int corner, int channel, Real v) const {
    slots[(row * 8 + corner) * (1 + channels) + 1 + channel] += v;
  }
};
SPLATKIT_HD int64_t corner_slots_size(int64_t grid_vertices, int channels) { return 8 * grid_vertices * (1 + channels); }

// Gradients of one cell. Corners: CornerSums or CornerSlots.
template <class Real, class Corners>
SPLATKIT_HD void cell_backward(const SurfaceInput<Real>& input, const SurfaceGradient<Real>& gradient, const Real* quads,
                               const Corners& corners, int64_t number) {
  const CellData<Real> cell(input, number);
  const int channels = input.channels;
  CellGradient<Real> v;
  for (int l = 0; l < cell.found.loops; ++l) {
    const Loop<Real> loop(cell, l);
    const int64_t vertex = int64_t(input.first_vertex[number]) + l, crossing = int64_t(input.first_crossing[number]) + cell.found.begin[l];
    const int32_t* loop_quads = input.crossing_quads + crossing;
    Real v_vertex[3] = {0}, v_weight[kMaxLoopEdges] = {0}, v_t[kMaxLoopEdges] = {0};
    if (gradient.v_deviations != nullptr) deviations_backward(cell, loop, gradient.v_deviations + crossing, v, v_vertex);
    for (int k = 0; k < 3; ++k) v_vertex[k] += vertex_gradient(input, gradient, quads, vertex, loop_quads, loop.edges, k);
    for (int channel = 3; channel < channels; ++channel) {
      const Real v_feature = vertex_gradient(input, gradient, quads, vertex, loop_quads, loop.edges, channel);
      for (int i = 0; i < loop.edges; ++i) {
        const int64_t low = cell.row[loop.low[i]], high = cell.row[loop.high[i]];
        const Real from = input.points[low * channels + channel], along = v_feature * (input.points[high * channels + channel] - from);
        v_weight[i] += v_feature * from + loop.t[i] * along;
        v_t[i] += along;
        corners.add_channel(low, loop.low[i], channel, loop.weight[i] * (Real(1) - loop.t[i]) * v_feature);
        corners.add_channel(high, loop.high[i], channel, loop.weight[i] * loop.t[i] * v_feature);
      }
    }
    loop_backward(cell, loop, v_vertex, v_weight, v_t, v);
    for (int i = 0; i < loop.edges && gradient.centers; ++i) {
      if (loop_quads[i] >= 0) v.gamma += quads[kQuadScratch * (loop_quads[i] / 4) + 1 + loop_quads[i] % 4];
    }
  }
  for (int c = 0; c < 8; ++c) {
    if (cell.row[c] < 0) continue;
    corners.add_value(cell.row[c], c, v.value[c]);
    for (int k = 0; k < 3; ++k) corners.add_channel(cell.row[c], c, k, v.position[c][k]);
  }
  for (int c = 0; c < 8 && gradient.v_alphas != nullptr; ++c) gradient.v_alphas[8 * number + c] = v.alpha[c];
  for (int e = 0; e < 12 && gradient.v_betas != nullptr; ++e) gradient.v_betas[12 * number + e] = v.beta[e];
  if (gradient.v_gammas != nullptr) gradient.v_gammas[number] = v.gamma;
}

// Sums the slots of a grid vertex.
template <class Real>
SPLATKIT_HD void sum_slots(const SurfaceInput<Real>& input, const SurfaceGradient<Real>& gradient, const Real* slots, int64_t vertex) {
  const int stride = 1 + input.channels;
  for (int channel = 0; channel < stride; ++channel) {
    Real sum = 0;
    for (int c = 0; c < 8; ++c) sum += slots[(vertex * 8 + c) * stride + channel];
    if (channel == 0) {
      gradient.v_values[vertex] = sum;
    } else {
      gradient.v_points[vertex * input.channels + channel - 1] = sum;
    }
  }
}

template <class Real>
SPLATKIT_HD void quad_faces(const SurfaceInput<Real>& input, bool centers, const Real* vertices, int64_t number, int64_t* faces) {
  const Quad<Real> quad(input, number);
  if (centers) {
    for (int k = 0; k < 4; ++k) {
      int64_t* face = faces + 12 * number + 3 * k;
      face[0] = quad.vertex[k], face[1] = quad.vertex[(k + 1) % 4], face[2] = input.vertices + number;
    }
    return;
  }
  const Real even = quad.gamma[0] * quad.gamma[2], odd = quad.gamma[1] * quad.gamma[3];
  bool along_even = even > odd;
  if (even == odd) {
    Real length[2] = {0, 0};
    for (int diagonal = 0; diagonal < 2; ++diagonal) {
      for (int k = 0; k < 3; ++k) {
        const Real difference =
            vertices[quad.vertex[diagonal] * input.channels + k] - vertices[quad.vertex[diagonal + 2] * input.channels + k];
        length[diagonal] += difference * difference;
      }
    }
    along_even = length[0] <= length[1];
  }
  const int first = along_even ? 0 : 1;
  int64_t* face = faces + 6 * number;
  for (int k = 0; k < 2; ++k) {
    face[3 * k] = quad.vertex[first];
    face[3 * k + 1] = quad.vertex[(first + 1 + k) % 4];
    face[3 * k + 2] = quad.vertex[(first + 2 + k) % 4];
  }
}

SPLATKIT_ISA_END
