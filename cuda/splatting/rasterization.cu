// Compositing on the device: a block is a tile, a thread a pixel, a warp 8 x 4 pixels. A warp asks once which splats of a batch meet its
// pixels and walks those alone: a splat that passes it by costs it nothing. The backward pass needs no atomics: every intersection
// has a gradient slot of its own, a block sums its pixels into the slots of its tile in a fixed order, and a warp a splat sums its slots.
#include "common/block.h"
#include "splatting/compositing.h"

namespace splatkit {
using namespace portable;

namespace {

static_assert(kTilePixels == kBlockThreads, "a thread is a pixel");
constexpr int kForwardBatch = 128;              // splats in shared memory at a time
constexpr int kBackwardBatch = 32;              // fewer: each warp keeps sums of its own for each, and one bit that it has them
constexpr int kWarpWidth = 8, kWarpHeight = 4;  // px
constexpr int kWarpsAcross = kTileSize / kWarpWidth;
static_assert(kWarpWidth * kWarpHeight == kWarpThreads, "a lane is a pixel");
constexpr int kMoments = 16;  // moments of a splat, rounded up to a power of two

// The pixel of the running thread.
struct Pixel {
  int64_t camera, index;  // index: into images
  int tile_left, tile_top;
  float x, y;   // center, px
  bool inside;  // of the image; tiles at the border stick out

  __device__ explicit Pixel(const SplatImageInput<float>& input) {
    const int tiles_x = tile_count(input.width), tiles_y = tile_count(input.height);
    const int warp = thread_of_block() / kWarpThreads, lane = thread_of_block() % kWarpThreads;
    const int64_t tile = blockIdx.x % (int64_t(tiles_x) * tiles_y);
    camera = blockIdx.x / (int64_t(tiles_x) * tiles_y);
    tile_left = static_cast<int>(tile % tiles_x) * kTileSize, tile_top = static_cast<int>(tile / tiles_x) * kTileSize;
    const int column = tile_left + warp % kWarpsAcross * kWarpWidth + lane % kWarpWidth;
    const int row = tile_top + warp / kWarpsAcross * kWarpHeight + lane / kWarpWidth;
    x = static_cast<float>(column) + 0.5f, y = static_cast<float>(row) + 0.5f;
    inside = column < input.width && row < input.height;
    index = (camera * input.height + row) * input.width + column;
  }
};

// Calls visit(j) for those of a batch's splats that meet the pixels of the running warp, in order. All lanes call it and all visit.
template <class Visit>
__device__ __forceinline__ void for_each_met(const TileSplat<float>* splats, int count, const Visit& visit) {
  const int warp = thread_of_block() / kWarpThreads, lane = thread_of_block() % kWarpThreads;
  for (int first = 0; first < count; first += kWarpThreads) {
    uint32_t met = __ballot_sync(kWholeWarp, first + lane < count && (splats[first + lane].blocks >> warp & 1) != 0);
    for (; met != 0; met &= met - 1) visit(first + __ffs(static_cast<int>(met)) - 1);
  }
}

// Of host and device like the table itself, which the host could not call with a function of the device alone.
SPLATKIT_HD float exponent_of(int kernel, const TileSplat<float>& s, float q) {
  return with_profile(kernel, s.gaussian, [&](auto profile) { return profile.value(s.numbers, q); });
}

SPLATKIT_HD Exponent<float> derivatives_of(int kernel, const TileSplat<float>& s, float q) {
  return with_profile(kernel, s.gaussian, [&](auto profile) { return profile.with_derivatives(s.numbers, q); });
}

// How far a pixel lies from a splat.
struct Offset {
  float dx, dy, q;

