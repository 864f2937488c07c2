// One number's step of Adam (Kingma and Ba, arXiv 1412.6980) as torch takes it: bias corrections apart, epsilon beside the corrected root.
#pragma once
#include "common/host_device.h"
#include "common/scalar_math.h"

SPLATKIT_ISA_BEGIN

// What all numbers of a group share at one step.
template <class Real>
struct AdamRates {
  Real beta1, beta2, step, root, eps;  // step: rate / (1 - beta1^t); root: 1 / sqrt(1 - beta2^t)
};

// steps: t, this one included.
template <class Real>
SPLATKIT_HD AdamRates<Real> adam_rates(double rate, double beta1, double beta2, double eps, double steps) {
  const double unseen1 = 1 - ::pow(beta1, steps), unseen2 = 1 - ::pow(beta2, steps);
  return {Real(beta1), Real(beta2), Real(rate / unseen1), Real(1 / ::sqrt(unseen2)), Real(eps)};
}

// V: a number or a vector of them.
template <class V, class Real>
SPLATKIT_HD void adam_step(const AdamRates<Real>& rates, V gradient, V& value, V& mean, V& square) {
  mean += V(Real(1) - rates.beta1) * (gradient - mean);
  square = V(rates.beta2) * square + V(Real(1) - rates.beta2) * gradient * gradient;
  value -= V(rates.step) * mean * reciprocal(sqrt(square) * V(rates.root) + V(rates.eps));
}

SPLATKIT_ISA_END
