// Noise as a function of seed, time step and neuron; the same numbers as noise.py.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

inline std::uint64_t mix(std::uint64_t z)  // finaliser of splitmix64
{
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

constexpr std::uint64_t GOLDEN = 0x9E3779B97F4A7C15ull;
const double UNIT = 1 / std::sqrt(4 * (4294967296.0 - 1) / 12);

inline double standard_noise(std::uint64_t key, std::uint64_t index)
{
    const std::uint64_t z = mix(key + GOLDEN * (index + 1));
    const std::uint64_t sum = (z & 0xFFFF) + (z >> 16 & 0xFFFF) + (z >> 32 & 0xFFFF) + (z >> 48);
    return double(std::int32_t(sum) - 131070) * UNIT;  // 131070: mean of the sum
}

// to = amplitude * noise of one step, without overlap with anything else, so that it is vectorised.
template<class Real> void fill_noise(Real* __restrict to, Real amplitude, std::uint64_t key, std::size_t n)
{
    for (std::size_t i = 0; i < n; i++) to[i] = amplitude * Real(standard_noise(key, i));
}