  __device__ Offset(const TileSplat<float>& s, const Pixel& pixel) {
    dx = pixel.x - s.x, dy = pixel.y - s.y;
    q = squared_distance(s, dx, dy);
  }
};

template <int D>
struct ForwardBatch {
  TileSplat<float> splats[kForwardBatch];
  float colors[kForwardBatch][D];
};

template <int D>
__device__ __forceinline__ void load_into(const SplatImageInput<float>& input, const Pixel& pixel, int32_t n, TileSplat<float>& splat,
                                          float (&color)[D]) {
  splat = load_splat<kWarpWidth, kWarpHeight>(input, pixel.camera, n, pixel.tile_left, pixel.tile_top);
  for (int d = 0; d < D; ++d) color[d] = splat.color[d];
}

// Colors by weight and alphas; with Median the first channel of the splat at which half of the light is gone, and no alphas.
template <int D, bool Median>
__global__ void __launch_bounds__(kBlockThreads, kResidentBlocks)
    rasterize_kernel(SplatImageInput<float> input, TileLists lists, float* features, float* alphas) {
  ForwardBatch<D>& batch = shared_memory<ForwardBatch<D>>();
  const Pixel pixel(input);
  const int t = thread_of_block();
  const int64_t end = lists.tile_offsets[blockIdx.x + 1];
  float transmittance = pixel.inside ? 1.f : 0.f, final_transmittance = 1, color[D] = {0};
  for (int64_t first = lists.tile_offsets[blockIdx.x]; first < end; first += kForwardBatch) {
    // Also keeps the batch until all have done with it.
    if (__syncthreads_count(transmittance == 0) == kTilePixels) break;
    const int count = end - first < kForwardBatch ? static_cast<int>(end - first) : kForwardBatch;
    if (t < count) load_into(input, pixel, lists.splat_ids[first + t], batch.splats[t], batch.colors[t]);
    __syncthreads();
    if (__all_sync(kWholeWarp, transmittance == 0)) continue;
    for_each_met(batch.splats, count, [&](int j) {
      const TileSplat<float>& s = batch.splats[j];
      if (transmittance == 0) return;
      const Offset offset(s, pixel);
      if (!(offset.q <= s.q_max)) return;
      const auto light = absorb(s, exponent_of(input.kernel, s, offset.q), transmittance);
      if (Median && crosses_half(transmittance, light.left)) color[0] = batch.colors[j][0];
      transmittance = light.left;
      if (light.alive) final_transmittance = light.left;
      for (int d = 0; !Median && d < D; ++d) color[d] += light.weight * batch.colors[j][d];
    });
  }
  if (!pixel.inside) return;
  for (int d = 0; d < D; ++d) features[pixel.index * D + d] = color[d];
  if (!Median) alphas[pixel.index] = 1 - final_transmittance;
}

template <int D>
struct BackwardBatch {
  TileSplat<float> splats[kBackwardBatch];
  float colors[kBackwardBatch][D];
  float opacities[kBackwardBatch];
  float sums[kBlockWarps][kBackwardBatch][kSlotGradients + D];
  uint32_t touched[kBlockWarps];  // bit j: the warp has sums for splat j
};

// The constants of a pixel and its state on the way through the list.
template <int D>
struct PixelGradient {
  float v_features[D] = {0}, v_alpha = 0;
  float transmittance = 0, behind = 0;

  __device__ PixelGradient(const SplatImageGradient<float>& gradient, const Pixel& pixel) {
    if (!pixel.inside) return;
    transmittance = 1;
    v_alpha = gradient.v_alphas[pixel.index];
    behind = gradient.alphas[pixel.index] * v_alpha;
    for (int d = 0; d < D; ++d) {
      v_features[d] = gradient.v_features[pixel.index * D + d];
      behind += gradient.features[pixel.index * D + d] * v_features[d];
    }
  }

