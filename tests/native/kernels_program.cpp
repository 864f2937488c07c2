// Every CUDA kernel once on a small random scene, through the native contract: built with the emulator and a sanitizer by
// tests/native/test_sanitized_kernels.py. Prints sums of what came out.
#include <cstdio>
#include <random>
#include <vector>

#include "include/splatkit_optimizer.h"
#include "include/splatkit_photographs.h"
#include "isosurface/cell.h"
#include "isosurface/topology.h"

using namespace splatkit;

namespace {

constexpr int64_t kCameras = 2, kSplats = 300;
constexpr int kWidth = 37, kHeight = 21, kChannels = 3, kBases = 16;

std::mt19937 generator(0);

// Exactly as long as asked for, so that AddressSanitizer sees the first access beyond.
std::vector<float> random(int64_t count, float low, float high) {
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(generator);
  return values;
}
template <class T = float>
std::vector<T> empty(int64_t count) {
  return std::vector<T>(count);
}

void print(const char* name, const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += value;
  std::printf("%s %.9g\n", name, sum);
}

struct Scene {
  std::vector<float> means = random(kSplats * 3, -1, 1), quats = random(kSplats * 4, -1, 1), scales = random(kSplats * 3, 0.01f, 0.2f);
  std::vector<float> opacities = random(kSplats, 0.01f, 0.99f), betas = random(kSplats, 1, 8);
  std::vector<float> coefficients = random(kSplats * kBases * 3, -1, 1);
  std::vector<float> viewmats, Ks;

  Scene() {
    for (int64_t n = 0; n < kSplats; n += 4) betas[n] = 2;
    for (int64_t c = 0; c < kCameras; ++c) {
      const float view[16] = {1, 0, 0, 0.1f * static_cast<float>(c), 0, 1, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1};
      const float K[9] = {30, 0, 18, 0, 31, 10, 0, 0, 1};
      viewmats.insert(viewmats.end(), view, view + 16);
      Ks.insert(Ks.end(), K, K + 9);
    }
  }
};

// The lists' arrays, owned.
struct Lists {
  std::vector<int64_t> splat_offsets, tile_offsets;
  std::vector<int32_t> splat_ids, slots;

  // miscount: what the count of the splat with the most tiles is off by.
  explicit Lists(const SplatImageInput<float>& input, int64_t miscount = 0) {
    const int64_t entries = kCameras * kSplats, tiles = kCameras * tile_count(kWidth) * tile_count(kHeight);
    splat_offsets.resize(entries + 1);
    tile_offsets.resize(tiles + 1);
    auto count_scratch = empty<char>(count_scratch_size_cuda(entries));
    int64_t count = count_intersections_cuda(input, splat_offsets.data(), count_scratch.data(), nullptr);
    if (miscount != 0) {
      for (int64_t i = largest(); i < entries; ++i) splat_offsets[i + 1] += miscount;
      count += miscount;
    }
    splat_ids.resize(count);
    slots.resize(count);
    auto scratch = empty<char>(tile_lists_scratch_size_cuda(tiles, count));
    fill_tile_lists_cuda(input, view(), count, scratch.data(), static_cast<int64_t>(scratch.size()), nullptr);
  }
  int64_t largest() const {
    int64_t found = 0;
    for (int64_t i = 0; i < kCameras * kSplats; ++i) found = tiles_of(i) > tiles_of(found) ? i : found;
    return found;
  }
  int64_t tiles_of(int64_t i) const { return splat_offsets[i + 1] - splat_offsets[i]; }
  TileLists view() { return {splat_offsets.data(), tile_offsets.data(), splat_ids.data(), slots.data()}; }
};

// Gather, scatter and pull of a simplex encoding with a dense and a hashed level, some positions outside of the cube.
void run_encoding() {
  constexpr int64_t kPoints = 300, kEntries = 216 + 128;
  std::vector<float> positions(kPoints * 3), table(kEntries * 2, 0.5f), v_features(4 * kPoints, 1.0f);
  for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<float>(i * 37 % 101) / 95;
  EncodingInput<float> input = {};
  input.points = kPoints, input.entries = kEntries, input.dims = 3, input.features = 2, input.positions = positions.data();
  input.levels.count = input.levels.active = 2;
  input.levels.at[0] = {2.0, 0, 216, 4, 2};
  input.levels.at[1] = {20.0, 216, 128, 0, 0};
  auto features = empty<float>(4 * kPoints), v_table = empty<float>(kEntries * 2), v_positions = empty<float>(kPoints * 3);
  encode_cuda(input, table.data(), TableType::kReal, features.data(), nullptr);
  encode_scatter_cuda(input, v_features.data(), nullptr, v_table.data(), nullptr);  // its sums depend on the order
  std::vector<int64_t> totals(v_table.size() + input.levels.count, 0);
  encode_scatter_cuda(input, v_features.data(), totals.data(), v_table.data(), nullptr);
  encode_pull_cuda(input, table.data(), TableType::kReal, v_features.data(), v_positions.data(), nullptr);
  print("features", features);
  print("v_table", v_table);
  print("v_positions", v_positions);
}

void run_photometric(const std::vector<float>& rendered) {
  const auto target = random(static_cast<int64_t>(rendered.size()), 0, 1);
  auto v_rendered = empty(static_cast<int64_t>(rendered.size())), planes = empty(3 * kChannels * kWidth * kHeight), losses = empty(3);
  auto sums = empty<double>(photometric_sums_size_cuda(kWidth, kHeight, kChannels));
  photometric_loss_cuda({kWidth, kHeight, kChannels, rendered.data(), target.data(), 0.2},
                        {v_rendered.data(), &losses[0], &losses[1], &losses[2], planes.data(), sums.data()}, nullptr);
  print("losses", losses);
  print("v_rendered", v_rendered);
}

// A textured wall at z = 2, seen by a view and two sources beside it, one of which has planes of its own.
class StereoCase {
 public:
  StereoCase() {
    for (size_t i = 0; i < grays_.size(); ++i) grays_[i] = static_cast<uint8_t>(i * i * 7 % 251);
    for (int k = 0; k < 256; ++k) color_[k] = 1 / (1.f + static_cast<float>(k));
    for (int64_t i = 0; i < kPixels; ++i) {
      planes_[3 * i + 2] = 0.5f + 0.01f * static_cast<float>(i % 5);
      for (int k = 0; k < 4; ++k) packed_[i] |= uint32_t(grays_[(i + k) % kPixels]) << 8 * k;
    }
  }

