// The pixels and tiles that a projected splat can touch: the ellipse Q <= q_max, row by row.
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
  Real x, y;              // center, px
  Real a, b, c, q_max;    // a dx^2 + 2 b dx dy + c dy^2 <= q_max
  Real determinant;       // a c - b^2
  Real extent_y;          // px
  Real rightmost_y;       // dy of the rightmost point
};

// extent: half width and height of the support (px), as the projection found them: sqrt(q_max * covariance's diagonal).
template <class Real>
SPLATKIT_HD Ellipse<Real> make_ellipse(const Real* mean2d, const Real* conic, const Real* extent) {
  Ellipse<Real> e = {mean2d[0], mean2d[1], conic[0], conic[1], conic[2], 0, 0, extent[1], 0};
  e.determinant = e.a * e.c - e.b * e.b;
  // A needle's determinant may round to zero or below.
  const Real floor = Real(1e-6) * e.a * e.c;
  if (!(e.determinant > floor)) e.determinant = floor;
  e.q_max = extent[0] * extent[0] * e.determinant / e.c;
  e.rightmost_y = -e.b / e.c * extent[0];
  return e;
}

template <class Real>
SPLATKIT_HD PixelSpan row_span(const Ellipse<Real>& e, int height) {
  return pixels_between(e.y - e.extent_y, e.y + e.extent_y, height);
}

// Columns that the ellipse touches in the rows [first, end).
template <class Real>
SPLATKIT_HD PixelSpan column_span(const Ellipse<Real>& e, PixelSpan rows, int width) {
  const Real low = Real(rows.first) + Real(0.5) - e.y, high = Real(rows.end) - Real(0.5) - e.y;
  const Real right_y = clamp(e.rightmost_y, low, high), left_y = clamp(-e.rightmost_y, low, high);
  const Real right_root = e.a * e.q_max - e.determinant * right_y * right_y;
  const Real left_root = e.a * e.q_max - e.determinant * left_y * left_y;
  const Real right = (-e.b * right_y + sqrt(right_root > 0 ? right_root : Real(0))) / e.a;
  const Real left = (-e.b * left_y - sqrt(left_root > 0 ? left_root : Real(0))) / e.a;
  return pixels_between(e.x + left, e.x + right, width);
}

SPLATKIT_ISA_END
