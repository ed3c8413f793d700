// Transfer between the files of a compiled culture and the memory of a GPU.
#ifndef CULTURE_DEVICE_H
#define CULTURE_DEVICE_H

#include "files.h"

#include <algorithm>
#include <cstdint>
#include <thrust/copy.h>
#include <thrust/device_vector.h>

namespace culture_device {

// Whether any culture learns in the current presentation; the host chooses the kernels to call by it.
inline bool learning = false;

inline void check(cudaError_t error, const std::string& what)
{
    if (error != cudaSuccess) fail(what + ": " + cudaGetErrorString(error));
}

template<class T> void put(T* device, const std::vector<T>& values, size_t n, const std::string& name)
{
    if (values.size() != n)
        fail(name + " has " + std::to_string(values.size()) + " values, not " + std::to_string(n));
    check(cudaMemcpy(device, values.data(), n * sizeof(T), cudaMemcpyHostToDevice), name);
}

// Load an array whose size is compiled in.
template<class T> void load(const std::string& name, T* device, size_t n)
{
    put(device, read<T>(name), n, name);
}

template<class T> void load(const std::string& name, thrust::device_vector<T>& device)
{
    device = read<T>(name);
}

// Synapses sorted by source, from the row starts and columns of a compressed sparse matrix.
template<class T>
void load_synapses(const std::string& name, thrust::device_vector<int32_t>& pre, thrust::device_vector<int32_t>& post,
                   thrust::device_vector<T>& w, int32_t* row_start, size_t n_rows, int32_t* n_host, int32_t* n_device)
{
    load(name + ".indices", post);
    load(name + ".data", w);
    const auto start = read<int32_t>(name + ".indptr");
    put(row_start, start, n_rows + 1, name + ".indptr");
    std::vector<int32_t> source(post.size());
    for (size_t i = 0; i < n_rows; i++) std::fill(source.begin() + start[i], source.begin() + start[i + 1], i);
    pre = source;
    n_host[0] = post.size();
    check(cudaMemcpy(n_device, n_host, sizeof(int32_t), cudaMemcpyHostToDevice), name);
}

// Copy the learning factors of this presentation, one per culture, to all neurons of the culture.
template<class T> void set_learning(T* device, const T* of_cultures, size_t n_cultures, size_t n_neurons)
{
    std::vector<T> values;
    for (size_t c = 0; c < n_cultures; c++) values.insert(values.end(), n_neurons, of_cultures[c]);
    put(device, values, n_cultures * n_neurons, "learning");
    learning = *std::max_element(of_cultures, of_cultures + n_cultures) > 0;
}

template<class T> void append(const std::string& name, const thrust::device_vector<T>& device)
{
    std::vector<T> values(device.size());
    thrust::copy(device.begin(), device.end(), values.begin());
    save(name, values);
}

}
#endif
