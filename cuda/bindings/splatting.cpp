#include "bindings/splatting.h"

#include "bindings/tensor.h"
#include "include/splatkit_native.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace splatkit {
namespace {

using Arg = TensorArgument;

// Null for None.
template <class Real>
Real* wanted(nb::handle tensor, const char* name, std::initializer_list<int64_t> shape) {
  return tensor.is_none() ? nullptr : Arg(tensor, name).data<Real>(shape);
}

template <class Real>
ProjectionInput<Real> projection_input(const Arg& means, const Arg& quats, const Arg& scales, const Arg& opacities, const Arg& betas,
                                       const Arg& viewmats, const Arg& Ks, int width, int height, double near, double far, double eps2d, int camera_model,
                                       nb::handle distortions, int kernel) {
  const int64_t n = means.size(0), c = viewmats.size(0);
  return {c, n, means.data<Real>({n, 3}), quats.data<Real>({n, 4}), scales.data<Real>({n, 3}), opacities.data<Real>({n}),
          betas.data<Real>({n}), viewmats.data<Real>({c, 4, 4}), Ks.data<Real>({c, 3, 3}), width, height, near, far, eps2d, camera_model,
          wanted<Real>(distortions, "distortions", {c, 4}), kernel};
}

// Both instantiations from one body: Real is the dtype of `chooser`.
template <class Body>
void dispatch(const Arg& chooser, const Body& body) {
  if (chooser.is_double()) {
    body(double());
  } else {
    body(float());
  }
}

void project_splats_py(nb::handle means, nb::handle quats, nb::handle scales, nb::handle opacities, nb::handle betas, nb::handle viewmats,
                       nb::handle Ks, int width, int height, double near, double far, double eps2d, int camera_model, nb::handle distortions,
                       int kernel, nb::handle means2d, nb::handle conics, nb::handle depths, nb::handle extents, nb::handle seen_opacities,
                       nb::handle seen_betas, int threads) {
  const Arg means_arg(means, "means");
  dispatch(means_arg, [&](auto real) {
    using Real = decltype(real);
    const auto input = projection_input<Real>(means_arg, Arg(quats, "quats"), Arg(scales, "scales"), Arg(opacities, "opacities"),
                                              Arg(betas, "betas"), Arg(viewmats, "viewmats"), Arg(Ks, "Ks"), width, height, near, far, eps2d,
                                              camera_model, distortions, kernel);
    const int64_t c = input.cameras, n = input.splats;
    const ProjectionOutput<Real> output = {Arg(means2d, "means2d").data<Real>({c, n, 2}), Arg(depths, "depths").data<Real>({c, n}),
                                           Arg(conics, "conics").data<Real>({c, n, 3}), Arg(extents, "extents").data<Real>({c, n, 2}),
                                           wanted<Real>(seen_opacities, "seen_opacities", {c, n}), wanted<Real>(seen_betas, "seen_betas", {c, n})};
    nb::gil_scoped_release unlocked;
    project_splats(input, output, threads);
  });
}

void project_splats_backward_py(nb::handle means, nb::handle quats, nb::handle scales, nb::handle opacities, nb::handle betas,
                                nb::handle viewmats, nb::handle Ks, int width, int height, double near, double far, double eps2d,
                                int camera_model, nb::handle distortions, int kernel, nb::handle extents, nb::handle v_means2d, nb::handle v_conics, nb::handle v_depths, nb::handle v_means,
                                nb::handle v_quats, nb::handle v_scales, nb::handle v_viewmats, nb::handle v_Ks, nb::handle scratch,
                                nb::handle v_seen_opacities, nb::handle v_seen_betas, nb::handle v_opacities, nb::handle v_betas, int threads) {
  const Arg means_arg(means, "means");
  dispatch(means_arg, [&](auto real) {
    using Real = decltype(real);
    const auto input = projection_input<Real>(means_arg, Arg(quats, "quats"), Arg(scales, "scales"), Arg(opacities, "opacities"),
                                              Arg(betas, "betas"), Arg(viewmats, "viewmats"), Arg(Ks, "Ks"), width, height, near, far, eps2d,
                                              camera_model, distortions, kernel);
    const int64_t c = input.cameras, n = input.splats;
    const ProjectionGradient<Real> gradient = {
        Arg(extents, "extents").data<Real>({c, n, 2}),      Arg(v_means2d, "v_means2d").data<Real>({c, n, 2}),
        Arg(v_depths, "v_depths").data<Real>({c, n}),       Arg(v_conics, "v_conics").data<Real>({c, n, 3}),
        Arg(v_means, "v_means").data<Real>({n, 3}),         Arg(v_quats, "v_quats").data<Real>({n, 4}),
        Arg(v_scales, "v_scales").data<Real>({n, 3}),       Arg(v_viewmats, "v_viewmats").data<Real>({c, 4, 4}),
        Arg(v_Ks, "v_Ks").data<Real>({c, 3, 3}),            Arg(scratch, "scratch").data<double>({projection_scratch_size(c, n)}),
        wanted<Real>(v_seen_opacities, "v_seen_opacities", {c, n}), wanted<Real>(v_seen_betas, "v_seen_betas", {c, n}),
        wanted<Real>(v_opacities, "v_opacities", {n}), wanted<Real>(v_betas, "v_betas", {n})};
    nb::gil_scoped_release unlocked;
    project_splats_backward(input, gradient, threads);
  });
}

template <class Real>
ShColorInput<Real> sh_input(const Arg& means, const Arg& viewmats, const Arg& coefficients, const Arg& extents, int degree) {
  const int64_t n = means.size(0), c = viewmats.size(0), bases = coefficients.size(1);
  if (degree < 0 || degree > 3 || bases < (degree + 1) * (degree + 1)) {
    throw nb::value_error("coefficients: fewer than (degree + 1)^2 bases, or degree outside 0 to 3");
  }
  return {c, n, bases, degree, means.data<Real>({n, 3}), viewmats.data<Real>({c, 4, 4}), coefficients.data<Real>({n, bases, 3}),
          extents.data<Real>({c, n, 2})};
}

void sh_colors_py(nb::handle means, nb::handle viewmats, nb::handle coefficients, nb::handle extents, int degree, nb::handle colors,
                  int threads) {
  const Arg means_arg(means, "means");
  dispatch(means_arg, [&](auto real) {
    using Real = decltype(real);
    const auto input = sh_input<Real>(means_arg, Arg(viewmats, "viewmats"), Arg(coefficients, "coefficients"), Arg(extents, "extents"), degree);
    Real* out = Arg(colors, "colors").data<Real>({input.cameras, input.splats, 3});
    nb::gil_scoped_release unlocked;
    sh_colors(input, out, threads);
  });
}

void sh_colors_backward_py(nb::handle means, nb::handle viewmats, nb::handle coefficients, nb::handle extents, int degree, nb::handle colors,
                           nb::handle v_colors, nb::handle v_coefficients, nb::handle v_means, nb::handle v_viewmats, nb::handle scratch,
                           int threads) {
  const Arg means_arg(means, "means");
  dispatch(means_arg, [&](auto real) {
    using Real = decltype(real);
    const auto input = sh_input<Real>(means_arg, Arg(viewmats, "viewmats"), Arg(coefficients, "coefficients"), Arg(extents, "extents"), degree);
    const int64_t c = input.cameras, n = input.splats;
    const ShColorGradient<Real> gradient = {
        Arg(colors, "colors").data<Real>({c, n, 3}), Arg(v_colors, "v_colors").data<Real>({c, n, 3}),
        Arg(v_coefficients, "v_coefficients").data<Real>({n, input.bases, 3}), Arg(v_means, "v_means").data<Real>({n, 3}),
        Arg(v_viewmats, "v_viewmats").data<Real>({c, 4, 4}), Arg(scratch, "scratch").data<double>({projection_scratch_size(c, n)})};
    nb::gil_scoped_release unlocked;
    sh_colors_backward(input, gradient, threads);
  });
}

template <class Real>
SplatImageInput<Real> image_input(nb::handle means2d, nb::handle conics, nb::handle depths, nb::handle extents, nb::handle colors,
                                  nb::handle opacities, nb::handle betas, int width, int height, int kernel = 0) {
  const Arg means2d_arg(means2d, "means2d"), colors_arg(colors, "colors");
  const int64_t c = means2d_arg.size(0), n = means2d_arg.size(1), d = colors_arg.size(2);
  if (d < 1 || d > kMaxChannels) throw nb::value_error("colors: expected 1 to 5 channels a call");
  return {c, n, width, height, static_cast<int>(d), means2d_arg.data<Real>({c, n, 2}), Arg(conics, "conics").data<Real>({c, n, 3}),
          Arg(depths, "depths").data<Real>({c, n}), Arg(extents, "extents").data<Real>({c, n, 2}), colors_arg.data<Real>({c, n, d}),
          Arg(opacities, "opacities").data<Real>({n}), Arg(betas, "betas").data<Real>({n}), kernel};
}

TileLists tile_lists(nb::handle splat_offsets, nb::handle tile_offsets, nb::handle splat_ids, nb::handle slots, int64_t entries, int64_t tiles) {
  const Arg ids(splat_ids, "splat_ids");
  const int64_t m = ids.size(0);
  return {Arg(splat_offsets, "splat_offsets").data<int64_t>({entries + 1}), Arg(tile_offsets, "tile_offsets").data<int64_t>({tiles + 1}),
          ids.data<int32_t>({m}), Arg(slots, "slots").data<int32_t>({m})};
}

template <class Real>
int64_t tiles_of(const SplatImageInput<Real>& input) {
  return input.cameras * tile_count(input.width) * tile_count(input.height);
}

int64_t count_intersections_py(nb::handle means2d, nb::handle conics, nb::handle depths, nb::handle extents, nb::handle opacities,
                               nb::handle betas, int width, int height, nb::handle splat_offsets, int threads) {
  int64_t count = 0;
  dispatch(Arg(means2d, "means2d"), [&](auto real) {
    using Real = decltype(real);
    const auto input = image_input<Real>(means2d, conics, depths, extents, conics, opacities, betas, width, height);
    int64_t* offsets = Arg(splat_offsets, "splat_offsets").data<int64_t>({input.cameras * input.splats + 1});
    nb::gil_scoped_release unlocked;
    count = count_intersections(input, offsets, threads);
  });
  return count;
}

void fill_tile_lists_py(nb::handle means2d, nb::handle conics, nb::handle depths, nb::handle extents, nb::handle opacities, nb::handle betas,
                        int width, int height, nb::handle splat_offsets, nb::handle tile_offsets, nb::handle splat_ids, nb::handle slots,
                        int threads) {
  dispatch(Arg(means2d, "means2d"), [&](auto real) {
    using Real = decltype(real);
    const auto input = image_input<Real>(means2d, conics, depths, extents, conics, opacities, betas, width, height);
    const TileLists lists = tile_lists(splat_offsets, tile_offsets, splat_ids, slots, input.cameras * input.splats, tiles_of(input));
    nb::gil_scoped_release unlocked;
    fill_tile_lists(input, lists, threads);
  });
}

void rasterize_splats_py(nb::handle means2d, nb::handle conics, nb::handle depths, nb::handle extents, nb::handle colors,
                         nb::handle opacities, nb::handle betas, int width, int height, int kernel, nb::handle splat_offsets,
                         nb::handle tile_offsets, nb::handle splat_ids, nb::handle slots, nb::handle features, nb::handle alphas, int threads) {
  dispatch(Arg(means2d, "means2d"), [&](auto real) {
    using Real = decltype(real);
    const auto input = image_input<Real>(means2d, conics, depths, extents, colors, opacities, betas, width, height, kernel);
    const TileLists lists = tile_lists(splat_offsets, tile_offsets, splat_ids, slots, input.cameras * input.splats, tiles_of(input));
    Real* features_out = Arg(features, "features").data<Real>({input.cameras, height, width, input.channels});
    Real* alphas_out = Arg(alphas, "alphas").data<Real>({input.cameras, height, width});
    nb::gil_scoped_release unlocked;
    rasterize_splats(input, lists, features_out, alphas_out, threads);
  });
}

void median_depths_py(nb::handle means2d, nb::handle conics, nb::handle depths, nb::handle extents, nb::handle opacities, nb::handle betas,
                      int width, int height, int kernel, nb::handle splat_offsets, nb::handle tile_offsets, nb::handle splat_ids,
                      nb::handle slots, nb::handle medians, int threads) {
  dispatch(Arg(means2d, "means2d"), [&](auto real) {
    using Real = decltype(real);
    const auto input = image_input<Real>(means2d, conics, depths, extents, conics, opacities, betas, width, height, kernel);
    const TileLists lists = tile_lists(splat_offsets, tile_offsets, splat_ids, slots, input.cameras * input.splats, tiles_of(input));
    Real* out = Arg(medians, "medians").data<Real>({input.cameras, height, width});
    nb::gil_scoped_release unlocked;
    median_depths(input, lists, out, threads);
  });
}

void rasterize_splats_backward_py(nb::handle means2d, nb::handle conics, nb::handle depths, nb::handle extents, nb::handle colors,
                                  nb::handle opacities, nb::handle betas, int width, int height, int kernel, nb::handle splat_offsets,
                                  nb::handle tile_offsets, nb::handle splat_ids, nb::handle slots, nb::handle features, nb::handle alphas,
                                  nb::handle v_features, nb::handle v_alphas, nb::handle v_means2d, nb::handle v_means2d_abs,
                                  nb::handle v_conics, nb::handle v_colors, nb::handle v_opacities, nb::handle v_betas, nb::handle scratch,
                                  int threads) {
  dispatch(Arg(means2d, "means2d"), [&](auto real) {
    using Real = decltype(real);
    const auto input = image_input<Real>(means2d, conics, depths, extents, colors, opacities, betas, width, height, kernel);
    const int64_t c = input.cameras, n = input.splats, d = input.channels;
    const TileLists lists = tile_lists(splat_offsets, tile_offsets, splat_ids, slots, c * n, tiles_of(input));
    const Arg scratch_arg(scratch, "scratch");
    const int64_t rows = scratch_arg.size(0);
    if (rows < Arg(splat_ids, "splat_ids").size(0) && rows < n) throw nb::value_error("scratch: expected a row for every splat");
    const SplatImageGradient<Real> gradient = {
        Arg(features, "features").data<Real>({c, height, width, d}),     Arg(alphas, "alphas").data<Real>({c, height, width}),
        Arg(v_features, "v_features").data<Real>({c, height, width, d}), Arg(v_alphas, "v_alphas").data<Real>({c, height, width}),
        Arg(v_means2d, "v_means2d").data<Real>({c, n, 2}),               wanted<Real>(v_means2d_abs, "v_means2d_abs", {c, n, 2}),
        Arg(v_conics, "v_conics").data<Real>({c, n, 3}),                 Arg(v_colors, "v_colors").data<Real>({c, n, d}),
        Arg(v_opacities, "v_opacities").data<Real>({n}),                 wanted<Real>(v_betas, "v_betas", {n}),
        scratch_arg.data<Real>({rows, kSlotGradients + d}), rows};
    nb::gil_scoped_release unlocked;
    rasterize_splats_backward(input, lists, gradient, threads);
  });
}

}  // namespace

