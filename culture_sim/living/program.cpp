// A living culture, step by step; the order of a step is that of equations.py. Reads its inputs as raw arrays from
// inputs/, and writes spikes as they come and the final state to outputs/. One program for all sizes and parameters.
// Started with the argument `live`, it does what frames on standard input ask for instead (frames.h).
//
// Potentiation waits until a synapse is used again: spikes since the last arrival are kept for each cell, and credited
// at the next arrival, so that only rows of synapses are walked, never columns. `credit_all` does so for all synapses.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <iostream>
#include <vector>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include "files.h"
#include "frames.h"
#include "membrane.h"
#include "noise.h"

using std::int32_t;
using std::int64_t;
using std::uint64_t;
using std::uint8_t;
using std::vector;

namespace
{

constexpr int32_t NEVER = -(1 << 30);
constexpr int64_t CREDIT_EVERY = 1000;  // steps; bounds the memory of spikes that wait to be credited
constexpr double NEGLIGIBLE = 1e-18;    // a trace below this is zero

template<class Real> struct Constants  // in the order of constants.py
{
    Real threshold, reset, refractory, membrane_decay, noise, shared_decay, shared_renewal, shared_noise;
    Real ampa_decay, ampa_gain, nmda_decay, nmda_gain, gaba_decay, gaba_gain, adaptation_decay, adaptation_step;
    Real U, recovery_decay, facilitation_decay, depressing_inhibition;
    Real A_plus, A_minus, heterosynaptic, trace_decay, bound, scale_growth, scale_loss, scale_most;

    static Constants load()
    {
        const vector<double> values = read<double>("constants");
        if (values.size() * sizeof(Real) != sizeof(Constants)) fail("inputs/constants: wrong length");
        Constants constants;
        std::copy(values.begin(), values.end(), reinterpret_cast<Real*>(&constants));
        return constants;
    }
};

template<class Real> struct InFlight
{
    int32_t neuron;
    Real release;
};

template<class Real> class Culture
{
public:
    explicit Culture(int64_t first_step) : first_step(first_step)
    {
        const vector<double> wait = traces();
        trace.assign(wait.begin(), wait.end());
        n = v.size();
        plastic = !arrived.empty();
        max_delay = delay.empty() ? 1 : *std::max_element(delay.begin(), delay.end());
        segment.assign(n * (max_delay + 1), 0);
        for (size_t j = 0; j < n; j++)
        {
            int64_t s = start[j];
            for (int32_t d = 0; d <= max_delay; d++)  // segment[j, d]: first synapse of j with a delay above d
            {
                while (s < start[j + 1] && delay[s] <= d) s++;
                segment[j * (max_delay + 1) + d] = s;
            }
        }
        vector<int32_t>().swap(delay);
        in_flight.resize(max_delay + 1);
        const auto neuron = read<int32_t>("in_flight_neuron"), step = read<int32_t>("in_flight_step");
        const auto release = read<Real>("in_flight_release");
        for (size_t k = 0; k < neuron.size(); k++) in_flight[step[k] % in_flight.size()].push_back({neuron[k], release[k]});
        excitation.assign(n, 0), inhibition.assign(n, 0), noise.assign(n, 0);
        held.assign(n, 0), fired.assign(n, 0), hit.assign(n, 0), waiting.resize(plastic ? n : 0);
        last_waiting.assign(plastic ? n : 0, NEVER);
    }

    void step(int64_t t)
    {
        deliver(t);
        integrate(t);
        fire(t);
        if (learning && ++since_credit >= CREDIT_EVERY) credit_all();
    }

    void learn(bool now)
    {
        if (learning && !now) credit_all();
        learning = now && plastic;
    }

    // Spikes since they were last taken away.
    Spikes spikes;

    void stimulate(const int32_t* cell, const int32_t* end)
    {
        for (; cell != end; cell++) hit[*cell] = 1;
    }

    void credit_all()
    {
        for (size_t j = 0; plastic && j < n; j++)
            for (int64_t s = start[j]; excitatory[j] && s < start[j + 1]; s++) weight[s] = credited(s);
        for (auto& times : waiting) times.clear();
        std::fill(last_waiting.begin(), last_waiting.end(), NEVER);
        since_credit = 0;
    }

    void save_snapshot()
    {
        credit_all();
        save("snapshots", weight);
    }

    void save_state(int64_t t)
    {
        credit_all();
        save("v", v), save("ampa", ampa), save("nmda", nmda), save("gaba", gaba), save("adaptation", adaptation);
        save("used", used), save("u", u), save("scale", scale), save("refractory", refractory);
        save("last_spike", last_spike), save("weight", weight), save("arrived", arrived);
        save("shared", vector<double>{shared});
        Output<int32_t> neuron("in_flight_neuron"), step("in_flight_step");
        Output<Real> release("in_flight_release");
        for (int64_t s = std::max<int64_t>(0, t - max_delay); s < t; s++)
            for (const auto& spike : in_flight[s % in_flight.size()])
                neuron.add(spike.neuron), step.add(s), release.add(spike.release);
    }

private:
    // Powers of the traces' decay per step, until negligible.
    vector<double> traces() const
    {
        vector<double> powers;
        for (double power = 1; power > NEGLIGIBLE; power *= c.trace_decay) powers.push_back(power);
        return powers;
    }

    Real trace_after(int64_t steps) const { return steps < int64_t(trace.size()) ? trace[steps] : Real(0); }

    // Weight of a synapse after the spikes of its target since the last arrival.
    Real credited(int64_t s) const
    {
        const int32_t i = target[s], since = arrived[s];
        if (last_waiting[i] < since || (since == NEVER && !c.heterosynaptic)) return weight[s];
        const int32_t *first = waiting[i].data(), *end = first + waiting[i].size(), *spike = end;
        while (spike != first && spike[-1] >= since) spike--;
        Real w = weight[s];
        for (; spike != end; spike++) w += c.A_plus * (c.bound - w) * trace_after(int64_t(*spike) - since) - c.heterosynaptic * w;
        return w;
    }

    void deliver(int64_t t)
    {
        std::fill(excitation.begin(), excitation.end(), Real(0));
        std::fill(inhibition.begin(), inhibition.end(), Real(0));
        for (int32_t d = 1; d <= max_delay && d <= t; d++)
            for (const auto& spike : in_flight[(t - d) % in_flight.size()])
            {
                const int64_t* row = &segment[int64_t(spike.neuron) * (max_delay + 1) + d];
                if (!excitatory[spike.neuron])
                    transmit(row[-1], row[0], spike.release, inhibition.data());
                else if (plastic)
                    transmit_and_learn(row[-1], row[0], spike.release, t);
                else
                    transmit(row[-1], row[0], spike.release, excitation.data());
            }
    }

    void transmit(int64_t begin, int64_t end, Real release, Real* __restrict input)
    {
        const int32_t* __restrict to = target.data();
        const Real* __restrict w = weight.data();
        for (int64_t s = begin; s < end; s++) input[to[s]] += w[s] * release;
    }

    void transmit_and_learn(int64_t begin, int64_t end, Real release, int64_t t)
    {
        const Real loss = learning ? c.A_minus : Real(0);
        for (int64_t s = begin; s < end; s++)
        {
            const int32_t i = target[s];
            const Real w = credited(s);
            excitation[i] += w * release;
            weight[s] = w - loss * w * trace_after(t - last_spike[i]);
            arrived[s] = t;
        }
    }

    void integrate(int64_t t)
    {
        if (c.shared_noise)
        {
            const double renewal = standard_noise(mix(shared_seed + GOLDEN * (t + 1)), 0);
            shared = c.shared_decay * shared + c.shared_renewal * renewal;
        }
        if (c.noise) fill_noise(noise.data(), c.noise, mix(noise_seed + GOLDEN * (t + 1)), n);
        decay(adaptation.data(), c.adaptation_decay, n);
        decay(used.data(), c.recovery_decay, n);
        decay(u.data(), c.facilitation_decay, n);
        if (learning) grow(scale.data(), c.scale_growth, c.scale_most, n);
        for (size_t i = 0; i < n; i++) excitation[i] *= scale[i];
        receive(ampa.data(), c.ampa_decay, c.ampa_gain, excitation.data(), n);
        receive(nmda.data(), c.nmda_decay, c.nmda_gain, excitation.data(), n);
        receive(gaba.data(), c.gaba_decay, c.gaba_gain, inhibition.data(), n);
        ::integrate(v.data(), drive.data(), c.shared_noise * Real(shared), ampa.data(), nmda.data(), gaba.data(),
                    adaptation.data(), noise.data(), c.membrane_decay, c.reset, c.threshold, refractory.data(),
                    held.data(), fired.data(), n);
    }

    void fire(int64_t t)
    {
        auto& sent = in_flight[t % in_flight.size()];
        sent.clear();
        for (size_t i = 0; i < n; i++)
        {
            if (!(fired[i] | hit[i])) continue;
            const bool direct = hit[i] && !held[i];
            hit[i] = 0;
            if (!fired[i] && !direct) continue;
            spikes.add(i, t - first_step, direct);
            v[i] = c.reset;
            refractory[i] = int32_t(c.refractory);
            adaptation[i] += c.adaptation_step;
            last_spike[i] = t;
            sent.push_back({int32_t(i), release(i)});
            if (!learning) continue;
            scale[i] = std::max(scale[i] * c.scale_loss, 1 / c.scale_most);
            waiting[i].push_back(t);
            last_waiting[i] = t;
        }
    }

    Real release(size_t i)
    {
        if (!excitatory[i] && !c.depressing_inhibition) return 1;
        u[i] += c.U * (1 - u[i]);
        const Real released = u[i] * (1 - used[i]);
        used[i] += released;
        return released;
    }

    const Constants<Real> c = Constants<Real>::load();
    const int64_t first_step;
    const uint64_t noise_seed = read<uint64_t>("noise_seeds").at(0), shared_seed = read<uint64_t>("noise_seeds").at(1);
    const vector<uint8_t> excitatory = read<uint8_t>("excitatory");
    const vector<int64_t> start = read<int64_t>("start");
    const vector<int32_t> target = read<int32_t>("target");
    vector<int32_t> delay = read<int32_t>("delay");
    const vector<Real> drive = read<Real>("drive");
    vector<Real> v = read<Real>("v"), ampa = read<Real>("ampa"), nmda = read<Real>("nmda"), gaba = read<Real>("gaba");
    vector<Real> adaptation = read<Real>("adaptation"), used = read<Real>("used"), u = read<Real>("u");
    vector<Real> scale = read<Real>("scale"), weight = read<Real>("weight");
    vector<int32_t> refractory = read<int32_t>("refractory"), last_spike = read<int32_t>("last_spike");
    vector<int32_t> arrived = read<int32_t>("arrived");
    double shared = read<double>("shared").at(0);

    size_t n;
    int32_t max_delay;
    bool plastic, learning = false;
    int64_t since_credit = 0;
    vector<int64_t> segment;
    vector<Real> trace, excitation, inhibition, noise;
    vector<int32_t> held, fired, hit, last_waiting;
    vector<vector<int32_t>> waiting;        // learned-from spikes of each cell since the last `credit_all`
    vector<vector<InFlight<Real>>> in_flight;    // spikes of each of the last steps
};

template<class Real> void run(int64_t first_step, int64_t n_steps)
{
    Culture<Real> culture(first_step);
    const auto pulse_step = read<int64_t>("pulse_step"), edges = read<int64_t>("plastic");
    const auto snapshots = read<int64_t>("snapshot_steps"), kind_start = read<int64_t>("kind_start");
    const auto pulse_kind = read<int32_t>("pulse_kind"), kind_cells = read<int32_t>("kind_cells");
    SpikeFiles files;
    size_t pulse = 0, edge = 0, snapshot = 0;
    auto said = std::chrono::steady_clock::now();
    for (int64_t k = 0; k < n_steps; k++)
    {
        for (; edge < edges.size() && edges[edge] == k; edge++) culture.learn(edge % 2 == 0);
        for (; snapshot < snapshots.size() && snapshots[snapshot] == k; snapshot++) culture.save_snapshot();
        for (; pulse < pulse_step.size() && pulse_step[pulse] == k; pulse++)
        {
            const int64_t* cells = &kind_start[pulse_kind[pulse]];
            culture.stimulate(kind_cells.data() + cells[0], kind_cells.data() + cells[1]);
        }
        culture.step(first_step + k);
        if (culture.spikes.many()) files.take(culture.spikes);
        if (k % 64) continue;
        const auto now = std::chrono::steady_clock::now();
        if (now - said < std::chrono::milliseconds(200)) continue;
        said = now;
        std::cout << k + 1 << std::endl;
    }
    files.take(culture.spikes);
    if (snapshot < snapshots.size()) culture.save_snapshot();
    culture.save_state(first_step + n_steps);
    std::cout << n_steps << std::endl;
}

// Advance by so many steps, or save the state, as each frame asks; until standard input ends.
template<class Real> void run_live(int64_t step)
{
    Culture<Real> culture(step);
    Frame frame;
    while (frame.receive())
    {
        const auto began = std::chrono::steady_clock::now();
        if (frame.saves())
            culture.save_state(step);
        else
            culture.learn(frame.learns());
        size_t hit = 0;
        for (int64_t k = 0; k < frame.n_steps(); k++)
        {
            for (; hit < frame.cell.size() && frame.step[hit] == k; hit++)
                culture.stimulate(&frame.cell[hit], &frame.cell[hit] + 1);
            culture.step(step++);
        }
        const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - began;
        reply(culture.spikes, took.count());
    }
}

}

int main(int n_arguments, char** arguments)
{
    std::signal(SIGXFSZ, SIG_IGN);  // a file beyond the allowed size is an error of the write, as a full disk is
#ifdef __SSE__
    _mm_setcsr(_mm_getcsr() | 0x8040);  // denormal numbers are zero: a silent culture must not be slow
#endif
    const auto settings = read<int64_t>("settings");  // first step, number of steps, bytes of a number
    if (settings.size() != 3) fail("inputs/settings: wrong length");
    const bool single = settings[2] == 4;
    if (n_arguments > 1 && std::string(arguments[1]) == "live")
    {
        std::signal(SIGINT, SIG_IGN);  // of a terminal: who sends frames says when to end
        single ? run_live<float>(settings[0]) : run_live<double>(settings[0]);
    }
    else
        single ? run<float>(settings[0], settings[1]) : run<double>(settings[0], settings[1]);
    return 0;
}
