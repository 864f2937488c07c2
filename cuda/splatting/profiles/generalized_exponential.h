// The generalized exponential kernel of a splat and its derivatives: u = (q + eps)^(beta/2) - eps^(beta/2).
// GES (arXiv 2402.10128), eq. 2. The offset eps is ours: it rounds the cusp at the center for beta < 2
// and leaves beta == 2, the Gaussian, exactly as it is.
#pragma once
#include "splatting/profiles/profile.h"

SPLATKIT_ISA_BEGIN

constexpr double kGefEps = 1e-4;
constexpr double kLog2GefEps = -13.287712379549449;

struct GeneralizedExponential {
  static constexpr const char* kName = "generalized_exponential";

  template <class Real>
  SPLATKIT_HD static bool is_gaussian(const ProfileNumbers<Real>& numbers) {
    return numbers.of[0] == Real(1);
  }

  // beta / 2, eps^(beta/2), eps^(beta/2) * log2(eps).
  template <class Real>
  SPLATKIT_HD static ProfileNumbers<Real> numbers(Real beta) {
    const Real half = Real(0.5) * beta, eps_power = exp2(half * Real(kLog2GefEps));
    return {{half, eps_power, eps_power * Real(kLog2GefEps)}};
  }

  template <class V, class Real>
  SPLATKIT_HD static V value(const ProfileNumbers<Real>& numbers, V q) {
    return exp2(V(numbers.of[0]) * log2(q + V(kGefEps))) - V(numbers.of[1]);
  }

  template <class V, class Real>
  SPLATKIT_HD static Exponent<V> with_derivatives(const ProfileNumbers<Real>& numbers, V q) {
    const V half = V(numbers.of[0]), e = q + V(kGefEps), log_e = log2(e), power = exp2(half * log_e);
    return {power - V(numbers.of[1]), half * power * reciprocal(e), V(0.5 * kLn2) * (power * log_e - V(numbers.of[2]))};
  }

  template <class Real>
  SPLATKIT_HD static Real support(Real opacity, Real beta) {
    const Real zero = Real(0), half = Real(0.5) * beta;
    const Real u_max = Real(2 * kLn2) * log2(max(opacity, Real(kAlphaMin)) * Real(1 / kAlphaMin));
    const Real eps_power = exp2(half * Real(kLog2GefEps));
    const Real q_max = exp2(log2(u_max + eps_power) / half) - Real(kGefEps);
    // At beta == 2 the power and its inverse cancel.
    return select(opacity > Real(kAlphaMin), max(select(beta == Real(2), u_max, q_max), zero), zero);
  }
};

// The generalized exponential at beta == 2: u = q without a power; the derivative with respect to beta stays.
struct Gaussian {
  template <class V, class Real>
  SPLATKIT_HD static V value(const ProfileNumbers<Real>&, V q) {
    return q;
  }

  template <class V, class Real>
  SPLATKIT_HD static Exponent<V> with_derivatives(const ProfileNumbers<Real>&, V q) {
    const V e = q + V(kGefEps);
    return {q, V(1.0), V(0.5 * kLn2) * (e * log2(e) - V(kGefEps * kLog2GefEps))};
  }
};

SPLATKIT_ISA_END
