// The compact kernel of Deformable Beta Splatting (arXiv 2501.18630), as a control: weight (1 - Q)^beta for Q < 1 and 0 beyond, beta > 0.
// Written as exp(-u / 2) like the generalized exponential, so that both share everything else.
#pragma once
#include "splatting/gef_weight.h"

SPLATKIT_ISA_BEGIN

enum SplatKernel { kGeneralizedExponential = 0, kCompactBeta = 1 };

constexpr double kCompactOutside = 250.0;  // u from the rim on: a weight far below what is composited
constexpr double kCompactRim = 1e-6;       // 1 - Q is held above it, so that derivatives stay finite

template <class Real>
SPLATKIT_HD Real compact_exponent_value(Real q, Real beta) {
  const Real rest = max(Real(1) - q, Real(kCompactRim));
  return select(q < Real(1), Real(-2 * kLn2) * beta * log2(rest), Real(kCompactOutside));
}

template <class Real>
SPLATKIT_HD GefExponent<Real> compact_exponent(Real q, Real beta) {
  const Real rest = max(Real(1) - q, Real(kCompactRim)), log_rest = log2(rest);
  const Real u = select(q < Real(1), Real(-2 * kLn2) * beta * log_rest, Real(kCompactOutside));
  return {u, Real(2) * beta * reciprocal(rest), Real(-2 * kLn2) * log_rest};
}

// Largest q at which opacity * weight still reaches kAlphaMin; 0 where it never does.
template <class Real>
SPLATKIT_HD Real compact_support(Real opacity, Real beta) {
  const Real q_max = Real(1) - exp2(log2(Real(kAlphaMin) / max(opacity, Real(kAlphaMin))) / beta);
  return select((opacity > Real(kAlphaMin)) & (beta > Real(0)), q_max, Real(0));
}

SPLATKIT_ISA_END
