// A projection: its synapses in the form that takes less memory, and the traces of its sources.
#pragma once

#include <algorithm>

#include "dense.h"
#include "history.h"
#include "sparse.h"

template<class Real, bool excites>
std::unique_ptr<Rows<Real>> load_rows(const std::string& name, std::size_t n_neurons)
{
    auto start = read<std::int32_t>(name + ".indptr");
    const double n_pairs = double(start.size() - 1) * n_neurons;
    if (n_pairs * sizeof(Real) <= double(start.back()) * (sizeof(Real) + sizeof(std::int32_t)))
        return std::make_unique<DenseRows<Real, excites>>(name, start, n_neurons);
    return std::make_unique<SparseRows<Real, excites>>(name, std::move(start));
}

template<class Real> class Projection
{
public:
    Projection(const std::string& name, bool excites, bool plastic, Real strength, std::size_t n_sources, std::size_t n)
        : plastic(plastic), name(name), strength(strength),
          rows(excites ? load_rows<Real, true>(name, n) : load_rows<Real, false>(name, n)), g(n_sources),
          last(n_sources), total(n), inverse(n)
    {
    }

    // Spikes of this step set out; their sources' traces become 1.
    void spike(const std::vector<std::int32_t>& spikes, Real rate, Real d, const History<Real>& C)
    {
        arrivals.clear();
        const Real now = 1 / d;
        for (const std::int32_t j : spikes)
        {
            arrivals.push_back({j, rate * g[j], C.at(last[j])});
            g[j] = now;
            last[j] = C.step();
        }
    }

    void arrive(const Targets<Real>& targets, bool learning)
    {
        if (learning && plastic)
            rows->learn(arrivals, targets);
        else
            rows->transmit(arrivals, targets.input);
    }

    // Credit what is deferred, in all rows.
    void credit(Real rate, const History<Real>& C)
    {
        std::fill(total.begin(), total.end(), Real(0));
        for (std::size_t j = 0; j < g.size(); j++)
            rows->credit({std::int32_t(j), rate * g[j], C.at(last[j])}, C.now(), total.data());
    }

    // After `credit`: scale each neuron's incoming sum to the strength, unless all its inputs were depressed to zero.
    void normalise()
    {
        const Real least = Real(1e-6) * strength;
        for (std::size_t i = 0; i < total.size(); i++) inverse[i] = 1 / (double(total[i]) + (total[i] <= least));
        rows->scale(strength, inverse);
    }

    // Time starts anew, at d = 1.
    void move_origin(Real d)
    {
        for (Real& factor : g) factor *= d;
        std::fill(last.begin(), last.end(), 0);
    }

    void reset() { std::fill(g.begin(), g.end(), Real(0)); }

    void save(Output<Real>& output) { rows->save(output); }

    const std::vector<Real>& traces() const { return g; }

    bool plastic;
    std::string name;

private:
    Real strength;
    std::unique_ptr<Rows<Real>> rows;
    std::vector<Real> g;             // 1 / d at the last spike of each source
    std::vector<std::int32_t> last;  // step of that spike since time started anew; 0 before any, where C is 0
    std::vector<Real> total;
    std::vector<double> inverse;
    std::vector<Arrival<Real>> arrivals;
};
