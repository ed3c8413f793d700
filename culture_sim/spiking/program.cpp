// The network of Diehl and Cook, step by step; the order of a step is that of equations.py. Reads its inputs as raw
// arrays from inputs/, presents the images one after the other, and writes responses and weights to outputs/.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <iostream>
#include <utility>
#include <vector>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include "files.h"
#include "noise.h"

using std::int32_t;
using std::int64_t;
using std::uint64_t;
using std::vector;

namespace
{

struct Constants  // in the order of equations.py
{
    double excitation_decay, inhibition_decay;
    double e_step, e_rest, e_reset, e_threshold, e_reversal, e_refractory;
    double i_step, i_rest, i_reset, i_threshold, i_reversal, i_refractory;
    double theta_decay, theta_increase, x_decay, y1_decay, y2_decay, A_plus, A_minus;
    double w_ei, w_ie, gain, weight_sum, rate, raise_by, dt;

    static Constants load()
    {
        const vector<double> values = read<double>("constants");
        if (values.size() * sizeof(double) != sizeof(Constants)) fail("inputs/constants: wrong length");
        Constants constants;
        std::copy(values.begin(), values.end(), reinterpret_cast<double*>(&constants));
        return constants;
    }
};

void multiply(vector<double>& values, double factor)
{
    double* __restrict to = values.data();
    for (size_t i = 0; i < values.size(); i++) to[i] *= factor;
}

// A population of neurons with conductances.
struct Population
{
    double step, rest, reset, reversal;
    int32_t refractory;
    vector<double> v, ge, gi, excitation, inhibition;
    vector<int32_t> left, fired;  // refractory steps left; neurons that fired in the last step, ascending

    Population(size_t n, double step, double rest, double reset, double reversal, double refractory)
        : step(step), rest(rest), reset(reset), reversal(reversal), refractory(int32_t(refractory)), v(n), ge(n), gi(n),
          excitation(n), inhibition(n), left(n)
    {
    }

    void to_rest()
    {
        std::fill(v.begin(), v.end(), rest);
        std::fill(ge.begin(), ge.end(), 0), std::fill(gi.begin(), gi.end(), 0);
        std::fill(left.begin(), left.end(), 0);
        fired.clear();
    }

    void decay(const Constants& c)
    {
        multiply(ge, c.excitation_decay), multiply(gi, c.inhibition_decay);
        std::fill(excitation.begin(), excitation.end(), 0), std::fill(inhibition.begin(), inhibition.end(), 0);
    }

    void integrate(double gain)
    {
        double* __restrict v_ = v.data();
        double* __restrict ge_ = ge.data();
        double* __restrict gi_ = gi.data();
        int32_t* __restrict left_ = left.data();
        const double *__restrict e = excitation.data(), *__restrict i_ = inhibition.data();
        for (size_t j = 0; j < v.size(); j++)
        {
            ge_[j] += gain * e[j];
            gi_[j] += i_[j];
            const double moved = (v_[j] + step * (rest + gi_[j] * reversal)) / (1 + step * (1 + ge_[j] + gi_[j]));
            v_[j] = left_[j] > 0 ? reset : moved;
            left_[j] = left_[j] > 0 ? left_[j] - 1 : 0;
        }
    }

    void spike(int32_t j)
    {
        fired.push_back(j);
        v[j] = reset;
        left[j] = refractory;
    }
};

class Network
{
public:
    Network(size_t n, size_t n_inputs)
        : e(n, c.e_step, c.e_rest, c.e_reset, c.e_reversal, c.e_refractory),
          i(n, c.i_step, c.i_rest, c.i_reset, c.i_reversal, c.i_refractory), counts(n), n(n), x(n_inputs), y1(n), y2(n)
    {
    }

    void scale()
    {
        vector<double> factor(n, 0);
        for (size_t k = 0; k < x.size(); k++)
            for (size_t j = 0; j < n; j++) factor[j] += w[k * n + j];
        for (double& sum : factor) sum = sum > 0 ? c.weight_sum / sum : 1;
        for (size_t k = 0; k < x.size(); k++)
            for (size_t j = 0; j < n; j++) w[k * n + j] *= factor[j];
    }

    // Shows an image for some steps, then rests; returns the number of spikes while it was shown.
    int64_t attempt(const float* image, double rate, uint64_t key, double factor, int64_t n_shown, int64_t n_rest)
    {
        learning = factor;
        if (learning > 0) scale();
        e.to_rest(), i.to_rest(), inputs_fired.clear();
        for (auto* trace : {&x, &y1, &y2}) std::fill(trace->begin(), trace->end(), 0);
        std::fill(counts.begin(), counts.end(), 0);
        vector<std::pair<int32_t, double>> probability;
        for (size_t k = 0; k < x.size(); k++)
            if (image[k] > 0) probability.push_back({int32_t(k), double(image[k]) * (rate * c.dt)});
        int64_t spikes = 0;
        for (int64_t t = 0; t < n_shown + n_rest; t++)
        {
            step();
            for (const int32_t j : e.fired)
            {
                if (recorded) steps.add(int32_t(now)), neurons.add(j);
                if (t < n_shown) counts[j]++, spikes++;
            }
            inputs_fired.clear();
            const uint64_t step_key = mix(key + GOLDEN * uint64_t(t + 1));
            for (const auto& [k, p] : probability)
                if (t < n_shown && double(mix(step_key + GOLDEN * uint64_t(k + 1)) >> 11) * 0x1p-53 < p)
                    inputs_fired.push_back(k), x[k] = 1;
            now++;
        }
        return spikes;
    }

