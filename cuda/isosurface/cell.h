// The vertices of one active cell and their gradients. FlexiCubes (arXiv 2308.05371), eqs. 3 to 5; definition: splatkit/reference/isosurface.py.
// A vertex is a sum of corners with weights c that sum to one: all channels of a point are handled alike. Real: float or double.
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

// What is read of a cell: rows of its corners, -1 beyond the grid, their values and weights.
template <class Real>
struct CellData {
  const SurfaceCase& found;
  int64_t row[8];
  Real value[8], alpha[8], beta[12];

  SPLATKIT_HD CellData(const SurfaceInput<Real>& input, int64_t cell) : found(surface_case(input.cases[cell])) {
    for (int c = 0; c < 8; ++c) {
      row[c] = input.corners[8 * cell + c];
      value[c] = row[c] < 0 ? Real(0) : input.values[row[c]];
      alpha[c] = input.alphas == nullptr ? Real(1) : input.alphas[8 * cell + c];
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
  Real corner_weight[8];
  unsigned corners;  // bits of the corners at the loop's edges; a weight may be zero there

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
    for (int c = 0; c < 8; ++c) corner_weight[c] = 0;
    corners = 0;
    for (int i = 0; i < edges; ++i) {
      corners |= 1u << low[i] | 1u << high[i];
      weight[i] = cell.beta[edge[i]] * inverse_beta;
      corner_weight[low[i]] += weight[i] * (Real(1) - t[i]);
      corner_weight[high[i]] += weight[i] * t[i];
    }
  }
};

// One channel of a vertex, summed from a corner's value on: differences of near points lose no digits.
template <class Real>
SPLATKIT_HD Real channel_of(const CellData<Real>& cell, const Loop<Real>& loop, const Real* points, int channels, int channel) {
  const Real anchor = points[cell.row[loop.low[0]] * channels + channel];
  Real sum = 0;
  for (int c = 0; c < 8; ++c) {
    if (loop.corners >> c & 1) sum += loop.corner_weight[c] * (points[cell.row[c] * channels + channel] - anchor);
  }
  return anchor + sum;
}

// Distances of the vertex [3] from the crossings without alphas, and their mean.
template <class Real>
SPLATKIT_HD Real find_distances(const CellData<Real>& cell, const Loop<Real>& loop, const Real* points, int channels, const Real* vertex,
                                Real (&offset)[kMaxLoopEdges][3], Real (&distance)[kMaxLoopEdges]) {
  Real mean = 0;
  for (int i = 0; i < loop.edges; ++i) {
    const Real *low = points + cell.row[loop.low[i]] * channels, *high = points + cell.row[loop.high[i]] * channels;
    Real square = 0;
    for (int k = 0; k < 3; ++k) {
      offset[i][k] = low[k] - vertex[k] + loop.plain[i] * (high[k] - low[k]);
      square += offset[i][k] * offset[i][k];
    }
    distance[i] = sqrt(square);
    mean += distance[i];
  }
  return mean / Real(loop.edges);
}

template <class Real>
SPLATKIT_HD void cell_vertices(const SurfaceInput<Real>& input, int64_t number, Real* vertices, Real* deviations) {
  const CellData<Real> cell(input, number);
  for (int l = 0; l < cell.found.loops; ++l) {
    const Loop<Real> loop(cell, l);
    Real* vertex = vertices + (int64_t(input.first_vertex[number]) + l) * input.channels;
    for (int channel = 0; channel < input.channels; ++channel) vertex[channel] = channel_of(cell, loop, input.points, input.channels, channel);
    if (deviations == nullptr) continue;
    Real offset[kMaxLoopEdges][3], distance[kMaxLoopEdges];
    const Real mean = find_distances(cell, loop, input.points, input.channels, vertex, offset, distance);
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

// Numbers of scratch of the backward pass: slots of the corners, and of the quads.
SPLATKIT_HD int64_t surface_gradient_scratch_size(int64_t grid_vertices, int64_t quads, int channels) {
  return 8 * grid_vertices * (1 + channels) + kQuadScratch * quads;
}

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

// Gradients of one cell. Those of its corners go to places of their own, slots[(row * 8 + corner) * (1 + C)]: value, then channels; their sum
// is another pass's, in a fixed order.
template <class Real>
SPLATKIT_HD void cell_backward(const SurfaceInput<Real>& input, const SurfaceGradient<Real>& gradient, const Real* quads, Real* slots,
                               int64_t number) {
  const CellData<Real> cell(input, number);
  const int channels = input.channels, stride = 1 + channels;
  Real v_value[8] = {0}, v_alpha[8] = {0}, v_beta[12] = {0}, v_gamma = 0;
  Real v_position[8][3] = {{0}};  // of the corners, by the deviations
  const int32_t* crossing_quads = input.crossing_quads + input.first_crossing[number];
  for (int l = 0; l < cell.found.loops; ++l) {
    const Loop<Real> loop(cell, l);
    const int64_t vertex = int64_t(input.first_vertex[number]) + l;
    const int32_t* loop_quads = crossing_quads + cell.found.begin[l];
    Real pull[3] = {0};  // of the deviations on the vertex
    if (gradient.v_deviations != nullptr) {
      Real offset[kMaxLoopEdges][3], distance[kMaxLoopEdges], v_distance[kMaxLoopEdges], v_mean = 0;
      const Real mean =
          find_distances(cell, loop, input.points, channels, gradient.vertices + vertex * channels, offset, distance);
      const Real* v_deviations = gradient.v_deviations + input.first_crossing[number] + cell.found.begin[l];
      for (int i = 0; i < loop.edges; ++i) {
        v_distance[i] = distance[i] > mean ? v_deviations[i] : (distance[i] < mean ? -v_deviations[i] : Real(0));
        v_mean += v_distance[i];
      }
      v_mean = v_mean / Real(loop.edges);
      for (int i = 0; i < loop.edges; ++i) {
        const Real scale = distance[i] > Real(0) ? (v_distance[i] - v_mean) / distance[i] : Real(0);
        const int low = loop.low[i], high = loop.high[i];
        const Real *at_low = input.points + cell.row[low] * channels, *at_high = input.points + cell.row[high] * channels;
        Real v_plain = 0;
        for (int k = 0; k < 3; ++k) {
          const Real v = scale * offset[i][k];
          pull[k] -= v;
          v_position[low][k] += (Real(1) - loop.plain[i]) * v;
          v_position[high][k] += loop.plain[i] * v;
          v_plain += v * (at_high[k] - at_low[k]);
        }
        if (!loop.border[i]) zero_between_backward(cell.value[low], cell.value[high], v_plain, v_value[low], v_value[high]);
      }
    }
    Real v_corner_weight[8] = {0};
    const int64_t anchor = cell.row[loop.low[0]];
    for (int channel = 0; channel < channels; ++channel) {
      Real v = vertex_gradient(input, gradient, quads, vertex, loop_quads, loop.edges, channel);
      if (channel < 3) v += pull[channel];
      for (int c = 0; c < 8; ++c) {
        if (!(loop.corners >> c & 1)) continue;
        v_corner_weight[c] += v * (input.points[cell.row[c] * channels + channel] - input.points[anchor * channels + channel]);
        const Real v_point = loop.corner_weight[c] * v;
        if (channel < 3) {
          v_position[c][channel] += v_point;
        } else {
          slots[(cell.row[c] * 8 + c) * stride + 1 + channel] += v_point;
        }
      }
    }
    Real v_weight[kMaxLoopEdges], mean = 0;
    for (int i = 0; i < loop.edges; ++i) {
      const int low = loop.low[i], high = loop.high[i];
      v_weight[i] = (Real(1) - loop.t[i]) * v_corner_weight[low] + loop.t[i] * v_corner_weight[high];
      mean += loop.weight[i] * v_weight[i];
      if (loop.border[i]) continue;
      const Real a = cell.value[low], b = cell.value[high], v_t = loop.weight[i] * (v_corner_weight[high] - v_corner_weight[low]);
      Real v_low = 0, v_high = 0;
      zero_between_backward(a * cell.alpha[low], b * cell.alpha[high], v_t, v_low, v_high);
      v_value[low] += v_low * cell.alpha[low], v_alpha[low] += v_low * a;
      v_value[high] += v_high * cell.alpha[high], v_alpha[high] += v_high * b;
    }
    for (int i = 0; i < loop.edges; ++i) v_beta[loop.edge[i]] += (v_weight[i] - mean) * loop.inverse_beta;
    if (gradient.centers && gradient.v_gammas != nullptr) {
      for (int i = 0; i < loop.edges; ++i) {
        if (loop_quads[i] >= 0) v_gamma += quads[kQuadScratch * (loop_quads[i] / 4) + 1 + loop_quads[i] % 4];
      }
    }
  }
  for (int c = 0; c < 8; ++c) {
    if (cell.row[c] < 0) continue;
    Real* slot = slots + (cell.row[c] * 8 + c) * stride;
    slot[0] = v_value[c];
    for (int k = 0; k < 3; ++k) slot[1 + k] = v_position[c][k];
  }
  if (gradient.v_alphas != nullptr) {
    for (int c = 0; c < 8; ++c) gradient.v_alphas[8 * number + c] = v_alpha[c];
  }
  if (gradient.v_betas != nullptr) {
    for (int e = 0; e < 12; ++e) gradient.v_betas[12 * number + e] = v_beta[e];
  }
  if (gradient.v_gammas != nullptr) gradient.v_gammas[number] = v_gamma;
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
        const Real difference = vertices[quad.vertex[diagonal] * input.channels + k] - vertices[quad.vertex[diagonal + 2] * input.channels + k];
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
