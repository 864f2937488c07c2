// The table of profiles: one that is listed here is projected, composited and differentiated on CPU and CUDA. Its number is its place.
#pragma once
#include "splatting/profiles/compact_beta.h"
#include "splatting/profiles/generalized_exponential.h"

SPLATKIT_ISA_BEGIN

template <class... Profiles>
struct ProfileTable {};

using SplatProfiles = ProfileTable<GeneralizedExponential, CompactBeta>;

// visit(profile) of the profile with this number; the last of the table for any other.
template <class Visit, class First, class... Rest>
SPLATKIT_HD auto with_profile_of(ProfileTable<First, Rest...>, int number, const Visit& visit) {
  if constexpr (sizeof...(Rest) > 0) {
    if (number != 0) return with_profile_of(ProfileTable<Rest...>{}, number - 1, visit);
  }
  return visit(First{});
}

template <class Visit>
SPLATKIT_HD auto with_profile(int number, const Visit& visit) {
  return with_profile_of(SplatProfiles{}, number, visit);
}

template <class Real>
SPLATKIT_HD Real support_of(int number, Real opacity, Real beta) {
  return with_profile(number, [&](auto profile) { return profile.support(opacity, beta); });
}

// visit(profile) for compositing a splat, which may be a plain Gaussian.
template <class Visit>
SPLATKIT_HD auto with_profile(int number, bool gaussian, const Visit& visit) {
  if (gaussian) return visit(Gaussian{});
  return with_profile(number, visit);
}

SPLATKIT_ISA_END