void bind_splatting(nb::module_& module) {
  module.attr("TILE_SIZE") = kTileSize;
  module.attr("MAX_CHANNELS") = kMaxChannels;
  module.attr("SLOT_GRADIENTS") = kSlotGradients;
  module.def("projection_scratch_size", &projection_scratch_size);
  module.def("project_splats", &project_splats_py, "means"_a, "quats"_a, "scales"_a, "opacities"_a, "betas"_a, "viewmats"_a, "Ks"_a, "width"_a,
             "height"_a, "near"_a, "far"_a, "eps2d"_a, "camera_model"_a, "distortions"_a.none(), "kernel"_a, "means2d"_a, "conics"_a,
             "depths"_a, "extents"_a, "seen_opacities"_a.none(), "seen_betas"_a.none(), "threads"_a);
  module.def("project_splats_backward", &project_splats_backward_py, "means"_a, "quats"_a, "scales"_a, "opacities"_a, "betas"_a, "viewmats"_a,
             "Ks"_a, "width"_a, "height"_a, "near"_a, "far"_a, "eps2d"_a, "camera_model"_a, "distortions"_a.none(), "kernel"_a, "extents"_a,
             "v_means2d"_a, "v_conics"_a, "v_depths"_a, "v_means"_a, "v_quats"_a, "v_scales"_a, "v_viewmats"_a, "v_Ks"_a, "scratch"_a,
             "v_seen_opacities"_a.none(), "v_seen_betas"_a.none(), "v_opacities"_a.none(), "v_betas"_a.none(), "threads"_a);
  module.def("sh_colors", &sh_colors_py);
  module.def("sh_colors_backward", &sh_colors_backward_py);
  module.def("count_intersections", &count_intersections_py);
  module.def("fill_tile_lists", &fill_tile_lists_py);
  module.def("rasterize_splats", &rasterize_splats_py);
  module.def("median_depths", &median_depths_py);
  module.def("rasterize_splats_backward", &rasterize_splats_backward_py, "means2d"_a, "conics"_a, "depths"_a, "extents"_a, "colors"_a,
             "opacities"_a, "betas"_a, "width"_a, "height"_a, "kernel"_a, "splat_offsets"_a, "tile_offsets"_a, "splat_ids"_a, "slots"_a, "features"_a,
             "alphas"_a, "v_features"_a, "v_alphas"_a, "v_means2d"_a, "v_means2d_abs"_a.none(), "v_conics"_a, "v_colors"_a, "v_opacities"_a,
             "v_betas"_a.none(), "scratch"_a, "threads"_a);
}

}  // namespace splatkit
