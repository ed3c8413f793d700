// A projection in which few pairs are connected: target and weight of every synapse, by source.
#pragma once

#include <cstddef>

#include "synapses.h"

template<class Real, bool excites> class SparseRows : public Rows<Real>
{
public:
    SparseRows(const std::string& name, std::vector<std::int32_t> start)
        : start(std::move(start)), target(read<std::int32_t>(name + ".indices")), w(read<Real>(name + ".data"))
    {
    }

    void transmit(const std::vector<Arrival<Real>>& arrivals, Real* input) override
    {
        for (const auto& a : arrivals)
        {
            const std::int32_t end = start[a.source + 1];
            #pragma GCC ivdep
            for (std::int32_t s = start[a.source]; s < end; s++)
                input[target[s]] = received<excites>(input[target[s]], w[s]);
        }
    }

    void learn(const std::vector<Arrival<Real>>& arrivals, const Targets<Real>& to) override
    {
        for (const auto& a : arrivals)
        {
            const std::int32_t end = start[a.source + 1];

            for (std::int32_t s = start[a.source]; s < end; s++)
            {
                const std::int32_t i = target[s];
                const Real changed = a.gain * (to.C[i] - a.seen[i]) + (w[s] - to.ltd[i]);
                to.input[i] = changed >= -to.ltp[i] ? received<excites>(to.input[i], to.ltp[i], changed) : to.input[i];
                w[s] = changed < -to.ltp[i] ? -to.ltp[i] : changed;
            }
        }
    }

    void credit(const Arrival<Real>& row, const Real* C, Real* total) override
    {
        for (std::int32_t s = start[row.source]; s < start[row.source + 1]; s++)
        {
            const std::int32_t i = target[s];
            const Real changed = row.gain * (C[i] - row.seen[i]) + w[s];
            w[s] = changed < 0 ? Real(0) : changed;
            total[i] += w[s];
        }
    }

    void scale(double strength, const std::vector<double>& inverse) override
    {
        for (std::size_t s = 0; s < w.size(); s++) w[s] = scaled(w[s], strength, inverse[target[s]]);
    }

    void save(Output<Real>& output) override { output.add(w); }

private:
    const std::vector<std::int32_t> start, target;
    std::vector<Real> w;
};
