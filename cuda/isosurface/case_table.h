// The case table of dual marching cubes, derived by the compiler; the rules are told in splatkit/reference/case_table.py.
#pragma once
#include <cstdint>

#include "common/host_device.h"

SPLATKIT_ISA_BEGIN

// Edge 4 a + i runs along axis a from the corner that lies i & 1 along the next axis and i >> 1 along the one after.
SPLATKIT_HD constexpr int low_corner(int edge) { return (edge & 1) << (edge / 4 + 1) % 3 | (edge >> 1 & 1) << (edge / 4 + 2) % 3; }
SPLATKIT_HD constexpr int high_corner(int edge) { return low_corner(edge) | 1 << edge / 4; }

constexpr int kMaxLoops = 4, kMaxLoopEdges = 7;  // of all cases; a test counts them

struct SurfaceCase {
  int8_t loops;                 // vertices of the surface in the cell
  int8_t problem_face;          // 2 axis + side, or -1
  int8_t begin[kMaxLoops + 1];  // of a loop among the edges; begin[loops]: number of crossed edges
  int8_t edges[12];             // loop by loop, each counter-clockwise seen from outside
  int8_t place[12];             // of an edge among `edges`; -1 where not crossed
  int8_t loop_of[12];
};

struct SurfaceCases {
  SurfaceCase at[256];
};

namespace case_derivation {

constexpr int edge_between(int a, int b) {
  for (int edge = 0; edge < 12; ++edge) {
    if ((low_corner(edge) == a && high_corner(edge) == b) || (low_corner(edge) == b && high_corner(edge) == a)) return edge;
  }
  return -1;
}

// Corner k of a face, counter-clockwise seen from outside of the cell.
constexpr int face_corner(int face, int k) {
  const int axis = face / 2, side = face % 2, u = 1 << (axis + 1) % 3, v = 1 << (axis + 2) % 3;
  const int first = side << axis, second = side ? u : v, fourth = side ? v : u;
  return first | (k == 1 || k == 2 ? second : 0) | (k == 2 || k == 3 ? fourth : 0);
}

// Writes the edge that follows each edge which enters the inside on this face, and returns the number of these edges.
constexpr int face_segments(int number, int face, int (&following)[12], int (&starts)[2]) {
  int inside[4] = {0}, edges[4] = {0}, count = 0;
  for (int k = 0; k < 4; ++k) inside[k] = number >> face_corner(face, k) & 1;
  for (int k = 0; k < 4; ++k) edges[k] = edge_between(face_corner(face, k), face_corner(face, (k + 1) % 4));
  for (int k = 0; k < 4; ++k) {
    if (inside[k] || !inside[(k + 1) % 4]) continue;
    int end = (k + 1) % 4;
    while (inside[(end + 1) % 4]) end = (end + 1) % 4;
    following[edges[k]] = edges[end];
    starts[count++] = edges[k];
  }
  return count;
}

constexpr SurfaceCase make_case(int number) {
  SurfaceCase out = {};
  int following[12] = {0}, starts[2] = {0};
  for (int edge = 0; edge < 12; ++edge) out.place[edge] = out.loop_of[edge] = -1, following[edge] = -1;
  for (int face = 0; face < 6; ++face) face_segments(number, face, following, starts);
  int count = 0;
  for (int first = 0; first < 12; ++first) {
    if (following[first] < 0 || out.place[first] >= 0) continue;
    for (int edge = first; out.place[edge] < 0; edge = following[edge]) {
      out.edges[count] = static_cast<int8_t>(edge);
      out.place[edge] = static_cast<int8_t>(count++);
      out.loop_of[edge] = out.loops;
    }
    out.begin[++out.loops] = static_cast<int8_t>(count);
  }
  for (int loop = out.loops; loop < kMaxLoops; ++loop) out.begin[loop + 1] = static_cast<int8_t>(count);
  out.problem_face = -1;
  for (int face = 0; face < 6; ++face) {
    if (face_segments(number, face, following, starts) == 2 && out.loop_of[starts[0]] == out.loop_of[starts[1]]) {
      out.problem_face = static_cast<int8_t>(face);
    }
  }
  return out;
}

constexpr SurfaceCases make_cases() {
  SurfaceCases cases = {};
  for (int number = 0; number < 256; ++number) cases.at[number] = make_case(number);
  return cases;
}

}  // namespace case_derivation

static constexpr SurfaceCases kSurfaceCases = case_derivation::make_cases();
#if defined(__CUDACC__)
static __device__ const SurfaceCases device_surface_cases = case_derivation::make_cases();
#endif

SPLATKIT_HD const SurfaceCase& surface_case(int number) {
#if defined(__CUDA_ARCH__)
  return device_surface_cases.at[number];
#else
  return kSurfaceCases.at[number];
#endif
}

SPLATKIT_ISA_END
