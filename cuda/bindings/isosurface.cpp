#include "bindings/isosurface.h"

#include <nanobind/stl/tuple.h>

#include "bindings/call.h"
#include "isosurface/cell.h"
#include "isosurface/topology.h"

namespace nb = nanobind;

namespace splatkit {
using namespace portable;

namespace {

SurfaceGrid grid_of(const Call& call, bool closed) {
  SurfaceGrid grid = {call.first().size(0), {0, 0, 0}, closed};
  for (int axis = 0; axis < 3; ++axis) {
    grid.cells[axis] = call.first().size(axis + 1) - 1;
    if (grid.cells[axis] < 1) throw nb::value_error("field: expected [N, X + 1, Y + 1, Z + 1] with at least one cell along each axis");
  }
  return grid;
}

// Bytes of scratch for the surfaces of fields [N, X + 1, Y + 1, Z + 1].
int64_t surface_scratch_size_py(nb::handle field, bool closed) { return surface_scratch_size(grid_of(Call(field, "field"), closed)); }

// Cells, grid vertices, vertices, crossings, quads, and the number of the first value that is refused, or -1.
std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t> count_surface_py(nb::handle field, bool closed, nb::handle scratch,
                                                                                  int threads) {
  const Call call(field, "field");
  const SurfaceGrid grid = grid_of(call, closed);
  SurfaceCounts counts = {};
  call.in_precision([&](auto real) {
    using Real = decltype(real);
    const Real* values = call.data<Real>(call.first(), {-1, -1, -1, -1});
    void* bytes = call.data<uint8_t>(scratch, "scratch", {surface_scratch_size(grid)});
    call.run<Real>(
        threads, [&](auto stream) { counts = count_surface_cuda(grid, values, bytes, stream); },
        [&](auto count) { counts = count_surface(grid, values, bytes, count); });
  });
  return {counts.cells, counts.grid_vertices, counts.vertices, counts.crossings, counts.quads, counts.refused};
}

void fill_surface_py(nb::handle field, bool closed, nb::handle scratch, nb::tuple outputs, int threads) {
  const Call call(field, "field");
  const SurfaceGrid grid = grid_of(call, closed);
  SurfaceTopology out = {};
  out.cells = call.data<int64_t>(outputs[0], "cells", {-1});
  out.cases = call.data<uint8_t>(outputs[1], "cases", {-1});
  out.corners = call.data<int32_t>(outputs[2], "corners", {-1, 8});
  out.first_vertex = call.data<int32_t>(outputs[3], "first_vertex", {-1});
  out.first_crossing = call.data<int32_t>(outputs[4], "first_crossing", {-1});
  out.grid_vertices = call.data<int64_t>(outputs[5], "grid_vertices", {-1});
  out.coordinates = call.data<int32_t>(outputs[6], "coordinates", {-1, 3});
  out.vertex_cells = call.data<int32_t>(outputs[7], "vertex_cells", {-1});
  out.quads = call.data<int32_t>(outputs[8], "quads", {-1, 4});
  out.crossing_quads = call.data<int32_t>(outputs[9], "crossing_quads", {-1});
  out.field_vertices = call.data<int64_t>(outputs[10], "field_vertices", {grid.fields + 1});
  out.field_quads = call.data<int64_t>(outputs[11], "field_quads", {grid.fields + 1});
  out.slab_cells = call.data<int64_t>(outputs[12], "slab_cells", {Lattice(grid).slabs() + 1});
  const void* bytes = call.data<uint8_t>(scratch, "scratch", {surface_scratch_size(grid)});
  call.run<float>(
      threads, [&](auto stream) { fill_surface_cuda(grid, bytes, out, stream); },
      [&](auto count) { fill_surface(grid, bytes, out, count); });
}

template <class Real>
const Real* optional_data(const Call& call, nb::handle object, const char* name, std::initializer_list<int64_t> shape) {
  return object.is_none() ? nullptr : call.data<Real>(object, name, shape);
}

// topology: cases, corners, first_vertex, first_crossing, vertex_cells, quads, crossing_quads, slab_cells; parameters: points, alphas,
// betas, gammas.
template <class Real>
SurfaceInput<Real> input_of(const Call& call, const nb::tuple& topology, const nb::tuple& parameters) {
  SurfaceInput<Real> input = {};
  const TensorArgument cases(topology[0], "cases"), vertex_cells(topology[4], "vertex_cells"), quads(topology[5], "quads");
  const TensorArgument crossing_quads(topology[6], "crossing_quads"), slab_cells(topology[7], "slab_cells");
  const TensorArgument points(parameters[0], "points");
  const int64_t cells = cases.size(0);
  input.active_cells = cells, input.grid_vertices = call.first().size(0), input.vertices = vertex_cells.size(0);
  input.crossings = crossing_quads.size(0), input.quads = quads.size(0);
  input.slabs = slab_cells.size(0) - 1;
  input.channels = static_cast<int>(points.size(1));
  if (input.channels < 3) throw nb::value_error("points: expected [B, C] with C >= 3");
  input.cases = call.data<uint8_t>(cases, {cells});
  input.corners = call.data<int32_t>(topology[1], "corners", {cells, 8});
  input.first_vertex = call.data<int32_t>(topology[2], "first_vertex", {cells + 1});
  input.first_crossing = call.data<int32_t>(topology[3], "first_crossing", {cells + 1});
  input.vertex_cells = call.data<int32_t>(vertex_cells, {-1});
  input.quad_vertices = call.data<int32_t>(quads, {-1, 4});
  input.crossing_quads = call.data<int32_t>(crossing_quads, {-1});
  input.slab_cells = call.data<int64_t>(slab_cells, {input.slabs + 1});
  input.values = call.data<Real>(call.first(), {input.grid_vertices});
  input.points = call.data<Real>(points, {input.grid_vertices, input.channels});
  input.alphas = optional_data<Real>(call, parameters[1], "alphas", {cells, 8});
  input.betas = optional_data<Real>(call, parameters[2], "betas", {cells, 12});
  input.gammas = optional_data<Real>(call, parameters[3], "gammas", {cells});
  return input;
}

void surface_vertices_py(nb::tuple topology, nb::handle values, nb::tuple parameters, bool centers, nb::handle vertices,
                         nb::handle deviations, int threads) {
  const Call call(values, "values");
  call.in_precision([&](auto real) {
    using Real = decltype(real);
    const auto input = input_of<Real>(call, topology, parameters);
    Real* out = call.data<Real>(vertices, "vertices", {input.vertices + (centers ? input.quads : 0), input.channels});
    Real* uneven = const_cast<Real*>(optional_data<Real>(call, deviations, "deviations", {input.crossings}));
    call.run<Real>(
        threads, [&](auto stream) { surface_vertices_cuda(input, centers, out, uneven, stream); },
        [&](auto count) { surface_vertices(input, centers, out, uneven, count); });
  });
}

// Numbers of scratch that gradients with respect to values [B] and points [B, channels] take.
int64_t gradient_scratch_size(const Call& call, int64_t quads, int channels) {
  return kQuadScratch * quads + (call.on_cuda() ? corner_slots_size(call.first().size(0), channels) : 0);
}
int64_t surface_gradient_scratch_size_py(nb::handle values, int64_t quads, int channels) {
  return gradient_scratch_size(Call(values, "values"), quads, channels);
}

// outputs: v_values, v_points, v_alphas, v_betas, v_gammas; the last three None where the parameter is.
void surface_vertices_backward_py(nb::tuple topology, nb::handle values, nb::tuple parameters, bool centers, nb::handle vertices,
                                  nb::handle v_vertices, nb::handle v_deviations, nb::tuple outputs, nb::handle scratch, int threads) {
  const Call call(values, "values");
  call.in_precision([&](auto real) {
    using Real = decltype(real);
    const auto input = input_of<Real>(call, topology, parameters);
    const int64_t rows = input.vertices + (centers ? input.quads : 0), cells = input.active_cells;
    SurfaceGradient<Real> gradient = {};
    gradient.centers = centers;
    gradient.vertices = call.data<Real>(vertices, "vertices", {rows, input.channels});
    gradient.v_vertices = call.data<Real>(v_vertices, "v_vertices", {rows, input.channels});
    gradient.v_deviations = optional_data<Real>(call, v_deviations, "v_deviations", {input.crossings});
    gradient.v_values = call.data<Real>(outputs[0], "v_values", {input.grid_vertices});
    gradient.v_points = call.data<Real>(outputs[1], "v_points", {input.grid_vertices, input.channels});
    gradient.v_alphas = const_cast<Real*>(optional_data<Real>(call, outputs[2], "v_alphas", {cells, 8}));
    gradient.v_betas = const_cast<Real*>(optional_data<Real>(call, outputs[3], "v_betas", {cells, 12}));
    gradient.v_gammas = const_cast<Real*>(optional_data<Real>(call, outputs[4], "v_gammas", {cells}));
    gradient.scratch = call.data<Real>(scratch, "scratch", {gradient_scratch_size(call, input.quads, input.channels)});
    call.run<Real>(
        threads, [&](auto stream) { surface_vertices_backward_cuda(input, gradient, stream); },
        [&](auto count) { surface_vertices_backward(input, gradient, count); });
  });
}

void surface_faces_py(nb::tuple topology, nb::handle values, nb::tuple parameters, bool centers, nb::handle vertices, nb::handle faces,
                      int threads) {
  const Call call(values, "values");
  call.in_precision([&](auto real) {
    using Real = decltype(real);
    const auto input = input_of<Real>(call, topology, parameters);
    const Real* at = call.data<Real>(vertices, "vertices", {-1, input.channels});
    int64_t* out = call.data<int64_t>(faces, "faces", {(centers ? 4 : 2) * input.quads, 3});
    call.run<Real>(
        threads, [&](auto stream) { surface_faces_cuda(input, centers, at, out, stream); },
        [&](auto count) { surface_faces(input, centers, at, out, count); });
  });
}

// raw [raw rows, width], places [rows] or None, values [rows, width].
WeightRows rows_of(const Call& call, int64_t raw_count, nb::handle places, const TensorArgument& values) {
  WeightRows rows = {values.size(0), raw_count, values.size(1), nullptr};
  if (rows.width > kMaxRowWidth) throw nb::value_error("raw: expected rows of at most 16 numbers");
  if (!places.is_none()) rows.places = call.data<int64_t>(places, "places", {rows.count});
  return rows;
}

void range_values_py(nb::handle raw, nb::handle places, double rate, double scale, double offset, nb::handle values, int threads) {
  const Call call(raw, "raw");
  call.in_precision([&](auto real) {
    using Real = decltype(real);
    const TensorArgument out(values, "values");
    const WeightRows rows = rows_of(call, call.first().size(0), places, out);
    const Real* from = call.data<Real>(call.first(), {rows.places == nullptr ? rows.count : -1, rows.width});
    Real* to = call.data<Real>(out, {rows.count, rows.width});
    const WeightRange range = {rate, scale, offset};
    call.run<Real>(
        threads, [&](auto stream) { range_values_cuda(range, rows, from, to, stream); },
        [&](auto workers) { range_values(range, rows, from, to, workers); });
  });
}

void range_backward_py(nb::handle values, nb::handle places, double rate, double scale, double offset, nb::handle v_values,
                       nb::handle v_raw, int threads) {
  const Call call(values, "values");
  call.in_precision([&](auto real) {
    using Real = decltype(real);
    const TensorArgument out(v_raw, "v_raw");
    const WeightRows rows = rows_of(call, out.size(0), places, call.first());
    const Real* from = call.data<Real>(call.first(), {rows.count, rows.width});
    const Real* v = call.data<Real>(v_values, "v_values", {rows.count, rows.width});
    Real* to = call.data<Real>(out, {rows.places == nullptr ? rows.count : -1, rows.width});
    const WeightRange range = {rate, scale, offset};
    call.run<Real>(
        threads, [&](auto stream) { range_backward_cuda(range, rows, from, v, to, stream); },
        [&](auto workers) { range_backward(range, rows, from, v, to, workers); });
  });
}

// For tests: the edges of a case, loop by loop, and its problem face.
nb::tuple surface_case_py(int number) {
  const SurfaceCase& found = surface_case(number & 255);
  nb::list loops;
  for (int loop = 0; loop < found.loops; ++loop) {
    nb::list edges;
    for (int i = found.begin[loop]; i < found.begin[loop + 1]; ++i) edges.append(static_cast<int>(found.edges[i]));
    loops.append(nb::tuple(edges));
  }
  return nb::make_tuple(nb::tuple(loops), static_cast<int>(found.problem_face));
}

}  // namespace

void bind_isosurface(nb::module_& module) {
  module.def("surface_scratch_size", &surface_scratch_size_py);
  module.def("count_surface", &count_surface_py);
  module.def("fill_surface", &fill_surface_py);
  module.def("surface_vertices", &surface_vertices_py, nb::arg("topology"), nb::arg("values"), nb::arg("parameters"), nb::arg("centers"),
             nb::arg("vertices"), nb::arg("deviations").none(), nb::arg("threads"));
  module.def("surface_gradient_scratch_size", &surface_gradient_scratch_size_py);
  module.def("surface_vertices_backward", &surface_vertices_backward_py, nb::arg("topology"), nb::arg("values"), nb::arg("parameters"),
             nb::arg("centers"), nb::arg("vertices"), nb::arg("v_vertices"), nb::arg("v_deviations").none(), nb::arg("outputs"),
             nb::arg("scratch"), nb::arg("threads"));
  module.def("surface_faces", &surface_faces_py);
  module.def("range_values", &range_values_py, nb::arg("raw"), nb::arg("places").none(), nb::arg("rate"), nb::arg("scale"),
             nb::arg("offset"), nb::arg("values"), nb::arg("threads"));
  module.def("range_backward", &range_backward_py, nb::arg("values"), nb::arg("places").none(), nb::arg("rate"), nb::arg("scale"),
             nb::arg("offset"), nb::arg("v_values"), nb::arg("v_raw"), nb::arg("threads"));
  module.def("surface_case", &surface_case_py);
}

}  // namespace splatkit