  void match() {
    StereoMatching job = {};
    job.image = image(), job.usable = usable_.data(), job.weights = weights(), job.camera = kCamera;
    job.least_inverse = 0.2f, job.most_inverse = 1, job.parallax = 9, job.noise = 2;
    job.geometric_weight = 0.2f, job.geometric_limit = 3, job.seed = 3, job.source_count = 2;
    for (int j = 0; j < 2; ++j) {
      const float x = j == 0 ? -0.3f : 0.3f;
      job.sources[j] = {image(),
                        packed_.data(),
                        j == 0 ? planes_.data() : nullptr,
                        {1, 0, 0, 0, 1, 0, 0, 0, 1},
                        {30 * x, 0, 0},
                        {1, 0, 0, 0, 1, 0, 0, 0, 1},
                        {-30 * x, 0, 0},
                        9};
    }
    auto found = planes_, costs = empty(kPixels);
    auto views = empty<uint8_t>(kPixels);
    const StereoSweep sweeps[2] = {{0, true, 0.8f}, {1, false, 0}};
    match_planes_cuda(job, {found.data(), costs.data(), views.data()}, sweeps, 2, nullptr);
    print("stereo planes", found);
    print("stereo costs", costs);
    check(found, costs);
  }

  void texture() {
    auto variances = empty(kPixels), shares = empty(kPixels);
    window_texture_cuda(image(), weights(), 100, variances.data(), shares.data(), nullptr);
    print("variances", variances);
    print("shares", shares);
  }

 private:
  static constexpr int64_t kPixels = kWidth * kHeight;
  static constexpr StereoCamera kCamera = {30, 30, 18, 10};

  StereoImage image() const { return {kWidth, kHeight, grays_.data()}; }
  StereoWeights weights() const { return {color_.data(), space_.data()}; }

  void check(const std::vector<float>& found, const std::vector<float>& costs) {
    StereoConsistency job = {};
    job.width = kWidth, job.height = kHeight, job.planes = found.data(), job.camera = kCamera;
    job.most_pixels = 1, job.most_share = 0.1f, job.least_cosine = 0.5f, job.trusted_cost = 0.5f, job.neighbor_count = 1;
    job.neighbors[0] = {kWidth, kHeight, planes_.data(), costs.data(), kCamera, {1, 0, 0, 0, 1, 0, 0, 0, 1}, {-0.3f, 0, 0}};
    auto agreement = empty(5 * kPixels);
    check_consistency_cuda(job, agreement.data(), nullptr);
    print("agreement", agreement);
  }

