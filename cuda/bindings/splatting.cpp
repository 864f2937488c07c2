#include "bindings/splatting.h"

#include "bindings/call.h"
#include "include/splatkit_native.h"
#include "splatting/profiles.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace splatkit {
namespace {

// Null for None.
template <class Real>
Real* wanted(const Call& call, nb::handle tensor, const char* name, std::initializer_list<int64_t> shape) {
  return tensor.is_none() ? nullptr : call.data<Real>(tensor, name, shape);
}

template <class Real>
ProjectionInput<Real> projection_input(const Call& call, nb::handle quats, nb::handle scales, nb::handle opacities, nb::handle betas,
                                       nb::handle viewmats, nb::handle Ks, int width, int height, double near, double far, double eps2d,
                                       int camera_model, nb::handle distortions, int kernel) {
  const TensorArgument viewmats_arg(viewmats, "viewmats");
  const int64_t n = call.first().size(0), c = viewmats_arg.size(0);
  return {c,
          n,
          call.data<Real>(call.first(), {n, 3}),
          call.data<Real>(quats, "quats", {n, 4}),
          call.data<Real>(scales, "scales", {n, 3}),
          call.data<Real>(opacities, "opacities", {n}),
          call.data<Real>(betas, "betas", {n}),
          call.data<Real>(viewmats_arg, {c, 4, 4}),
          call.data<Real>(Ks, "Ks", {c, 3, 3}),
          width,
          height,
          near,
          far,
          eps2d,
          camera_model,
          wanted<Real>(call, distortions, "distortions", {c, 4}),
          kernel};
}

// Doubles of scratch that a backward pass over these splats and cameras needs on their device.
int64_t scratch_size(const Call& call, int64_t cameras, int64_t splats) {
  if constexpr (kHasCuda) {
    if (call.on_cuda()) return projection_scratch_size_cuda(cameras, splats);
  }
  if constexpr (kHasCpu) return projection_scratch_size(cameras, splats);
  return 0;
}

int64_t projection_scratch_size_py(nb::handle means, int64_t cameras) {
  const Call call(means, "means");
  return scratch_size(call, cameras, call.first().size(0));
}

void project_splats_py(nb::handle means, nb::handle quats, nb::handle scales, nb::handle opacities, nb::handle betas, nb::handle viewmats,
                       nb::handle Ks, int width, int height, double near, double far, double eps2d, int camera_model,
                       nb::handle distortions, int kernel, nb::handle means2d, nb::handle conics, nb::handle depths, nb::handle extents,
                       nb::handle seen_opacities, nb::handle seen_betas, int threads) {
  const Call call(means, "means");
  call.in_precision([&](auto real) {
    using Real = decltype(real);
    const auto input = projection_input<Real>(call, quats, scales, opacities, betas, viewmats, Ks, width, height, near, far, eps2d,
                                              camera_model, distortions, kernel);
    const int64_t c = input.cameras, n = input.splats;
    const ProjectionOutput<Real> output = {call.data<Real>(means2d, "means2d", {c, n, 2}),
                                           call.data<Real>(depths, "depths", {c, n}),
                                           call.data<Real>(conics, "conics", {c, n, 3}),
                                           call.data<Real>(extents, "extents", {c, n, 2}),
                                           wanted<Real>(call, seen_opacities, "seen_opacities", {c, n}),
                                           wanted<Real>(call, seen_betas, "seen_betas", {c, n})};
    call.run<Real>(
        threads, [&](auto stream) { project_splats_cuda(input, output, stream); },
        [&](auto count) { project_splats(input, output, count); });
  });
}

void project_splats_backward_py(nb::handle means, nb::handle quats, nb::handle scales, nb::handle opacities, nb::handle betas,
                                nb::handle viewmats, nb::handle Ks, int width, int height, double near, double far, double eps2d,
                                int camera_model, nb::handle distortions, int kernel, nb::handle extents, nb::handle v_means2d,
                                nb::handle v_conics, nb::handle v_depths, nb::handle v_means, nb::handle v_quats, nb::handle v_scales,
                                nb::handle v_viewmats, nb::handle v_Ks, nb::handle scratch, nb::handle v_seen_opacities,
                                nb::handle v_seen_betas, nb::handle v_opacities, nb::handle v_betas, int threads) {
  const Call call(means, "means");
  call.in_precision([&](auto real) {
    using Real = decltype(real);
    const auto input = projection_input<Real>(call, quats, scales, opacities, betas, viewmats, Ks, width, height, near, far, eps2d,
                                              camera_model, distortions, kernel);
    const int64_t c = input.cameras, n = input.splats;
    const ProjectionGradient<Real> gradient = {call.data<Real>(extents, "extents", {c, n, 2}),
                                               call.data<Real>(v_means2d, "v_means2d", {c, n, 2}),
                                               call.data<Real>(v_depths, "v_depths", {c, n}),
                                               call.data<Real>(v_conics, "v_conics", {c, n, 3}),
                                               call.data<Real>(v_means, "v_means", {n, 3}),
                                               call.data<Real>(v_quats, "v_quats", {n, 4}),
                                               call.data<Real>(v_scales, "v_scales", {n, 3}),
                                               wanted<Real>(call, v_viewmats, "v_viewmats", {c, 4, 4}),
                                               wanted<Real>(call, v_Ks, "v_Ks", {c, 3, 3}),
                                               wanted<double>(call, scratch, "scratch", {scratch_size(call, c, n)}),
                                               wanted<Real>(call, v_seen_opacities, "v_seen_opacities", {c, n}),
                                               wanted<Real>(call, v_seen_betas, "v_seen_betas", {c, n}),
                                               wanted<Real>(call, v_opacities, "v_opacities", {n}),
                                               wanted<Real>(call, v_betas, "v_betas", {n})};
    call.run<Real>(
        threads, [&](auto stream) { project_splats_backward_cuda(input, gradient, stream); },
        [&](auto count) { project_splats_backward(input, gradient, count); });
  });
}

// Coefficients, or their gradients: all of a splat in one tensor [n, bases, 3], or those of degree 0 apart [n, 3] from the `others`.
template <class Real>
struct ShRows {
  int64_t bases;
  Real *constants, *others;
  int64_t constant_stride, other_stride;

