// The native contract of splatkit: every entry point with shapes, units and ownership. Plain C++, no torch, no Python.
// `name` runs on the CPU; `name_cuda` queues the same work on a CUDA stream, with pointers to memory of the current device.
//
// Arrays are dense and row-major; the caller owns and allocates all of them, outputs and scratch included. Real is float or double.
// C cameras, N splats, H x W pixels, D feature channels, T = tiles_x * tiles_y tiles of kTileSize^2 pixels a camera, M intersections.
// `v_x` is the gradient of the loss with respect to x. Results have the same bits for any number of threads on one instruction set.
#pragma once
#include <cstdint>

namespace splatkit {

constexpr int kTileSize = 16;
constexpr int kMaxChannels = 5;  // feature channels a rasterization call takes at most; the caller splits more

using CudaStream = void*;  // a cudaStream_t, without CUDA's headers

// Makes a CUDA device current for the calling thread and returns the one before.
int use_cuda_device(int index);
// Makes that one current again; where it cannot, the next call on the device says so.
void restore_cuda_device(int index) noexcept;

// Pixel rows and columns are covered by tiles; the last ones may stick out of the image.
#if defined(__CUDACC__)
__host__ __device__
#endif
    static inline int tile_count(int pixels) {
  return (pixels + kTileSize - 1) / kTileSize;
}

template <class Real>
struct ProjectionInput {
  int64_t cameras, splats;
  const Real* means;                  // [N, 3] world
  const Real* quats;                  // [N, 4] wxyz, any non-zero norm
  const Real* scales;                 // [N, 3] standard deviations, world units
  const Real* opacities;              // [N] in [0, 1]
  const Real* betas;                  // [N] exponents in [1, 8]
  const Real* viewmats;               // [C, 4, 4] world to camera, OpenCV axes
  const Real* Ks;                     // [C, 3, 3] px
  int width, height;                  // px
  double near, far;                   // z limits
  double eps2d;                       // px^2, added to the diagonal of the 2-D covariance; antialiased: the variance of a pixel
  int camera_model = 0;               // 0 pinhole, 1 orthographic, 2 fisheye
  const Real* distortions = nullptr;  // [C, 4] k1 to k4 of fisheye cameras; null for the others
  int kernel = 0;                     // place in the table of `splatting/profiles.h`
};

template <class Real>
struct ProjectionOutput {
  Real* means2d;  // [C, N, 2] px
  Real* depths;   // [C, N] z
  Real* conics;   // [C, N, 3] upper triangle of the inverse 2-D covariance
  Real* extents;  // [C, N, 2] px, half sizes of the support; (0, 0) and zeros above where the splat is not visible
  // Both or neither: antialiased, with the opacity and exponent that each camera sees.
  Real* opacities = nullptr;  // [C, N]
  Real* betas = nullptr;      // [C, N]
};

template <class Real>
struct ProjectionGradient {
  const Real* extents;    // [C, N, 2] as the forward pass returned them
  const Real* v_means2d;  // [C, N, 2]
  const Real* v_depths;   // [C, N]
  const Real* v_conics;   // [C, N, 3]
  Real* v_means;          // [N, 3]
  Real* v_quats;          // [N, 4]
  Real* v_scales;         // [N, 3]
  Real* v_viewmats;       // [C, 4, 4], last row zero; null, as v_Ks, where gradients of cameras are not wanted
  Real* v_Ks;             // [C, 3, 3], zero but for fx, fy, cx, cy
  double* scratch;        // projection_scratch_size() doubles, on CUDA projection_scratch_size_cuda(); not read without v_viewmats
  // All or none: antialiased.
  const Real* v_seen_opacities = nullptr;  // [C, N]
  const Real* v_seen_betas = nullptr;      // [C, N]
  Real* v_opacities = nullptr;             // [N]
  Real* v_betas = nullptr;                 // [N]
};

int64_t projection_scratch_size_cuda(int64_t cameras, int64_t splats);
void project_splats_cuda(const ProjectionInput<float>& input, const ProjectionOutput<float>& output, CudaStream stream);
void project_splats_backward_cuda(const ProjectionInput<float>& input, const ProjectionGradient<float>& gradient, CudaStream stream);

int64_t projection_scratch_size(int64_t cameras, int64_t splats);
template <class Real>
void project_splats(const ProjectionInput<Real>& input, const ProjectionOutput<Real>& output, int threads);
template <class Real>
void project_splats_backward(const ProjectionInput<Real>& input, const ProjectionGradient<Real>& gradient, int threads);

template <class Real>
struct ShColorInput {
  int64_t cameras, splats, bases;  // bases: coefficients a splat holds, >= (degree + 1)^2
  int degree;                      // 0 to 3
  const Real* means;               // [N, 3]
  const Real* viewmats;            // [C, 4, 4]
  const Real* constants;           // coefficients of degree 0: three numbers every constant_stride
  const Real* others;              // of higher degrees: 3 (bases - 1) numbers every other_stride
  int64_t constant_stride, other_stride;
  const Real* extents;  // [C, N, 2]; splats with extent 0 are skipped
};

template <class Real>
struct ShColorGradient {
  const Real* colors;    // [C, N, 3] as the forward pass returned them
  const Real* v_colors;  // [C, N, 3]
  Real* v_constants;     // with the strides of what they are gradients of
  Real* v_others;        //
  Real* v_means;         // [N, 3]
  Real* v_viewmats;      // [C, 4, 4]; null where it is not wanted
  double* scratch;       // as for the projection; not read without v_viewmats
};

void sh_colors_cuda(const ShColorInput<float>& input, float* colors, CudaStream stream);
void sh_colors_backward_cuda(const ShColorInput<float>& input, const ShColorGradient<float>& gradient, CudaStream stream);

template <class Real>
void sh_colors(const ShColorInput<Real>& input, Real* colors, int threads);
template <class Real>
void sh_colors_backward(const ShColorInput<Real>& input, const ShColorGradient<Real>& gradient, int threads);

template <class Real>
struct SplatImageInput {
  int64_t cameras, splats;
  int width, height, channels;  // channels: 1 to kMaxChannels
  const Real* means2d;          // [C, N, 2] px
  const Real* conics;           // [C, N, 3]
  const Real* depths;           // [C, N] order of compositing; equal depths keep their index order
  const Real* extents;          // [C, N, 2]; 0 where a splat is not visible
  const Real* colors;           // [C, N, D]
  const Real* opacities;        // [N]
  const Real* betas;            // [N]
  int kernel = 0;               // as in ProjectionInput
};

// Which splats touch which tile, front to back.
struct TileLists {
  int64_t* splat_offsets;  // [C * N + 1] first gradient slot of a splat; slots of one splat are neighbors
  int64_t* tile_offsets;   // [C * T + 1] first intersection of a tile; behind the last tile, slots that no tile got (intersection.cu)
  int32_t* splat_ids;      // [M] splat of each intersection, by tile, then by depth
  int32_t* slots;          // [M] gradient slot of each intersection
};

// Fills splat_offsets and returns M.
template <class Real>
int64_t count_intersections(const SplatImageInput<Real>& input, int64_t* splat_offsets, int threads);
// Fills the rest.
template <class Real>
void fill_tile_lists(const SplatImageInput<Real>& input, const TileLists& lists, int threads);

// The same on CUDA. Scratch sizes are in bytes. The count waits for the stream: later allocations depend on it. The size for the lists
// depends on the device that is current; filling takes what was allocated, and throws where that is too little.
int64_t count_scratch_size_cuda(int64_t entries);  // entries: cameras * splats
int64_t count_intersections_cuda(const SplatImageInput<float>& input, int64_t* splat_offsets, void* scratch, CudaStream stream);
int64_t tile_lists_scratch_size_cuda(int64_t tiles, int64_t intersections);
void fill_tile_lists_cuda(const SplatImageInput<float>& input, const TileLists& lists, int64_t intersections, void* scratch,
                          int64_t scratch_size, CudaStream stream);

// features [C, H, W, D] over black; alphas [C, H, W].
template <class Real>
void rasterize_splats(const SplatImageInput<Real>& input, const TileLists& lists, Real* features, Real* alphas, int threads);

// Depth of the splat at which the transmittance of a pixel falls to one half, [C, H, W]; 0 where none brings it there.
template <class Real>
void median_depths(const SplatImageInput<Real>& input, const TileLists& lists, Real* depths, int threads);

template <class Real>
struct SplatImageGradient {
  const Real* features;    // [C, H, W, D] as the forward pass returned them
  const Real* alphas;      // [C, H, W]
  const Real* v_features;  // [C, H, W, D]
  const Real* v_alphas;    // [C, H, W]
  Real* v_means2d;         // [C, N, 2]
  Real* v_means2d_abs;     // [C, N, 2] sums over pixels of absolute gradients; null where not wanted
  Real* v_conics;          // [C, N, 3]
  Real* v_colors;          // [C, N, D]
  Real* v_opacities;       // [N]
  Real* v_betas;           // [N]; null where not wanted
  Real* scratch;           // [M, kSlotGradients + D], or fewer rows on the CPU
  // Rows of the scratch: with fewer than M the tiles are done in groups of at most so many intersections. At least N; 0 means M.
  int64_t scratch_rows = 0;
};
constexpr int kSlotGradients = 9;  // means2d 2, absolute 2, conic 3, opacity, beta

template <class Real>
void rasterize_splats_backward(const SplatImageInput<Real>& input, const TileLists& lists, const SplatImageGradient<Real>& gradient,
                               int threads);

void median_depths_cuda(const SplatImageInput<float>& input, const TileLists& lists, float* depths, CudaStream stream);
void rasterize_splats_cuda(const SplatImageInput<float>& input, const TileLists& lists, float* features, float* alphas, CudaStream stream);
// Without atomics: the same bits in every run.
void rasterize_splats_backward_cuda(const SplatImageInput<float>& input, const TileLists& lists, const SplatImageGradient<float>& gradient,
                                    CudaStream stream);

// The photometric loss of training, (1 - weight) * L1 + weight * (1 - SSIM), and its gradient in one go.
// SSIM: Gaussian window of 11 x 11, sigma 1.5, windows wholly inside the image, mean over windows and channels.
template <class Real>
struct PhotometricInput {
  int width, height, channels;  // both sides at least kSsimWindow
  const Real* rendered;         // [H, W, channels]
  const Real* target;           // [H, W, channels]
  double ssim_weight;
};
constexpr int kSsimWindow = 11;

template <class Real>
struct PhotometricOutput {
  Real* v_rendered;        // [H, W, channels] gradient of the loss
  Real *loss, *l1, *ssim;  // scalars: the loss and its two means
  Real* planes;            // scratch [5, channels, H, W]; on CUDA [3, channels, H, W]
  double* sums;            // scratch [2, channels, H]; on CUDA photometric_sums_size_cuda() doubles
};
template <class Real>
void photometric_loss(const PhotometricInput<Real>& input, const PhotometricOutput<Real>& output, int threads);

int64_t photometric_sums_size_cuda(int width, int height, int channels);
void photometric_loss_cuda(const PhotometricInput<float>& input, const PhotometricOutput<float>& output, CudaStream stream);

// Multiresolution encodings (splatkit/reference/encodings.py). N points, d dims, L levels, F features a level.
// One level of an encoding: scale in cells per unit length, its first entry and its entries in the table, and its dense index
// (modulus 0: hashed, size is then a power of two).
struct EncodingLevel {
  double scale;
  int64_t offset, size;
  int32_t modulus, step;
};
constexpr int kMaxEncodingLevels = 32;

struct EncodingLevels {
  int count, active;  // levels from `active` on yield zeros and no gradients, and cost nothing
  EncodingLevel at[kMaxEncodingLevels];
};

enum class TableType { kReal = 0, kBfloat16 = 1, kFloat16 = 2 };

template <class Real>
struct EncodingInput {
  int64_t points, entries;  // entries: of the whole table
  int dims, features;       // dims: 2 to 8; features: 1, 2, 4 or 8
  int lattice;              // 0 simplex, 1 Kuhn, 2 grid
  int interpolation;        // 0 linear, 1 smooth, 2 nearest, 3 stochastic
  uint32_t seed;            // of stochastic interpolation
  const Real* positions;    // [N, d]; held to [0, 1]
  const Real* tangents;     // [N, d]; null, or every weight is replaced by its derivative along this direction
  EncodingLevels levels;
};

// Sums of table entries by weights, features [L * F, N].
template <class Real>
void encode(const EncodingInput<Real>& input, const void* table, TableType type, Real* staged, Real* features, int threads);
// The transpose: v_table [entries, F] from v_features [L * F, N].
template <class Real>
void encode_scatter(const EncodingInput<Real>& input, const Real* v_features, Real* staged, Real* v_table, int threads);
// The gradient with respect to positions, v_positions [N, d]; with tangents, the Hessian's product with them.
template <class Real>
void encode_pull(const EncodingInput<Real>& input, const void* table, TableType type, const Real* v_features, Real* staged,
                 Real* v_positions, int threads);
// Numbers of Real that `staged` holds for N points.
int64_t encoding_scratch_size(int64_t points, int dims);

void encode_cuda(const EncodingInput<float>& input, const void* table, TableType type, float* features, CudaStream stream);
// Sums by atomic additions: the last bits may differ from run to run. With totals, zeros for each value and for each level, which then hold
// the sums in whole numbers, they do not, whatever the order of the points; what gets an addend that is not finite becomes NaN.
void encode_scatter_cuda(const EncodingInput<float>& input, const float* v_features, int64_t* totals, float* v_table, CudaStream stream);
void encode_pull_cuda(const EncodingInput<float>& input, const void* table, TableType type, const float* v_features, float* v_positions,
                      CudaStream stream);

// Dual surfaces of scalar fields on grids (splatkit/reference/isosurface.py). N fields of X x Y x Z cells; of their surfaces: A active
// cells, B grid vertices at these cells' corners, V vertices, S crossed edges of active cells, Q quads, C channels of a point.
struct SurfaceGrid {
  int64_t fields, cells[3];
  bool closed;  // the surface closes on the border; otherwise it ends there
};

struct SurfaceCounts {
  int64_t cells, grid_vertices, vertices, crossings, quads;
  int64_t refused;  // first value of the field that is not finite or above kMaxFieldValue in magnitude; -1 where there is none
};
constexpr double kMaxFieldValue = 1e30;  // so that the products with weights stay finite

// What of a surface depends on the signs of its field alone. Indices are 32 bits wide: the caller sees that the counts fit.
struct SurfaceTopology {
  int64_t* cells;           // [A] among the N * X * Y * Z cells, ascending among those that exist; -1 beyond the grid
  uint8_t* cases;           // [A] of case_table.h, problem faces resolved
  int32_t* corners;         // [A, 8] grid vertices, -1 beyond the grid
  int32_t* first_vertex;    // [A + 1]
  int32_t* first_crossing;  // [A + 1]
  int64_t* grid_vertices;   // [B] among the N * (X + 1) * (Y + 1) * (Z + 1) of the fields, ascending
  int32_t* coordinates;     // [B, 3] of the grid vertices
  int32_t* vertex_cells;    // [V] active cell of each vertex
  int32_t* quads;           // [Q, 4] vertices, counter-clockwise seen from outside
  int32_t* crossing_quads;  // [S] 4 * quad + place of the vertex in it; -1 where an open surface ends
  int64_t* field_vertices;  // [N + 1] first vertex of a field
  int64_t* field_quads;     // [N + 1] first quad of a field
  int64_t* slab_cells;      // [slabs + 1] first active cell of each x of each field, with those beyond the grid (Lattice::slabs)
};

// Fills the scratch that `fill_surface` reads: surface_scratch_size() bytes (isosurface/topology.h).
template <class Real>
SurfaceCounts count_surface(const SurfaceGrid& grid, const Real* field, void* scratch, int threads);
void fill_surface(const SurfaceGrid& grid, const void* scratch, const SurfaceTopology& topology, int threads);

template <class Real>
struct SurfaceInput {
  int64_t active_cells, grid_vertices, vertices, crossings, quads, slabs;
  int channels;          // C >= 3: positions, then features
  const uint8_t* cases;  // [A]
  const int32_t *corners, *first_vertex, *first_crossing, *vertex_cells, *quad_vertices, *crossing_quads;  // of the topology
  const int64_t* slab_cells;                                                                               // [slabs + 1]
  const Real* values;                                                                                      // [B]
  const Real* points;                                                                                      // [B, C]
  const Real* alphas;                                                                                      // [A, 8] > 0, or null: 1
  const Real* betas;                                                                                       // [A, 12] > 0, or null: 1
  const Real* gammas;                                                                                      // [A] > 0, or null: equal ones
};

// vertices [V, C], or [V + Q, C] with the quads' centers behind; deviations [S] from the mean distance, or null.
template <class Real>
void surface_vertices(const SurfaceInput<Real>& input, bool centers, Real* vertices, Real* deviations, int threads);

template <class Real>
struct SurfaceGradient {
  bool centers;
  const Real* vertices;      // as the forward pass returned them
  const Real* v_vertices;    // [V, C] or [V + Q, C]
  const Real* v_deviations;  // [S], or null
  Real* v_values;            // [B]
  Real* v_points;            // [B, C]
  Real* v_alphas;            // [A, 8]; null where the input is
  Real* v_betas;             // [A, 12]; ...
  Real* v_gammas;            // [A]; null, or with centers
  Real* scratch;             // kQuadScratch numbers a quad (isosurface/cell.h); on CUDA corner_slots_size() before these
};
template <class Real>
void surface_vertices_backward(const SurfaceInput<Real>& input, const SurfaceGradient<Real>& gradient, int threads);

// faces [2 Q, 3] without centers: quads are cut along the diagonal with the larger product of gammas, or of equal ones the shorter; with
// centers [4 Q, 3].
template <class Real>
void surface_faces(const SurfaceInput<Real>& input, bool centers, const Real* vertices, int64_t* faces, int threads);

// Raw parameters in the range of weights: values = offset + scale tanh(rate raw), and the gradient from the values.
struct WeightRange {
  double rate, scale, offset;
};
// Which rows of raw parameters [raw_count, width] are wanted.
constexpr int kMaxRowWidth = 16;
struct WeightRows {
  int64_t count, raw_count, width;
  const int64_t* places;  // [count] rows, all different; -1: a row of zeros without gradients. Null: all, in order
};
template <class Real>
void range_values(const WeightRange& range, const WeightRows& rows, const Real* raw, Real* values, int threads);
template <class Real>
void range_backward(const WeightRange& range, const WeightRows& rows, const Real* values, const Real* v_values, Real* v_raw, int threads);

// The same on CUDA. The count waits for the stream: later allocations depend on it.
void range_values_cuda(const WeightRange& range, const WeightRows& rows, const float* raw, float* values, CudaStream stream);
void range_backward_cuda(const WeightRange& range, const WeightRows& rows, const float* values, const float* v_values, float* v_raw,
                         CudaStream stream);
SurfaceCounts count_surface_cuda(const SurfaceGrid& grid, const float* field, void* scratch, CudaStream stream);
void fill_surface_cuda(const SurfaceGrid& grid, const void* scratch, const SurfaceTopology& topology, CudaStream stream);
void surface_vertices_cuda(const SurfaceInput<float>& input, bool centers, float* vertices, float* deviations, CudaStream stream);
void surface_vertices_backward_cuda(const SurfaceInput<float>& input, const SurfaceGradient<float>& gradient, CudaStream stream);
void surface_faces_cuda(const SurfaceInput<float>& input, bool centers, const float* vertices, int64_t* faces, CudaStream stream);

// Small perceptrons: linear layers with biases, rectifiers between them (splatkit/reference/tiny_mlp.py). CPU alone.
constexpr int kMaxMlpLayers = 4, kMaxMlpWidth = 128;

struct TinyMlpLayers {
  int count;                      // linear layers, 1 to kMaxMlpLayers
  int widths[kMaxMlpLayers + 1];  // of the input and of each layer's output, 1 to kMaxMlpWidth
};

template <class Real>
struct TinyMlpInput {
  int64_t points;
  TinyMlpLayers layers;
  const Real* features;    // [widths[0], N]
  const Real* parameters;  // layer by layer the weights [widths[l + 1], widths[l]] and the biases [widths[l + 1]]
};

int64_t tiny_mlp_parameters(const TinyMlpLayers& layers);
// outputs [last width, N].
template <class Real>
void tiny_mlp(const TinyMlpInput<Real>& input, Real* outputs, int threads);
// v_features [widths[0], N] may be null: not wanted. scratch: tiny_mlp_scratch_size() Reals.
template <class Real>
void tiny_mlp_backward(const TinyMlpInput<Real>& input, const Real* v_outputs, Real* scratch, Real* v_features, Real* v_parameters,
                       int threads);
int64_t tiny_mlp_scratch_size(int64_t points, const TinyMlpLayers& layers);

}  // namespace splatkit