  std::vector<uint8_t> grays_ = empty<uint8_t>(kPixels), usable_ = std::vector<uint8_t>(kPixels, 1);
  std::vector<float> color_ = empty(256), space_ = std::vector<float>(kStereoSamples, 1.f), planes_ = empty(3 * kPixels);
  std::vector<uint32_t> packed_ = empty<uint32_t>(kPixels);
};

void run_stereo() {
  StereoCase stereo;
  stereo.match();
  stereo.texture();
}

// Photographs of a surface of a few samples, each of which has its neighbors in the list for its window.
void run_photo_consistency() {
  constexpr int64_t kSamples = 41;
  constexpr int kPhotographs = 2 * kPhotoAlignment;
  const auto grays = random(kSamples * kPhotographs, 0, 255), slopes = random(kSamples * kPhotographs, -50, 50);
  auto cosines = random(kSamples * kPhotographs, -0.3f, 1);
  for (float& cosine : cosines) cosine = cosine < 0 ? 0 : cosine;
  std::vector<int64_t> starts = {0};
  std::vector<int32_t> members;
  for (int32_t s = 0; s < kSamples; ++s) {
    for (int32_t other = s; other < kSamples && other < s + 3; ++other) members.push_back(other);
    starts.push_back(static_cast<int64_t>(members.size()));
  }
  std::vector<float> weights(members.size(), 1 / 3.f);
  const PhotoConsistency job = {
      kSamples, kPhotographs, grays.data(), slopes.data(), cosines.data(), starts.data(), members.data(), weights.data(), 2.5f, 6, 0.5f};
  constexpr int64_t kSize = kSamples * kPhotographs;
  auto values = empty(kSize), rates = empty(kSize), votes = empty(kSize), squares = empty(kSize);
  auto contrasts = empty(kSamples), terms = empty(kSamples * kPhotoTerms), out = empty(4 * kSamples);
  photo_consistency_cuda(job, {values.data(), rates.data(), votes.data(), squares.data(), contrasts.data(), terms.data()}, out.data(),
                         nullptr);
  print("photo-consistency", out);
}

// Surfaces of two fields on the border of which they close: two segments a row, all kernels.
class SurfaceCase {
 public:
  SurfaceCase() {
    const SurfaceGrid grid = {2, {5, 4, 70}, true};
    const auto field = random(grid.fields * 6 * 5 * 71, -1, 1);
    auto scratch = empty<int64_t>(portable::surface_scratch_size(grid) / int64_t(sizeof(int64_t)));
    const SurfaceCounts counts = count_surface_cuda(grid, field.data(), scratch.data(), nullptr);
    const int64_t slabs = portable::Lattice(grid).slabs();
    cells_.resize(counts.cells), cases_.resize(counts.cells), corners_.resize(8 * counts.cells);
    first_vertex_.resize(counts.cells + 1), first_crossing_.resize(counts.cells + 1), grid_vertices_.resize(counts.grid_vertices);
    coordinates_.resize(3 * counts.grid_vertices), vertex_cells_.resize(counts.vertices), quads_.resize(4 * counts.quads);
    crossing_quads_.resize(counts.crossings), field_vertices_.resize(grid.fields + 1), field_quads_.resize(grid.fields + 1);
    slab_cells_.resize(slabs + 1);
    fill_surface_cuda(grid, scratch.data(),
                      {cells_.data(), cases_.data(), corners_.data(), first_vertex_.data(), first_crossing_.data(), grid_vertices_.data(),
                       coordinates_.data(), vertex_cells_.data(), quads_.data(), crossing_quads_.data(), field_vertices_.data(),
                       field_quads_.data(), slab_cells_.data()},
                      nullptr);
    for (const int64_t vertex : grid_vertices_) values_.push_back(field[vertex]);
    points_ = random(kAxes * counts.grid_vertices, 0, 1);
    alphas_ = weights(counts.cells, 8), betas_ = weights(counts.cells, 12), gammas_ = weights(counts.cells, 1);
    input_ = {counts.cells,  counts.grid_vertices,   counts.vertices,    counts.crossings,     counts.quads,           slabs,
              kAxes,         cases_.data(),          corners_.data(),    first_vertex_.data(), first_crossing_.data(), vertex_cells_.data(),
              quads_.data(), crossing_quads_.data(), slab_cells_.data(), values_.data(),       points_.data(),         alphas_.data(),
              betas_.data(), gammas_.data()};
  }

