// A projection in which most pairs are connected: all pairs, without indices; NaN where there is no synapse.
#pragma once

#include <cstddef>
#include <limits>

#include "synapses.h"

// Loops along rows, written so that compilers use vector instructions: the rows, and the arrays of the targets, do not
// overlap. A comparison with NaN is false: where there is no synapse nothing is received, and the weight stays NaN.
namespace dense
{

// The arrivals of `m` sources in one walk, which loads the arrays of the targets once; each target receives in order.
template<bool excites, int m, class Real>
void learn(const Arrival<Real>* arrivals, Real* const* rows, const Targets<Real> to, std::size_t n)
{
    #pragma GCC ivdep
    for (std::size_t i = 0; i < n; i++)
    {
        Real input = to.input[i];
        #pragma GCC unroll 8
        for (int k = 0; k < m; k++)
        {
            const Real w = arrivals[k].gain * (to.C[i] - arrivals[k].seen[i]) + (rows[k][i] - to.ltd[i]);
            input = w >= -to.ltp[i] ? received<excites>(input, to.ltp[i], w) : input;
            rows[k][i] = w < -to.ltp[i] ? -to.ltp[i] : w;
        }
        to.input[i] = input;
    }
}

template<bool excites, class Real> void transmit(const Real* __restrict w, Real* __restrict input, std::size_t n)
{
    for (std::size_t i = 0; i < n; i++) input[i] = w[i] >= 0 ? received<excites>(input[i], w[i]) : input[i];
}

template<class Real>
void credit(Real* __restrict row, Real* __restrict total, Real gain, const Real* __restrict seen,
            const Real* __restrict C, std::size_t n)
{
    for (std::size_t i = 0; i < n; i++)
    {
        const Real w = gain * (C[i] - seen[i]) + row[i];
        row[i] = w < 0 ? Real(0) : w;
        total[i] = w >= 0 ? total[i] + w : total[i];
    }
}

template<class Real>
void scale(Real* __restrict row, double strength, const double* __restrict inverse, std::size_t n)
{
    for (std::size_t i = 0; i < n; i++) row[i] = scaled(row[i], strength, inverse[i]);
}

}

template<class Real, bool excites> class DenseRows : public Rows<Real>
{
public:
    DenseRows(const std::string& name, const std::vector<std::int32_t>& start, std::size_t n)
        : n(n), w((start.size() - 1) * n, std::numeric_limits<Real>::quiet_NaN()), unscaled(start.size() - 1, false)
    {
        Input<std::int32_t> indices(name + ".indices");
        Input<Real> data(name + ".data");
        std::vector<std::int32_t> target(n);
        std::vector<Real> weight(n);
        for (std::size_t j = 0; j < unscaled.size(); j++)
        {
            const std::size_t length = start[j + 1] - start[j];
            indices.read(target.data(), length);
            data.read(weight.data(), length);
            for (std::size_t k = 0; k < length; k++) w[j * n + target[k]] = weight[k];
        }
    }

    void transmit(const std::vector<Arrival<Real>>& arrivals, Real* input) override
    {
        for (const auto& arrival : arrivals) dense::transmit<excites>(row(arrival.source), input, n);
    }

    void learn(const std::vector<Arrival<Real>>& arrivals, const Targets<Real>& targets) override
    {
        std::size_t k = 0;
        for (; k + 4 <= arrivals.size(); k += 4) learn<4>(&arrivals[k], targets);
        for (; k < arrivals.size(); k++) learn<1>(&arrivals[k], targets);
    }

    void credit(const Arrival<Real>& a, const Real* C, Real* total) override
    {
        dense::credit(row(a.source), total, a.gain, a.seen, C, n);
    }

    // A row is scaled when it is walked next, which saves one pass through memory.
    void scale(double to, const std::vector<double>& by) override
    {
        strength = to;
        inverse = by;
        unscaled.assign(unscaled.size(), true);
    }

    void save(Output<Real>& output) override
    {
        for (std::size_t j = 0; j < unscaled.size(); j++)
            for (const Real *weight = row(j), *end = weight + n; weight != end; weight++)
                if (*weight >= 0) output.add(*weight);
    }

private:
    template<int m> void learn(const Arrival<Real>* arrivals, const Targets<Real>& targets)
    {
        Real* rows[m];
        for (int k = 0; k < m; k++) rows[k] = row(arrivals[k].source);
        dense::learn<excites, m>(arrivals, rows, targets, n);
    }

    Real* row(std::size_t source)
    {
        if (unscaled[source]) dense::scale(&w[source * n], strength, inverse.data(), n);
        unscaled[source] = false;
        return &w[source * n];
    }

    const std::size_t n;
    std::vector<Real> w;
    std::vector<bool> unscaled;  // by source
    double strength = 1;
    std::vector<double> inverse;
};