  // Adds the pixel's share to sums; false where it has none.
  __device__ __forceinline__ bool composite(int kernel, const TileSplat<float>& s, const float* color, const Pixel& pixel, float* sums) {
    if (transmittance == 0) return false;
    const Offset offset(s, pixel);
    if (!(offset.q <= s.q_max)) return false;
    const Exponent<float> exponent = derivatives_of(kernel, s, offset.q);
    const float before = transmittance;
    const auto light = absorb(s, exponent.u, before);
    transmittance = light.left;
    if (!(light.weight > 0)) return false;
    behind = add_moments<D>(s, color, light, exponent, before, offset.dx, offset.dy, v_features, v_alpha, behind, sums);
    return true;
  }
};

// Sums of one batch over the pixels of the running warp.
template <int D>
__device__ __forceinline__ void sum_batch(int kernel, BackwardBatch<D>& batch, int count, const Pixel& pixel, PixelGradient<D>& state) {
  const int warp = thread_of_block() / kWarpThreads, lane = thread_of_block() % kWarpThreads;
  uint32_t touched = 0;
  const bool finished = __all_sync(kWholeWarp, state.transmittance == 0);
  for_each_met(batch.splats, finished ? 0 : count, [&](int j) {
    float sums[kMoments] = {0};
    const bool touches = state.composite(kernel, batch.splats[j], batch.colors[j], pixel, sums);
    if (!__any_sync(kWholeWarp, touches)) return;
    const float sum = warp_sums(sums);
    if (lane < kSlotGradients + D) batch.sums[warp][j][lane] = sum;
    touched |= 1u << j;
  });
  if (lane == 0) batch.touched[warp] = touched;
}

// Writes the slots of a batch: warps in order, then from moments to gradients.
template <int D>
__device__ __forceinline__ void write_batch(BackwardBatch<D>& batch, int count, const int32_t* slots, float* scratch) {
  constexpr int kSlot = kSlotGradients + D;
  const int t = thread_of_block();
  for (int e = t; e < count * kSlot; e += kBlockThreads) {
    const int j = e / kSlot, k = e % kSlot;
    float total = 0;
    for (int warp = 0; warp < kBlockWarps; ++warp) {
      if (batch.touched[warp] >> j & 1) total += batch.sums[warp][j][k];
    }
    batch.sums[0][j][k] = total;
  }
  __syncthreads();
  if (t >= count) return;
  const TileSplat<float>& s = batch.splats[t];
  const float conic[3] = {s.a, 0.5f * s.twice_b, s.c};
  moments_to_gradients(conic, batch.opacities[t], batch.sums[0][t]);
  for (int k = 0; k < kSlot; ++k) scratch[int64_t(slots[t]) * kSlot + k] = batch.sums[0][t][k];
}

template <int D>
__global__ void __launch_bounds__(kBlockThreads, kResidentBlocks)
    rasterize_backward_kernel(SplatImageInput<float> input, TileLists lists, SplatImageGradient<float> gradient) {
  constexpr int kSlot = kSlotGradients + D;
  BackwardBatch<D>& batch = shared_memory<BackwardBatch<D>>();
  const Pixel pixel(input);
  PixelGradient<D> state(gradient, pixel);
  const int t = thread_of_block();
  const int64_t end = lists.tile_offsets[blockIdx.x + 1];
  for (int64_t first = lists.tile_offsets[blockIdx.x]; first < end; first += kBackwardBatch) {
    // Also keeps the batch until all have done with it.
    if (__syncthreads_count(state.transmittance == 0) == kTilePixels) {  // what is left lies behind finished pixels
      for (int64_t e = t; e < (end - first) * kSlot; e += kBlockThreads) {
        gradient.scratch[int64_t(lists.slots[first + e / kSlot]) * kSlot + e % kSlot] = 0;
      }
      return;
    }
    const int count = end - first < kBackwardBatch ? static_cast<int>(end - first) : kBackwardBatch;
    if (t < count) {
      const int32_t n = lists.splat_ids[first + t];
      load_into(input, pixel, n, batch.splats[t], batch.colors[t]);
      batch.opacities[t] = input.opacities[n];
    }
    __syncthreads();
    sum_batch(input.kernel, batch, count, pixel, state);
    __syncthreads();
    write_batch(batch, count, lists.slots + first, gradient.scratch);
  }
}

// Slots without an intersection have no tile that writes them. There are none where counting and emitting agree.
__global__ void __launch_bounds__(kBlockThreads)
    clear_idle_slots_kernel(SplatImageInput<float> input, TileLists lists, int64_t tiles, float* scratch) {
  const int slot_size = kSlotGradients + input.channels;
  const int64_t begin = lists.tile_offsets[tiles], end = lists.splat_offsets[input.cameras * input.splats];
  for (int64_t e = thread_of_block(); e < (end - begin) * slot_size; e += kBlockThreads) {
    scratch[int64_t(lists.slots[begin + e / slot_size]) * slot_size + e % slot_size] = 0;
  }
}

// One warp a splat: a half warp a slot, a lane a gradient.
__global__ void __launch_bounds__(kBlockThreads)
    sum_slots_kernel(SplatImageInput<float> input, TileLists lists, SplatImageGradient<float> gradient) {
  constexpr int kHalf = kWarpThreads / 2;
  static_assert(kSlotGradients + kMaxChannels <= kHalf, "a lane a gradient");
  const int64_t n = thread_of_grid() / kWarpThreads;
  if (n >= input.splats) return;
  const int which = thread_of_block() % kHalf, half = thread_of_block() / kHalf % 2, slot_size = kSlotGradients + input.channels;
  const bool writes = half == 0 && which < slot_size;
  float over_cameras = 0;
  for (int64_t camera = 0; camera < input.cameras; ++camera) {
    const int64_t i = camera * input.splats + n, end = lists.splat_offsets[i + 1];
    float sum = 0;
    for (int64_t slot = lists.splat_offsets[i] + half; which < slot_size && slot < end; slot += 2) {
      sum += gradient.scratch[slot * slot_size + which];
    }
    sum += __shfl_xor_sync(kWholeWarp, sum, kHalf);
    if (writes) write_splat_gradient(gradient, input.channels, i, which, sum);
    over_cameras += sum;
  }
  if (writes && which == kOpacity) gradient.v_opacities[n] = over_cameras;
  if (writes && which == kBeta && gradient.v_betas != nullptr) gradient.v_betas[n] = over_cameras;
}

dim3 tile_grid(const SplatImageInput<float>& input) {
  return dim3(static_cast<unsigned>(input.cameras * tile_count(input.width) * tile_count(input.height)));
}

// Calls body(number) with the number of channels as a constant.
template <class Body>
void with_channels(int channels, const Body& body) {
  switch (channels) {
    case 1: return body(std::integral_constant<int, 1>());
    case 2: return body(std::integral_constant<int, 2>());
    case 3: return body(std::integral_constant<int, 3>());
    case 4: return body(std::integral_constant<int, 4>());
    default: return body(std::integral_constant<int, 5>());
  }
}
static_assert(kMaxChannels == 5, "the cases above");

}  // namespace

void rasterize_splats_cuda(const SplatImageInput<float>& input, const TileLists& lists, float* features, float* alphas, CudaStream stream) {
  with_channels(input.channels, [&](auto channels) {
    constexpr int kChannels = decltype(channels)::value;
    launch(rasterize_kernel<kChannels, false>, tile_grid(input), dim3(kBlockThreads), 0, stream, input, lists, features, alphas);
  });
}

void median_depths_cuda(const SplatImageInput<float>& input, const TileLists& lists, float* depths, CudaStream stream) {
  SplatImageInput<float> of_depths = input;
  of_depths.channels = 1, of_depths.colors = input.depths;
  launch(rasterize_kernel<1, true>, tile_grid(input), dim3(kBlockThreads), 0, stream, of_depths, lists, depths, nullptr);
}

void rasterize_splats_backward_cuda(const SplatImageInput<float>& input, const TileLists& lists, const SplatImageGradient<float>& gradient,
                                    CudaStream stream) {
  with_channels(input.channels, [&](auto channels) {
    launch(rasterize_backward_kernel<decltype(channels)::value>, tile_grid(input), dim3(kBlockThreads), 0, stream, input, lists, gradient);
  });
  const auto tiles = int64_t(tile_grid(input).x);
  launch(clear_idle_slots_kernel, dim3(1), dim3(kBlockThreads), 0, stream, input, lists, tiles, gradient.scratch);
  launch(sum_slots_kernel, grid_of(input.splats * kWarpThreads), dim3(kBlockThreads), 0, stream, input, lists, gradient);
}

}  // namespace splatkit