  ShRows(const Call& call, int64_t n, nb::handle coefficients, const char* name, nb::handle others_or_none, const char* others_name) {
    const TensorArgument first(coefficients, name);
    if (others_or_none.is_none()) {
      bases = first.size(1);
      constants = call.data<Real>(first, {n, bases, 3});
      others = constants + 3;
      constant_stride = other_stride = 3 * bases;
    } else {
      const TensorArgument rest(others_or_none, others_name);
      bases = 1 + rest.size(1);
      constants = call.data<Real>(first, {n, 3});
      others = call.data<Real>(rest, {n, bases - 1, 3});
      constant_stride = 3, other_stride = 3 * (bases - 1);
    }
  }
};

template <class Real>
ShColorInput<Real> sh_input(const Call& call, nb::handle viewmats, nb::handle coefficients, nb::handle others, nb::handle extents,
                            int degree) {
  const TensorArgument viewmats_arg(viewmats, "viewmats");
  const int64_t n = call.first().size(0), c = viewmats_arg.size(0);
  const ShRows<Real> rows(call, n, coefficients, "coefficients", others, "others");
  const int64_t bases = rows.bases;
  if (degree < 0 || degree > 3 || bases < (degree + 1) * (degree + 1)) {
    throw nb::value_error("coefficients: fewer than (degree + 1)^2 bases, or degree outside 0 to 3");
  }
  return {c,
          n,
          bases,
          degree,
          call.data<Real>(call.first(), {n, 3}),
          call.data<Real>(viewmats_arg, {c, 4, 4}),
          rows.constants,
          rows.others,
          rows.constant_stride,
          rows.other_stride,
          call.data<Real>(extents, "extents", {c, n, 2})};
}

void sh_colors_py(nb::handle means, nb::handle viewmats, nb::handle coefficients, nb::handle others, nb::handle extents, int degree,
                  nb::handle colors, int threads) {
  const Call call(means, "means");
  call.in_precision([&](auto real) {
    using Real = decltype(real);
    const auto input = sh_input<Real>(call, viewmats, coefficients, others, extents, degree);
    Real* out = call.data<Real>(colors, "colors", {input.cameras, input.splats, 3});
    call.run<Real>(threads, [&](auto stream) { sh_colors_cuda(input, out, stream); }, [&](auto count) { sh_colors(input, out, count); });
  });
}

void sh_colors_backward_py(nb::handle means, nb::handle viewmats, nb::handle coefficients, nb::handle others, nb::handle extents,
                           int degree, nb::handle colors, nb::handle v_colors, nb::handle v_coefficients, nb::handle v_others,
                           nb::handle v_means, nb::handle v_viewmats, nb::handle scratch, int threads) {
  const Call call(means, "means");
  call.in_precision([&](auto real) {
    using Real = decltype(real);
    const auto input = sh_input<Real>(call, viewmats, coefficients, others, extents, degree);
    const int64_t c = input.cameras, n = input.splats;
    const ShRows<Real> v_rows(call, n, v_coefficients, "v_coefficients", v_others, "v_others");
    if (v_rows.bases != input.bases || v_rows.constant_stride != input.constant_stride) {
      throw nb::value_error("v_coefficients: expected the shapes of coefficients and others");
    }
    const ShColorGradient<Real> gradient = {call.data<Real>(colors, "colors", {c, n, 3}),
                                            call.data<Real>(v_colors, "v_colors", {c, n, 3}),
                                            v_rows.constants,
                                            v_rows.others,
                                            call.data<Real>(v_means, "v_means", {n, 3}),
                                            wanted<Real>(call, v_viewmats, "v_viewmats", {c, 4, 4}),
                                            wanted<double>(call, scratch, "scratch", {scratch_size(call, c, n)})};
    call.run<Real>(
        threads, [&](auto stream) { sh_colors_backward_cuda(input, gradient, stream); },
        [&](auto count) { sh_colors_backward(input, gradient, count); });
  });
}

template <class Real>
SplatImageInput<Real> image_input(const Call& call, nb::handle conics, nb::handle depths, nb::handle extents, nb::handle colors,
                                  nb::handle opacities, nb::handle betas, int width, int height, int kernel = 0) {
  const TensorArgument colors_arg(colors, "colors");
  const int64_t c = call.first().size(0), n = call.first().size(1), d = colors_arg.size(2);
  if (d < 1 || d > kMaxChannels) throw nb::value_error("colors: expected 1 to 5 channels a call");
  return {c,
          n,
          width,
          height,
          static_cast<int>(d),
          call.data<Real>(call.first(), {c, n, 2}),
          call.data<Real>(conics, "conics", {c, n, 3}),
          call.data<Real>(depths, "depths", {c, n}),
          call.data<Real>(extents, "extents", {c, n, 2}),
          call.data<Real>(colors_arg, {c, n, d}),
          call.data<Real>(opacities, "opacities", {n}),
          call.data<Real>(betas, "betas", {n}),
          kernel};
}

// What tile lists are made from: where splats lie, without what they look like.
template <class Real>
SplatImageInput<Real> support_input(const Call& call, nb::handle conics, nb::handle depths, nb::handle extents, int width, int height) {
  const int64_t c = call.first().size(0), n = call.first().size(1);
  return {c,
          n,
          width,
          height,
          0,
          call.data<Real>(call.first(), {c, n, 2}),
          call.data<Real>(conics, "conics", {c, n, 3}),
          call.data<Real>(depths, "depths", {c, n}),
          call.data<Real>(extents, "extents", {c, n, 2}),
          nullptr,
          nullptr,
          nullptr,
          0};
}

TileLists tile_lists(const Call& call, nb::handle splat_offsets, nb::handle tile_offsets, nb::handle splat_ids, nb::handle slots,
                     int64_t entries, int64_t tiles) {
  const TensorArgument ids(splat_ids, "splat_ids");
  const int64_t m = ids.size(0);
  return {call.data<int64_t>(splat_offsets, "splat_offsets", {entries + 1}), call.data<int64_t>(tile_offsets, "tile_offsets", {tiles + 1}),
          call.data<int32_t>(ids, {m}), call.data<int32_t>(slots, "slots", {m})};
}

template <class Real>
int64_t tiles_of(const SplatImageInput<Real>& input) {
  return input.cameras * tile_count(input.width) * tile_count(input.height);
}

// Bytes of scratch on the device of the splats; the CPU needs none.
int64_t count_scratch_size(const Call& call, int64_t entries) {
  if constexpr (kHasCuda) {
    if (call.on_cuda()) return count_scratch_size_cuda(entries);
  }
  return 0;
}
int64_t tile_lists_scratch_size_py(nb::handle means2d, int64_t tiles, int64_t intersections) {
  const Call call(means2d, "means2d");
  if constexpr (kHasCuda) {
    if (call.on_cuda()) return call.ask_device([&] { return tile_lists_scratch_size_cuda(tiles, intersections); });
  }
  return 0;
}

int64_t count_scratch_size_py(nb::handle means2d) {
  const Call call(means2d, "means2d");
  return count_scratch_size(call, call.first().size(0) * call.first().size(1));
}

int64_t count_intersections_py(nb::handle means2d, nb::handle conics, nb::handle depths, nb::handle extents, int width, int height,
                               nb::handle splat_offsets, nb::handle scratch, int threads) {
  int64_t count = 0;
  const Call call(means2d, "means2d");
  call.in_precision([&](auto real) {
    using Real = decltype(real);
    const auto input = support_input<Real>(call, conics, depths, extents, width, height);
    int64_t* offsets = call.data<int64_t>(splat_offsets, "splat_offsets", {input.cameras * input.splats + 1});
    uint8_t* bytes = call.data<uint8_t>(scratch, "scratch", {count_scratch_size(call, input.cameras * input.splats)});
    call.run<Real>(
        threads, [&](auto stream) { count = count_intersections_cuda(input, offsets, bytes, stream); },
        [&](auto workers) { count = count_intersections(input, offsets, workers); });
  });
  return count;
}

void fill_tile_lists_py(nb::handle means2d, nb::handle conics, nb::handle depths, nb::handle extents, int width, int height,
                        nb::handle splat_offsets, nb::handle tile_offsets, nb::handle splat_ids, nb::handle slots, nb::handle scratch,
                        int threads) {
  const Call call(means2d, "means2d");
  call.in_precision([&](auto real) {
    using Real = decltype(real);
    const auto input = support_input<Real>(call, conics, depths, extents, width, height);
    const TileLists lists = tile_lists(call, splat_offsets, tile_offsets, splat_ids, slots, input.cameras * input.splats, tiles_of(input));
    const int64_t m = TensorArgument(splat_ids, "splat_ids").size(0);
    const TensorArgument scratch_arg(scratch, "scratch");
    uint8_t* bytes = call.data<uint8_t>(scratch_arg, {-1});
    const int64_t size = scratch_arg.size(0);
    call.run<Real>(
        threads, [&](auto stream) { fill_tile_lists_cuda(input, lists, m, bytes, size, stream); },
        [&](auto count) { fill_tile_lists(input, lists, count); });
  });
}

void rasterize_splats_py(nb::handle means2d, nb::handle conics, nb::handle depths, nb::handle extents, nb::handle colors,
                         nb::handle opacities, nb::handle betas, int width, int height, int kernel, nb::handle splat_offsets,
                         nb::handle tile_offsets, nb::handle splat_ids, nb::handle slots, nb::handle features, nb::handle alphas,
                         int threads) {
  const Call call(means2d, "means2d");
  call.in_precision([&](auto real) {
    using Real = decltype(real);
    const auto input = image_input<Real>(call, conics, depths, extents, colors, opacities, betas, width, height, kernel);
    const TileLists lists = tile_lists(call, splat_offsets, tile_offsets, splat_ids, slots, input.cameras * input.splats, tiles_of(input));
    Real* features_out = call.data<Real>(features, "features", {input.cameras, height, width, input.channels});
    Real* alphas_out = call.data<Real>(alphas, "alphas", {input.cameras, height, width});
    call.run<Real>(
        threads, [&](auto stream) { rasterize_splats_cuda(input, lists, features_out, alphas_out, stream); },
        [&](auto count) { rasterize_splats(input, lists, features_out, alphas_out, count); });
  });
}

void median_depths_py(nb::handle means2d, nb::handle conics, nb::handle depths, nb::handle extents, nb::handle opacities, nb::handle betas,
                      int width, int height, int kernel, nb::handle splat_offsets, nb::handle tile_offsets, nb::handle splat_ids,
                      nb::handle slots, nb::handle medians, int threads) {
  const Call call(means2d, "means2d");
  call.in_precision([&](auto real) {
    using Real = decltype(real);
    const auto input = image_input<Real>(call, conics, depths, extents, conics, opacities, betas, width, height, kernel);
    const TileLists lists = tile_lists(call, splat_offsets, tile_offsets, splat_ids, slots, input.cameras * input.splats, tiles_of(input));
    Real* out = call.data<Real>(medians, "medians", {input.cameras, height, width});
    call.run<Real>(
        threads, [&](auto stream) { median_depths_cuda(input, lists, out, stream); },
        [&](auto count) { median_depths(input, lists, out, count); });
  });
}

void rasterize_splats_backward_py(nb::handle means2d, nb::handle conics, nb::handle depths, nb::handle extents, nb::handle colors,
                                  nb::handle opacities, nb::handle betas, int width, int height, int kernel, nb::handle splat_offsets,
                                  nb::handle tile_offsets, nb::handle splat_ids, nb::handle slots, nb::handle features, nb::handle alphas,
                                  nb::handle v_features, nb::handle v_alphas, nb::handle v_means2d, nb::handle v_means2d_abs,
                                  nb::handle v_conics, nb::handle v_colors, nb::handle v_opacities, nb::handle v_betas, nb::handle scratch,
                                  int threads) {
  const Call call(means2d, "means2d");
  call.in_precision([&](auto real) {
    using Real = decltype(real);
    const auto input = image_input<Real>(call, conics, depths, extents, colors, opacities, betas, width, height, kernel);
    const int64_t c = input.cameras, n = input.splats, d = input.channels;
    const TileLists lists = tile_lists(call, splat_offsets, tile_offsets, splat_ids, slots, c * n, tiles_of(input));
    const TensorArgument scratch_arg(scratch, "scratch");
    const int64_t m = TensorArgument(splat_ids, "splat_ids").size(0), rows = scratch_arg.size(0);
    if (rows < m && (rows < n || call.on_cuda())) throw nb::value_error("scratch: expected more rows");
    const SplatImageGradient<Real> gradient = {call.data<Real>(features, "features", {c, height, width, d}),
                                               call.data<Real>(alphas, "alphas", {c, height, width}),
                                               call.data<Real>(v_features, "v_features", {c, height, width, d}),
                                               call.data<Real>(v_alphas, "v_alphas", {c, height, width}),
                                               call.data<Real>(v_means2d, "v_means2d", {c, n, 2}),
                                               wanted<Real>(call, v_means2d_abs, "v_means2d_abs", {c, n, 2}),
                                               call.data<Real>(v_conics, "v_conics", {c, n, 3}),
                                               call.data<Real>(v_colors, "v_colors", {c, n, d}),
                                               call.data<Real>(v_opacities, "v_opacities", {n}),
                                               wanted<Real>(call, v_betas, "v_betas", {n}),
                                               call.data<Real>(scratch_arg, {rows, kSlotGradients + d}),
                                               rows};
    call.run<Real>(
        threads, [&](auto stream) { rasterize_splats_backward_cuda(input, lists, gradient, stream); },
        [&](auto count) { rasterize_splats_backward(input, lists, gradient, count); });
  });
}

template <class... Profiles>
nb::tuple profile_names(portable::ProfileTable<Profiles...>) {
  return nb::make_tuple(Profiles::kName...);
}

}  // namespace

