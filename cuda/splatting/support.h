// The pixels and tiles that a projected splat can touch: the ellipse Q <= q_max, row by row. Real may be a vector of splats in Ellipse
// and reach.
#pragma once
#include "common/host_device.h"
#include "common/scalar_math.h"

SPLATKIT_ISA_BEGIN

// Covers rounding of pixel coordinates up to 16k; a pixel more costs a test, a pixel less would cost a visible edge.
constexpr double kSupportSlack = 0.01;  // px

// Pixel indices [first, end) on one axis.
struct PixelSpan {
  int first, end;
};

// Pixels whose centers lie in [low, high], within [0, size).
template <class Real>
SPLATKIT_HD PixelSpan pixels_between(Real low, Real high, int size) {
  const Real first = low - Real(0.5 + kSupportSlack), last = high - Real(0.5 - kSupportSlack);
  PixelSpan span = {0, size};
  if (first > Real(0)) span.first = first < Real(size) ? static_cast<int>(first) + (first > Real(static_cast<int>(first))) : size;
  if (last < Real(size - 1)) span.end = last < Real(0) ? 0 : static_cast<int>(last) + 1;
  return span;
}

template <class Real>
struct Ellipse {
  Real x, y;                // center, px
  Real a, b, c, q_max;      // a dx^2 + 2 b dx dy + c dy^2 <= q_max
  Real determinant;         // a c - b^2
  Real extent_x, extent_y;  // px
};

// extent: half width and height of the support (px), as the projection found them: sqrt(q_max * covariance's diagonal).
template <class Real>
SPLATKIT_HD Ellipse<Real> make_ellipse(Real x, Real y, Real a, Real b, Real c, Real extent_x, Real extent_y) {
  // A needle's determinant may round to zero or below.
  const Real determinant = max(a * c - b * b, Real(1e-6) * a * c);
  return {x, y, a, b, c, extent_x * extent_x * determinant / c, determinant, extent_x, extent_y};
}
template <class Real>
SPLATKIT_HD Ellipse<Real> make_ellipse(const Real* mean2d, const Real* conic, const Real* extent) {
  return make_ellipse(mean2d[0], mean2d[1], conic[0], conic[1], conic[2], extent[0], extent[1]);
}

// Reach [low, high] along one axis of the part of the ellipse whose other coordinate lies in [other_low, other_high] (relative to the
// center). a belongs to the axis; far_other is the other coordinate of its outermost point.
template <class Real>
SPLATKIT_HD void reach(const Ellipse<Real>& e, Real a, Real far_other, Real other_low, Real other_high, Real& low, Real& high) {
  const Real at_high = clamp(far_other, other_low, other_high), at_low = clamp(-far_other, other_low, other_high);
  const Real high_root = a * e.q_max - e.determinant * at_high * at_high;
  const Real low_root = a * e.q_max - e.determinant * at_low * at_low;
  const Real inverse = Real(1) / a;
  high = (-e.b * at_high + sqrt(max(high_root, Real(0)))) * inverse;
  low = (-e.b * at_low - sqrt(max(low_root, Real(0)))) * inverse;
}

// Rows that the ellipse touches.
template <class Real>
SPLATKIT_HD PixelSpan row_span(const Ellipse<Real>& e, int height) {
  return pixels_between(e.y - e.extent_y, e.y + e.extent_y, height);
}

// Rows that it touches in the given columns; empty where it passes by.
template <class Real>
SPLATKIT_HD PixelSpan row_span(const Ellipse<Real>& e, PixelSpan columns, int height) {
  const Real left = Real(columns.first) + Real(0.5) - e.x, right = Real(columns.end) - Real(0.5) - e.x;
  Real low, high;
  reach(e, e.c, -e.b / e.a * e.extent_y, left, right, low, high);
  return pixels_between(e.y + low, e.y + high, height);
}

// Columns that it touches in the given rows.
template <class Real>
SPLATKIT_HD PixelSpan column_span(const Ellipse<Real>& e, PixelSpan rows, int width) {
  const Real top = Real(rows.first) + Real(0.5) - e.y, bottom = Real(rows.end) - Real(0.5) - e.y;
  Real low, high;
  reach(e, e.a, -e.b / e.c * e.extent_x, top, bottom, low, high);
  return pixels_between(e.x + low, e.x + high, width);
}

SPLATKIT_ISA_END
