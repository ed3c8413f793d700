// The published culture, step by step: the equations of model/neurons.py and model/plasticity.py, which derives the
// deferred potentiation. Reads its inputs as raw arrays from inputs/, and writes spikes as they come and weights to
// outputs/. One program for all sizes and parameters.
#include "projection.h"

using std::int32_t;
using std::int64_t;
using std::size_t;
using std::vector;

namespace
{

template<class Real> struct Parameters  // in the order of model/parameters.py
{
    Real v_rest, v_threshold, v_reset, v_lower_bound, leak, refractory_steps, trace_decay, A_plus, A_minus, d;

    static Parameters load()
    {
        const auto values = read<double>("parameters");
        if (values.size() * sizeof(Real) != sizeof(Parameters)) fail("inputs/parameters: wrong length");
        Parameters parameters;
        std::copy(values.begin(), values.end(), reinterpret_cast<Real*>(&parameters));
        return parameters;
    }
};

// Leak, input unless refractory, refractory countdown, lower bound.
template<class Real>
void integrate(Real* __restrict v, Real* __restrict input, Real* __restrict refractory, Real leak, Real rest, Real bound,
               size_t n)
{
    for (size_t i = 0; i < n; i++)
    {
        const Real moved = leak * (v[i] - rest) + rest + (refractory[i] <= 0 ? input[i] : Real(0));
        v[i] = moved < bound ? bound : moved;
        refractory[i] = refractory[i] > 1 ? refractory[i] - 1 : Real(0);
        input[i] = 0;
    }
}

template<class Real> void multiply(Real* __restrict to, const Real* __restrict from, Real factor, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] = factor * from[i];
}

template<class Real> class Culture
{
public:
    Culture(size_t n, size_t n_electrodes, size_t most_steps) : n(n), C(n, most_steps)
    {
        const auto plastic = read<int32_t>("plastic");
        const auto strength = read<double>("strengths");
        projections.emplace_back("electrode", true, plastic.at(0), strength.at(0), n_electrodes, n);
        projections.emplace_back("excitatory", true, plastic.at(1), strength.at(1), n, n);
        projections.emplace_back("inhibitory", false, plastic.at(2), strength.at(2), n, n);
        for (auto* array : {&v, &input, &refractory, &ltp, &ltd}) array->assign(n, 0);
        reset();
    }

    void learn(Real factor) { learning = factor; }

    void step(const int32_t* pulse, const int32_t* end, int64_t t)
    {
        d *= c.trace_decay;
        relayed.swap(fired);
        integrate(v.data(), input.data(), refractory.data(), c.leak, c.v_rest, c.v_lower_bound, n);
        fire(t);
        pulses.assign(pulse, end);
        for (size_t k = 0; k < 3; k++) projections[k].spike(*spikes_of[k], learning * c.A_plus, d, C);
        if (learning > 0) postsynaptic_changes();
        for (auto& projection : projections) projection.arrive({C.now(), ltp.data(), ltd.data(), input.data()}, learning > 0);
        if (learning > 0) C.advance(fired, d);
    }

    // Ends a stretch of steps: all that is deferred is credited, and time starts anew.
    void settle()
    {
        if (learning > 0) credit();
        for (auto& projection : projections) projection.move_origin(d);
        C.start_anew();
        d = c.d;
    }

    void end_presentation()
    {
        if (!normalised)
        {
            if (!(learning > 0)) credit();  // for the sums alone
            for (auto& projection : projections)
                if (projection.plastic) projection.normalise();
        }
        normalised = true;
        reset();
    }

    void save_weights()
    {
        for (auto& projection : projections)
        {
            if (!projection.plastic) continue;
            Output<Real> output(projection.name + ".data");
            projection.save(output);
        }
    }

private:
    void fire(int64_t t)
    {
        fired.clear();
        for (size_t i = 0; i < n; i++)
            if (v[i] >= c.v_threshold) fired.push_back(i);
        for (const int32_t i : fired)
        {
            v[i] = c.v_reset;
            refractory[i] = c.refractory_steps;
            neurons.add(i), steps.add(t);
        }
    }

    void postsynaptic_changes()
    {
        std::fill(ltp.begin(), ltp.end(), Real(0));
        for (const int32_t i : fired) ltp[i] = learning * c.A_plus;
        multiply(ltd.data(), projections[1].traces().data(), learning * (c.A_minus * d), n);
    }

    void credit()
    {
        for (auto& projection : projections)
            if (projection.plastic) projection.credit(learning * c.A_plus, C);
        normalised = false;
    }

    void reset()
    {
        for (auto& projection : projections) projection.reset();
        std::fill(v.begin(), v.end(), c.v_rest);
        std::fill(input.begin(), input.end(), Real(0));
        std::fill(refractory.begin(), refractory.end(), Real(0));
        fired.clear();
    }

    const Parameters<Real> c = Parameters<Real>::load();
    const size_t n;
    vector<Projection<Real>> projections;
    History<Real> C;
    Real d = c.d, learning = 0;
    bool normalised = false;
    vector<Real> v, input, refractory, ltp, ltd;
    vector<int32_t> pulses, fired, relayed;  // of this step; relayed: fired in the step before
    const vector<int32_t>* spikes_of[3] = {&pulses, &fired, &relayed};
    Output<int32_t> neurons{"neuron"}, steps{"step"};
};

template<class Real> void run(size_t n, size_t n_electrodes)
{
    const auto n_steps = read<int32_t>("segments.n_steps"), last = read<int32_t>("segments.last");
    const auto snapshot = read<int32_t>("segments.snapshot");
    const auto learning = read<double>("segments.learning");
    const auto electrode = read<int32_t>("stimulus.electrode"), step = read<int32_t>("stimulus.step");
    Culture<Real> culture(n, n_electrodes, *std::max_element(n_steps.begin(), n_steps.end()));
    int64_t t = 0, presentations = 0;
    size_t pulse = 0;
    for (size_t k = 0; k < n_steps.size(); k++)
    {
        culture.learn(learning[k]);
        for (const int64_t end = t + n_steps[k]; t < end; t++)
        {
            const size_t first = pulse;
            while (pulse < step.size() && step[pulse] == t) pulse++;
            culture.step(electrode.data() + first, electrode.data() + pulse, t);
        }
        culture.settle();
        if (!last[k]) continue;
        culture.end_presentation();
        if (snapshot[k]) culture.save_weights();
        std::cout << ++presentations << std::endl;
    }
    culture.save_weights();
}

}

int main()
{
    const auto settings = read<int64_t>("settings");  // neurons, electrodes, bytes of a number
    if (settings.size() != 3) fail("inputs/settings: wrong length");
    if (settings[2] == 4)
        run<float>(settings[0], settings[1]);
    else
        run<double>(settings[0], settings[1]);
    return 0;
}