void bind_splatting(nb::module_& module) {
  module.attr("PROFILES") = profile_names(portable::SplatProfiles{});
  module.attr("TILE_SIZE") = kTileSize;
  module.attr("MAX_CHANNELS") = kMaxChannels;
  module.attr("SLOT_GRADIENTS") = kSlotGradients;
  module.def("projection_scratch_size", &projection_scratch_size_py);
  module.def("project_splats", &project_splats_py, "means"_a, "quats"_a, "scales"_a, "opacities"_a, "betas"_a, "viewmats"_a, "Ks"_a,
             "width"_a, "height"_a, "near"_a, "far"_a, "eps2d"_a, "camera_model"_a, "distortions"_a.none(), "kernel"_a, "means2d"_a,
             "conics"_a, "depths"_a, "extents"_a, "seen_opacities"_a.none(), "seen_betas"_a.none(), "threads"_a);
  module.def("project_splats_backward", &project_splats_backward_py, "means"_a, "quats"_a, "scales"_a, "opacities"_a, "betas"_a,
             "viewmats"_a, "Ks"_a, "width"_a, "height"_a, "near"_a, "far"_a, "eps2d"_a, "camera_model"_a, "distortions"_a.none(),
             "kernel"_a, "extents"_a, "v_means2d"_a, "v_conics"_a, "v_depths"_a, "v_means"_a, "v_quats"_a, "v_scales"_a,
             "v_viewmats"_a.none(), "v_Ks"_a.none(), "scratch"_a.none(), "v_seen_opacities"_a.none(), "v_seen_betas"_a.none(),
             "v_opacities"_a.none(), "v_betas"_a.none(), "threads"_a);
  module.def("sh_colors", &sh_colors_py, "means"_a, "viewmats"_a, "coefficients"_a, "others"_a.none(), "extents"_a, "degree"_a, "colors"_a,
             "threads"_a);
  module.def("sh_colors_backward", &sh_colors_backward_py, "means"_a, "viewmats"_a, "coefficients"_a, "others"_a.none(), "extents"_a,
             "degree"_a, "colors"_a, "v_colors"_a, "v_coefficients"_a, "v_others"_a.none(), "v_means"_a, "v_viewmats"_a.none(),
             "scratch"_a.none(), "threads"_a);
  module.def("count_scratch_size", &count_scratch_size_py);
  module.def("tile_lists_scratch_size", &tile_lists_scratch_size_py);
  module.def("count_intersections", &count_intersections_py);
  module.def("fill_tile_lists", &fill_tile_lists_py);
  module.def("rasterize_splats", &rasterize_splats_py);
  module.def("median_depths", &median_depths_py);
  module.def("rasterize_splats_backward", &rasterize_splats_backward_py, "means2d"_a, "conics"_a, "depths"_a, "extents"_a, "colors"_a,
             "opacities"_a, "betas"_a, "width"_a, "height"_a, "kernel"_a, "splat_offsets"_a, "tile_offsets"_a, "splat_ids"_a, "slots"_a,
             "features"_a, "alphas"_a, "v_features"_a, "v_alphas"_a, "v_means2d"_a, "v_means2d_abs"_a.none(), "v_conics"_a, "v_colors"_a,
             "v_opacities"_a, "v_betas"_a.none(), "scratch"_a, "threads"_a);
}

}  // namespace splatkit
