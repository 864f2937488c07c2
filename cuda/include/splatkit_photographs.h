// The part of the native contract that compares photographs: dense stereo, and how they agree on a surface. See splatkit_native.h.
#pragma once
#include "include/splatkit_native.h"

namespace splatkit {

// Dense multi-view stereo (splatkit/reference/stereo.py). Single precision alone, and the same bits on every backend. Pixels are counted from
// the center of the first one. Planes [H, W, 3] hold inverse z-depths: 1 / z = m . (column, row, 1); zeros are no plane.
constexpr int kStereoSamples = 32;    // of a window
constexpr int kMaxStereoSources = 8;  // views that a view is matched with
constexpr int kMaxStereoNeighbors = 16;

struct StereoCamera {
  float fx, fy, cx, cy;  // px
};

struct StereoImage {
  int width, height;
  const uint8_t* grays;  // [H, W]
};

// Bilateral weights of a window's samples.
struct StereoWeights {
  const float* color;  // [256] by the difference of grays
  const float* space;  // [kStereoSamples]
};

// A view that the reference is matched with.
struct StereoSource {
  StereoImage image;
  const uint32_t* packed;      // [h, w] grays at (x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1), lowest byte first
  const float* planes;         // [h, w, 3] what the source found before, or null
  float A[9], b[3];            // a pixel p = (column, row, 1) of the reference with plane m lies at A p + b (m . p) in the source
  float back_A[9], back_b[3];  // the same from the source to the reference
  float parallax;              // px a unit of inverse depth, about
};

struct StereoMatching {
  StereoImage image;
  const uint8_t* usable;  // [H, W]
  StereoWeights weights;
  StereoCamera camera;
  float least_inverse, most_inverse;  // range of inverse depths
  float parallax;                     // mean of the sources'
  float noise;                        // variance of grays, added to those of windows
  float geometric_weight;             // cost a px of inconsistency with the sources' planes; 0 does not look at them
  float geometric_limit;              // px
  uint32_t seed;
  int source_count;
  StereoSource sources[kMaxStereoSources];
};

// Read and written in place.
struct StereoState {
  float* planes;   // [H, W, 3]
  float* costs;    // [H, W]
  uint8_t* views;  // [H, W] a bit for each source that is used
};

struct StereoSweep {
  int number;
  bool votes;       // which sources see a pixel is voted anew; else those that it used before count alike
  float good_cost;  // below it a hypothesis speaks for a source
};

// Judges the planes that are given, random ones in place of inadmissible, then `sweeps` times improves all pixels.
void match_planes(const StereoMatching& job, const StereoState& state, const StereoSweep* sweeps, int sweep_count, int threads);
void match_planes_cuda(const StereoMatching& job, const StereoState& state, const StereoSweep* sweeps, int sweep_count, CudaStream stream);

// A view that may agree with the reference's planes.
struct StereoNeighbor {
  int width, height;
  const float* planes;  // [h, w, 3]
  const float* costs;   // [h, w]
  StereoCamera camera;
  float R[9], t[3];  // T_neighbor_reference
};

struct StereoConsistency {
  int width, height;
  const float* planes;  // [H, W, 3]
  StereoCamera camera;
  float most_pixels;   // reprojection error, px
  float most_share;    // difference of depths, of the depth
  float least_cosine;  // between normals
  float trusted_cost;  // neighbors' surfaces with less can be seen through points before them
  int neighbor_count;
  StereoNeighbor neighbors[kMaxStereoNeighbors];
};

// agreement [H, W, 5]: mean depth over agreeing views and the pixel's own, number of agreeing views, sum of their squared px a unit of depth,
// standard deviation of the depths, number of views that see a surface behind.
void check_consistency(const StereoConsistency& job, float* agreement, int threads);
void check_consistency_cuda(const StereoConsistency& job, float* agreement, CudaStream stream);

// Variance of each pixel's weighted window [H, W], and the share of the window [H, W] where it is more than `least`.
void window_texture(const StereoImage& image, const StereoWeights& weights, float least, float* variances, float* shares, int threads);
void window_texture_cuda(const StereoImage& image, const StereoWeights& weights, float least, float* variances, float* shares,
                         CudaStream stream);

// Samples of a surface and what P photographs show of them. P is a multiple of kPhotoAlignment; photographs that see nothing fill it up.
constexpr int kPhotoAlignment = 16;
constexpr int kPhotoTerms = 6;

struct PhotoConsistency {
  int64_t samples;
  int photographs;
  const float* grays;      // [S, P] 0 to 255
  const float* slopes;     // [S, P] change of gray a unit of offset along the sample's normal
  const float* cosines;    // [S, P] of incidence; 0: not seen
  const int64_t* starts;   // [S + 1] of windows in the two arrays below
  const int32_t* members;  // [M] samples of each window
  const float* weights;    // [M] of them; a window's sum to 1
  float noise;             // standard deviation of grays by noise
  float outlier;           // of grays: residual within the window at which a photograph's vote is quartered, ...
  float outlier_share;     // ... and of the window's contrast
};

struct PhotoScratch {
  float* values;     // [S, P]
  float* rates;      // [S, P]
  float* votes;      // [S, P]
  float* squares;    // [S, P]
  float* contrasts;  // [S]
  float* terms;      // [S, kPhotoTerms]
};

// out [S, 4]: gradient and curvature, by the offset, of half the squared residuals between photographs in units of their variance;
// correlation of the photographs within the window, at most 1; number of photographs that count.
void photo_consistency(const PhotoConsistency& job, const PhotoScratch& scratch, float* out, int threads);
void photo_consistency_cuda(const PhotoConsistency& job, const PhotoScratch& scratch, float* out, CudaStream stream);

}  // namespace splatkit
