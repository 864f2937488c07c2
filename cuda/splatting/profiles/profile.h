// What every profile of splats has: how its weight exp(-u / 2) falls with the squared Mahalanobis distance q.
//
// A profile is a type with
//   kName                                            as Python calls it
//   bool is_gaussian(numbers)                        whether a splat with these numbers is a plain Gaussian, which needs no power
//   ProfileNumbers<Real> numbers(beta)               what compositing needs of the exponent, found once for each splat
//   Real value(numbers, q)                           u alone
//   Exponent<Real> with_derivatives(numbers, q)
//   Real support(opacity, beta)                      largest q at which opacity * weight still reaches kAlphaMin; 0 where it never does
// all of them for scalars and for vectors of splats or pixels. What is listed in `splatting/profiles.h` is rendered.
#pragma once
#include "common/host_device.h"
#include "common/scalar_math.h"

SPLATKIT_ISA_BEGIN

constexpr double kLog2E = 1.4426950408889634074;
constexpr double kLn2 = 0.69314718055994530942;
constexpr double kAlphaMin = 1.0 / 255.0;   // one step of an 8-bit image
constexpr double kAlphaMax = 0.99;          // keeps 1 - alpha invertible
constexpr double kTransmittanceMin = 1e-4;  // a pixel is finished before it falls to this

template <class Real>
struct Exponent {
  Real u;
  Real du_dq;
  Real du_dbeta;
};

constexpr int kProfileNumbers = 3;

// A profile's own constants of one splat, in an order that only the profile knows.
template <class Real>
struct ProfileNumbers {
  Real of[kProfileNumbers];
};

SPLATKIT_ISA_END