  void run() {
    const int64_t rows = kAxes * (input_.vertices + input_.quads);
    auto vertices = empty(rows), deviations = empty(input_.crossings);
    surface_vertices_cuda(input_, true, vertices.data(), deviations.data(), nullptr);
    auto faces = empty<int64_t>(4 * 3 * input_.quads);
    surface_faces_cuda(input_, true, vertices.data(), faces.data(), nullptr);
    const auto v_vertices = random(rows, -1, 1), v_deviations = random(input_.crossings, -1, 1);
    auto v_values = empty(input_.grid_vertices), v_points = empty(kAxes * input_.grid_vertices);
    auto v_alphas = empty(8 * input_.active_cells), v_betas = empty(12 * input_.active_cells), v_gammas = empty(input_.active_cells);
    auto scratch = empty(portable::corner_slots_size(input_.grid_vertices, kAxes) + portable::kQuadScratch * input_.quads);
    surface_vertices_backward_cuda(input_,
                                   {true, vertices.data(), v_vertices.data(), v_deviations.data(), v_values.data(), v_points.data(),
                                    v_alphas.data(), v_betas.data(), v_gammas.data(), scratch.data()},
                                   nullptr);
    print("surface vertices", vertices);
    print("deviations", deviations);
    print("v_points", v_points);
    print("v_alphas", v_alphas);
  }

 private:
  static constexpr int kAxes = 3;

  // Of every other cell from a raw parameter, of the rest without one.
  static std::vector<float> weights(int64_t rows, int64_t width) {
    const int64_t raw_rows = (rows + 1) / 2;
    std::vector<int64_t> places;
    for (int64_t row = 0; row < rows; ++row) places.push_back(row % 2 == 0 ? row / 2 : -1);
    const WeightRange range = {0.5, 0.9, 1};
    const WeightRows wanted = {rows, raw_rows, width, places.data()};
    const auto raw = random(raw_rows * width, -1, 1);
    auto values = empty(rows * width), v_raw = empty(raw_rows * width);
    range_values_cuda(range, wanted, raw.data(), values.data(), nullptr);
    range_backward_cuda(range, wanted, values.data(), values.data(), v_raw.data(), nullptr);
    print("v_raw", v_raw);
    return values;
  }

