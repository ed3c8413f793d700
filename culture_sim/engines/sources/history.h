// C of every neuron, the sum of d over its spikes, before each step since time started anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

template<class Real> class History
{
public:
    History(std::size_t n_neurons, std::size_t most_steps) : n(n_neurons), C(n_neurons * (most_steps + 1)) {}

    std::int32_t step() const { return t; }
    const Real* now() const { return at(t); }
    const Real* at(std::int32_t step) const { return &C[step * n]; }

    void advance(const std::vector<std::int32_t>& spikes, Real d)
    {
        Real* next = &C[(t + 1) * n];
        std::copy(now(), now() + n, next);
        for (const std::int32_t i : spikes) next[i] += d;
        t++;
    }

    void start_anew() { t = 0; }  // the first row stays zero

private:
    const std::size_t n;
    std::int32_t t = 0;
    std::vector<Real> C;
};
