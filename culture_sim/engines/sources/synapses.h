// What the dense and the sparse form of a projection share: a presynaptic spike on its way, and the rule of one synapse.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "files.h"

// A presynaptic spike: gain = learning * A_plus * g of the source before it, and C of all neurons when the source last
// fired. All synapses of a row were last visited then, so that no synapse needs a copy.
template<class Real> struct Arrival
{
    std::int32_t source;
    Real gain;
    const Real* seen;
};

// Of the postsynaptic neurons in this step: C before it, potentiation and depression, and the input they gather.
template<class Real> struct Targets
{
    const Real *C, *ltp, *ltd;
    Real* input;
};

// The synapses of one projection, by source.
template<class Real> class Rows
{
public:
    virtual ~Rows() = default;
    virtual void transmit(const std::vector<Arrival<Real>>& arrivals, Real* input) = 0;
    virtual void learn(const std::vector<Arrival<Real>>& arrivals, const Targets<Real>& targets) = 0;
    // Credit the potentiation still deferred in a row; add its weights to their targets' totals.
    virtual void credit(const Arrival<Real>& row, const Real* C, Real* total) = 0;
    // w = w * strength * inverse of the target's total.
    virtual void scale(double strength, const std::vector<double>& inverse) = 0;
    virtual void save(Output<Real>& output) = 0;
};

// Input of a neuron after the arrival of weights.
template<bool excites, class Real, class... Reals> Real received(Real input, Reals... weights)
{
    return excites ? (input + ... + weights) : (input - ... - weights);
}

template<class Real> Real scaled(Real weight, double strength, double inverse)
{
    return Real(double(weight) * strength * inverse);
}