  std::vector<int64_t> cells_, grid_vertices_, field_vertices_, field_quads_, slab_cells_;
  std::vector<uint8_t> cases_;
  std::vector<int32_t> corners_, first_vertex_, first_crossing_, coordinates_, vertex_cells_, quads_, crossing_quads_;
  std::vector<float> values_, points_, alphas_, betas_, gammas_;
  SurfaceInput<float> input_ = {};
};

// Forward and backward over lists whose count is off.
void run_miscounted(const SplatImageInput<float>& image, int64_t miscount) {
  const int64_t entries = image.cameras * image.splats, pixels = image.cameras * image.width * image.height;
  Lists lists(image, miscount);
  auto features = empty(pixels * kChannels), alphas = empty(pixels);
  rasterize_splats_cuda(image, lists.view(), features.data(), alphas.data(), nullptr);
  auto v_means2d = empty(entries * 2), v_conics = empty(entries * 3), v_colors = empty(entries * kChannels), v_opacities = empty(kSplats);
  auto slots = empty(static_cast<int64_t>(lists.slots.size()) * (kSlotGradients + kChannels));
  rasterize_splats_backward_cuda(image, lists.view(),
                                 {features.data(), alphas.data(), features.data(), alphas.data(), v_means2d.data(), nullptr,
                                  v_conics.data(), v_colors.data(), v_opacities.data(), nullptr, slots.data()},
                                 nullptr);
  print("miscounted v_colors", v_colors);
}

void run_adam(const std::vector<float>& gradient) {
  const auto width = static_cast<int64_t>(gradient.size()) / kSplats;
  auto values = random(kSplats * width, -1, 1), means = random(kSplats * width, -1, 1), squares = random(kSplats * width, 0, 1);
  const float steps[2] = {1, 100};
  AdamInput input = {kSplats, 2, {}, 0.9, 0.999, 1e-15};
  input.group[0] = {values.data(), gradient.data(), means.data(), squares.data(), steps, width, 0.01};
  std::vector<float> narrow(kSplats), narrow_means(kSplats), narrow_squares(kSplats);
  input.group[1] = {narrow.data(), gradient.data(), narrow_means.data(), narrow_squares.data(), steps + 1, 1, 0.1};
  adam_step_cuda(input, nullptr);
  print("stepped values", values);
  print("stepped narrow values", narrow);
}

void run_all() {
  const int64_t c = kCameras, n = kSplats, pixels = c * kWidth * kHeight;
  const Scene scene;
  const ProjectionInput<float> projection = {c,
                                             n,
                                             scene.means.data(),
                                             scene.quats.data(),
                                             scene.scales.data(),
                                             scene.opacities.data(),
                                             scene.betas.data(),
                                             scene.viewmats.data(),
                                             scene.Ks.data(),
                                             kWidth,
                                             kHeight,
                                             0.1,
                                             100,
                                             0.3};
  auto means2d = empty(c * n * 2), depths = empty(c * n), conics = empty(c * n * 3), extents = empty(c * n * 2), colors = empty(c * n * 3);
  project_splats_cuda(projection, {means2d.data(), depths.data(), conics.data(), extents.data()}, nullptr);
  const float* coefficients = scene.coefficients.data();
  const ShColorInput<float> sh = {
      c, n, kBases, 3, scene.means.data(), scene.viewmats.data(), coefficients, coefficients + 3, 3 * kBases, 3 * kBases, extents.data()};
  sh_colors_cuda(sh, colors.data(), nullptr);
  const SplatImageInput<float> image = {c,
                                        n,
                                        kWidth,
                                        kHeight,
                                        kChannels,
                                        means2d.data(),
                                        conics.data(),
                                        depths.data(),
                                        extents.data(),
                                        colors.data(),
                                        scene.opacities.data(),
                                        scene.betas.data()};
  Lists lists(image);
  auto features = empty(pixels * kChannels), alphas = empty(pixels);
  rasterize_splats_cuda(image, lists.view(), features.data(), alphas.data(), nullptr);
  print("features", features);
  run_miscounted(image, -2);
  run_miscounted(image, 3);
  run_encoding();
  SurfaceCase().run();
  run_stereo();
  run_photo_consistency();
  run_photometric({features.begin(), features.begin() + kWidth * kHeight * kChannels});

  const auto v_features = random(pixels * kChannels, -1, 1), v_alphas = random(pixels, -1, 1);
  auto v_means2d = empty(c * n * 2), v_abs = empty(c * n * 2), v_conics = empty(c * n * 3), v_colors = empty(c * n * 3);
  auto v_opacities = empty(n), v_betas = empty(n);
  auto slots = empty(static_cast<int64_t>(lists.slots.size()) * (kSlotGradients + kChannels));
  rasterize_splats_backward_cuda(image, lists.view(),
                                 {features.data(), alphas.data(), v_features.data(), v_alphas.data(), v_means2d.data(), v_abs.data(),
                                  v_conics.data(), v_colors.data(), v_opacities.data(), v_betas.data(), slots.data()},
                                 nullptr);
  auto scratch = empty<double>(projection_scratch_size_cuda(c, n));
  auto v_coefficients = empty(n * kBases * 3), v_means = empty(n * 3), v_viewmats = empty(c * 16), v_Ks = empty(c * 9);
  sh_colors_backward_cuda(
      sh,
      {colors.data(), v_colors.data(), v_coefficients.data(), v_coefficients.data() + 3, v_means.data(), v_viewmats.data(), scratch.data()},
      nullptr);
  print("v_coefficients", v_coefficients);
  print("v_viewmats of colors", v_viewmats);
  const auto v_depths = random(c * n, -1, 1);
  auto v_quats = empty(n * 4), v_scales = empty(n * 3);
  project_splats_backward_cuda(projection,
                               {extents.data(), v_means2d.data(), v_depths.data(), v_conics.data(), v_means.data(), v_quats.data(),
                                v_scales.data(), v_viewmats.data(), v_Ks.data(), scratch.data()},
                               nullptr);
  print("v_means", v_means);
  print("v_scales", v_scales);
  print("v_Ks", v_Ks);
  run_adam(v_scales);
}

}  // namespace

int main() { run_all(); }
