// A projection in which most pairs are connected: all pairs, without indices; NaN where there is no synapse.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

#include "synapses.h"

// Loops over a stretch of one row, as functions of plain arrays that do not overlap, so that compilers use vector
// instructions. A comparison with NaN is false: without a synapse nothing is received, and the weight stays NaN.
namespace dense
{

template<bool excites, class Real>
void learn(Real* __restrict w, Real* __restrict input, Real gain, const Real* __restrict seen, const Real* __restrict C,
           const Real* __restrict ltp, const Real* __restrict ltd, std::size_t n)
{
    for (std::size_t i = 0; i < n; i++)
    {
        const Real changed = gain * (C[i] - seen[i]) + (w[i] - ltd[i]);
        input[i] = changed >= -ltp[i] ? received<excites>(input[i], ltp[i], changed) : input[i];
        w[i] = changed < -ltp[i] ? -ltp[i] : changed;
    }
}

template<bool excites, class Real> void transmit(const Real* __restrict w, Real* __restrict input, std::size_t n)
{
    for (std::size_t i = 0; i < n; i++) input[i] = w[i] >= 0 ? received<excites>(input[i], w[i]) : input[i];
}

template<class Real>
void credit(Real* __restrict w, Real* __restrict total, Real gain, const Real* __restrict seen,
            const Real* __restrict C, std::size_t n)
{
    for (std::size_t i = 0; i < n; i++)
    {
        const Real changed = gain * (C[i] - seen[i]) + w[i];
        w[i] = changed < 0 ? Real(0) : changed;
        total[i] = changed >= 0 ? total[i] + changed : total[i];
    }
}

template<class Real>
void scale(Real* __restrict w, double strength, const double* __restrict inverse, std::size_t n)
{
    for (std::size_t i = 0; i < n; i++) w[i] = scaled(w[i], strength, inverse[i]);
}

}

template<class Real, bool excites> class DenseRows : public Rows<Real>
{
public:
    DenseRows(const std::string& name, const std::vector<std::int32_t>& start, std::size_t n)
        : n(n), n_sources(start.size() - 1), w(n_sources * n, std::numeric_limits<Real>::quiet_NaN())
    {
        Input<std::int32_t> indices(name + ".indices");
        Input<Real> data(name + ".data");
        std::vector<std::int32_t> target(n);
        std::vector<Real> weight(n);
        for (std::size_t j = 0; j < n_sources; j++)
        {
            const std::size_t length = start[j + 1] - start[j];
            indices.read(target.data(), length);
            data.read(weight.data(), length);
            for (std::size_t k = 0; k < length; k++) w[j * n + target[k]] = weight[k];
        }
    }

    void transmit(const std::vector<Arrival<Real>>& arrivals, Real* input) override
    {
        for (const auto& a : arrivals) dense::transmit<excites>(&w[a.source * n], input, n);
    }

    void learn(const std::vector<Arrival<Real>>& arrivals, const Targets<Real>& to) override
    {
        for (std::size_t i = 0; i < n; i += STRETCH)  // a stretch of all rows: the arrays of the targets stay in cache
            for (const auto& a : arrivals)
                dense::learn<excites>(&w[a.source * n + i], to.input + i, a.gain, a.seen + i, to.C + i, to.ltp + i,
                                      to.ltd + i, std::min(STRETCH, n - i));
    }

    void credit(const Arrival<Real>& row, const Real* C, Real* total) override
    {
        dense::credit(&w[row.source * n], total, row.gain, row.seen, C, n);
    }

    void scale(double strength, const double* inverse) override
    {
        for (std::size_t j = 0; j < n_sources; j++) dense::scale(&w[j * n], strength, inverse, n);
    }

    void save(Output<Real>& output) const override
    {
        for (const Real weight : w)
            if (weight >= 0) output.add(weight);
    }

private:
    static constexpr std::size_t STRETCH = 2048;
    const std::size_t n, n_sources;
    std::vector<Real> w;
};