    const Constants c = Constants::load();
    Population e, i;
    bool recorded = false;
    vector<double> w = read<double>("weights"), theta = read<double>("theta");
    vector<int32_t> counts;  // spikes of each excitatory neuron while the last image was shown

private:
    void step()
    {
        e.decay(c), i.decay(c);
        if (learning > 0)
        {
            multiply(x, c.x_decay), multiply(y1, c.y1_decay), multiply(y2, c.y2_decay);
            multiply(theta, c.theta_decay);
        }
        arrive();
        e.integrate(c.gain), i.integrate(1);
        e.fired.clear(), i.fired.clear();
        for (size_t j = 0; j < n; j++)
        {
            if (e.v[j] > c.e_threshold + theta[j]) e.spike(int32_t(j));
            if (i.v[j] > c.i_threshold) i.spike(int32_t(j));
        }
        if (learning > 0) learn();
    }

    void arrive()
    {
        double* __restrict to = e.excitation.data();
        const double* __restrict y = y1.data();
        const double loss = learning * c.A_minus;
        for (const int32_t k : inputs_fired)
        {
            double* __restrict row = &w[size_t(k) * n];
            for (size_t j = 0; j < n; j++) to[j] += row[j];
            if (learning > 0)
                for (size_t j = 0; j < n; j++) row[j] = std::max(row[j] - loss * y[j], 0.0);
        }
        for (const int32_t j : e.fired) i.excitation[j] += c.w_ei;
        double* __restrict inhibited = e.inhibition.data();
        for (const int32_t other : i.fired)
        {
            const double own = inhibited[other];
            for (size_t j = 0; j < n; j++) inhibited[j] += c.w_ie;
            inhibited[other] = own;
        }
    }

    void learn()
    {
        const double gain = learning * c.A_plus;
        for (const int32_t j : e.fired)
        {
            for (size_t k = 0; k < x.size(); k++)
            {
                double& weight = w[k * n + j];
                weight = std::min(weight + gain * (x[k] * y2[j]), 1.0);
            }
            theta[j] += c.theta_increase;
            y1[j] = y2[j] = 1;
        }
    }

    const size_t n;
    vector<double> x, y1, y2;
    vector<int32_t> inputs_fired;  // in the last step, ascending
    double learning = 0;
    int64_t now = 0;  // steps since the first presentation began
    Output<int32_t> steps{"step"}, neurons{"neuron"};
};

}

int main()
{
    std::signal(SIGXFSZ, SIG_IGN);  // a file beyond the allowed size is an error of the write, as a full disk is
#ifdef __SSE__
    _mm_setcsr(_mm_getcsr() | 0x8040);  // denormal numbers are zero
#endif
    const auto settings = read<int64_t>("settings");
    if (settings.size() != 8) fail("inputs/settings: wrong length");
    const size_t n = settings[0], n_inputs = settings[1];
    const int64_t n_images = settings[2], n_shown = settings[3], n_rest = settings[4];
    const auto learning = read<double>("learning");
    const auto keys = read<uint64_t>("keys");
    Input<float> images("images");
    vector<float> image(n_inputs);
    Network network(n, n_inputs);
    network.recorded = settings[7];
    Output<int32_t> counts("counts"), attempts("attempts");
    auto said = std::chrono::steady_clock::now();
    for (int64_t k = 0; k < n_images; k++)
    {
        images.read(image.data(), n_inputs);
        int64_t attempt = 0, spikes = -1;
        for (; attempt < settings[6] && spikes < settings[5]; attempt++)
        {
            const double rate = network.c.rate + double(attempt) * network.c.raise_by;
            const uint64_t key = mix(keys[k] + GOLDEN * uint64_t(attempt + 1));
            spikes = network.attempt(image.data(), rate, key, learning[k], n_shown, learning[k] > 0 ? n_rest : 0);
        }
        counts.add(network.counts);
        attempts.add(int32_t(attempt));
        const auto now = std::chrono::steady_clock::now();
        if (now - said < std::chrono::milliseconds(200)) continue;
        said = now;
        std::cout << k + 1 << std::endl;
    }
    save("weights", network.w), save("theta", network.theta);
    std::cout << n_images << std::endl;
    return 0;
}
