// Spikes on their way out, and binary frames on standard input and output between a culture and who runs it live.
#pragma once

#include <cstdint>
#include <cstdio>
#include <vector>

#include "files.h"

struct Spikes
{
    std::vector<std::int32_t> neuron, step;
    std::vector<std::uint8_t> direct;

    void add(std::int32_t i, std::int32_t t, bool by_pulse)
    {
        neuron.push_back(i), step.push_back(t), direct.push_back(by_pulse);
    }
    bool many() const { return neuron.size() >= 1 << 16; }
    void clear() { neuron.clear(), step.clear(), direct.clear(); }
};

// The files of a session's spikes.
class SpikeFiles
{
public:
    void take(Spikes& spikes)
    {
        neuron.add(spikes.neuron), step.add(spikes.step), direct.add(spikes.direct);
        spikes.clear();
    }

private:
    Output<std::int32_t> neuron{"neuron"}, step{"step"};
    Output<std::uint8_t> direct{"direct"};
};

// A request: what to do, steps to advance by, whether synapses learn in them, number of hits; then the hits: steps from
// now, ascending, and cells that a pulse makes fire in them.
class Frame
{
public:
    std::vector<std::int32_t> step, cell;

    // False at the end of the input.
    bool receive()
    {
        if (std::fread(head, sizeof(head), 1, stdin) != 1) return false;
        step.resize(head[3]), cell.resize(head[3]);
        return get(step) && get(cell);
    }
    bool saves() const { return head[0] == 1; }
    bool learns() const { return head[2]; }
    std::int64_t n_steps() const { return head[1]; }

private:
    static bool get(std::vector<std::int32_t>& values)
    {
        return std::fread(values.data(), sizeof(std::int32_t), values.size(), stdin) == values.size();
    }
    std::int64_t head[4];
};

// The answer, in one write: number of spikes, computing time in ns; neurons, steps from the start, whether by a pulse.
inline void reply(Spikes& spikes, std::int64_t took_ns)
{
    static std::vector<char> bytes;
    const std::int64_t head[2] = {std::int64_t(spikes.neuron.size()), took_ns};
    const auto put = [](const void* from, std::size_t n)
    { bytes.insert(bytes.end(), static_cast<const char*>(from), static_cast<const char*>(from) + n); };
    bytes.clear();
    put(head, sizeof(head));
    put(spikes.neuron.data(), 4 * spikes.neuron.size());
    put(spikes.step.data(), 4 * spikes.step.size());
    put(spikes.direct.data(), spikes.direct.size());
    if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size() || std::fflush(stdout))
        fail("cannot answer: nobody listens");
    spikes.clear();
}
