// Loops over all neurons, as functions of plain arrays that do not overlap, so that compilers use vector instructions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

// to = to * factor
template<class Real> void decay(Real* __restrict to, Real factor, std::size_t n)
{
    for (std::size_t i = 0; i < n; i++) to[i] *= factor;
}

// h = min(h * growth, most)
template<class Real> void grow(Real* __restrict h, Real growth, Real most, std::size_t n)
{
    for (std::size_t i = 0; i < n; i++) h[i] = std::min(h[i] * growth, most);
}

// A current decays and receives the charge that arrives.
template<class Real>
void receive(Real* __restrict current, Real factor, Real gain, const Real* __restrict charge, std::size_t n)
{
    for (std::size_t i = 0; i < n; i++) current[i] = current[i] * factor + gain * charge[i];
}

// The membrane's exact step towards its input; refractory cells are held at reset. `fired`: threshold crossed.
template<class Real>
void integrate(Real* __restrict v, const Real* __restrict drive, Real common, const Real* __restrict ampa,
               const Real* __restrict nmda, const Real* __restrict gaba, const Real* __restrict adaptation,
               const Real* __restrict jump, Real leak, Real reset, Real threshold, std::int32_t* __restrict left,
               std::int32_t* __restrict held, std::int32_t* __restrict fired, std::size_t n)
{
    const Real gain = 1 - leak;
    for (std::size_t i = 0; i < n; i++)
    {
        const Real input = drive[i] + common + (ampa[i] + nmda[i] - gaba[i]) - adaptation[i];
        const Real moved = leak * v[i] + gain * input + jump[i];
        held[i] = left[i] > 0;
        v[i] = left[i] > 0 ? reset : moved;
        left[i] = left[i] > 0 ? left[i] - 1 : 0;
        fired[i] = v[i] >= threshold;
    }
}
