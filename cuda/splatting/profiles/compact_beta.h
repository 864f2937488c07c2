// The compact kernel of Deformable Beta Splatting (arXiv 2501.18630), as a control: weight (1 - q)^beta for q < 1 and 0 beyond, beta > 0.
#pragma once
#include "splatting/profiles/profile.h"

SPLATKIT_ISA_BEGIN

constexpr double kCompactOutside = 250.0;  // u from the rim on: a weight far below what is composited
constexpr double kCompactRim = 1e-6;       // 1 - q is held above it, so that derivatives stay finite

struct CompactBeta {
  static constexpr const char* kName = "compact_beta";

  template <class Real>
  SPLATKIT_HD static bool is_gaussian(const ProfileNumbers<Real>&) {
    return false;
  }

  template <class Real>
  SPLATKIT_HD static ProfileNumbers<Real> numbers(Real beta) {
    return {{beta, Real(0), Real(0)}};
  }

  template <class V, class Real>
  SPLATKIT_HD static V value(const ProfileNumbers<Real>& numbers, V q) {
    const V rest = max(V(1.0) - q, V(kCompactRim));
    return select(q < V(1.0), V(-2 * kLn2) * V(numbers.of[0]) * log2(rest), V(kCompactOutside));
  }

  template <class V, class Real>
  SPLATKIT_HD static Exponent<V> with_derivatives(const ProfileNumbers<Real>& numbers, V q) {
    const V beta = V(numbers.of[0]), rest = max(V(1.0) - q, V(kCompactRim)), log_rest = log2(rest);
    const V u = select(q < V(1.0), V(-2 * kLn2) * beta * log_rest, V(kCompactOutside));
    return {u, V(2.0) * beta * reciprocal(rest), V(-2 * kLn2) * log_rest};
  }

  template <class Real>
  SPLATKIT_HD static Real support(Real opacity, Real beta) {
    const Real q_max = Real(1) - exp2(log2(Real(kAlphaMin) / max(opacity, Real(kAlphaMin))) / beta);
    return select((opacity > Real(kAlphaMin)) & (beta > Real(0)), q_max, Real(0));
  }
};

SPLATKIT_ISA_END
