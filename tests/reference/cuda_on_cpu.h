// CUDA as far as Brian2CUDA's programs use it, on the processor: kernels run thread after thread, backwards, so that
// spikes come unsorted and sums in another order, as they do on a GPU. `kernel<<<blocks, threads>>>(...)` must be
// rewritten to `for (Launch launch(blocks, threads); launch.next();) kernel(...)`. It cannot show data races.
#pragma once
#include <algorithm>
#include <cassert>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
using std::max;
using std::min;

struct Index { int x = 0; };
inline Index threadIdx, blockIdx, blockDim, gridDim;

class Launch
{
    int left;

public:
    Launch(int blocks, int threads) : left(blocks * threads) { gridDim.x = blocks; blockDim.x = threads; }
    bool next()
    {
        if (left-- == 0) return false;
        blockIdx.x = left / blockDim.x;
        threadIdx.x = left % blockDim.x;
        return true;
    }
};

template<class T, class U> T atomicAdd(T* at, U value) { T old = *at; *at += value; return old; }
template<class T, class U, class V> T atomicCAS(T* at, U expected, V value)
{
    T old = *at;
    if (old == T(expected)) *at = value;
    return old;
}
template<class To, class From> To bits(From from) { To to; std::memcpy(&to, &from, sizeof(to)); return to; }
inline long long __double_as_longlong(double x) { return bits<long long>(x); }
inline double __longlong_as_double(long long x) { return bits<double>(x); }
inline int __float_as_int(float x) { return bits<int>(x); }
inline float __int_as_float(int x) { return bits<float>(x); }
inline void __syncthreads() { std::abort(); }  // threads are not side by side here
inline void __threadfence() {}

enum cudaError { cudaSuccess };
typedef cudaError cudaError_t;
enum { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum { cudaLimitMallocHeapSize, cudaDevAttrMultiProcessorCount };
struct cudaDeviceProp
{
    int multiProcessorCount = 1, maxThreadsPerBlock = 1024, maxThreadsPerMultiProcessor = 2048, warpSize = 32;
    size_t sharedMemPerBlock = 49152;
};
struct cudaFuncAttributes
{
    int maxThreadsPerBlock = 1024, numRegs = 0;
    size_t sharedSizeBytes = 0, localSizeBytes = 0, constSizeBytes = 0;
};
inline const char* cudaGetErrorString(cudaError) { return ""; }
inline cudaError cudaGetLastError() { return cudaSuccess; }
inline cudaError cudaDeviceSynchronize() { return cudaSuccess; }
inline cudaError cudaProfilerStop() { return cudaSuccess; }
inline cudaError cudaSetDevice(int) { return cudaSuccess; }
inline cudaError cudaDeviceSetLimit(int, size_t) { return cudaSuccess; }
inline cudaError cudaGetDeviceProperties(cudaDeviceProp* props, int) { *props = {}; return cudaSuccess; }
inline cudaError cudaDeviceGetAttribute(int* value, int, int) { *value = 1; return cudaSuccess; }
inline cudaError cudaMemGetInfo(size_t* free, size_t* total) { *free = *total = 0; return cudaSuccess; }
inline cudaError cudaMalloc(void** at, size_t n) { *at = std::malloc(n); std::memset(*at, 255, n); return cudaSuccess; }
inline cudaError cudaFree(void* at) { std::free(at); return cudaSuccess; }
inline cudaError cudaMemset(void* at, int value, size_t n) { std::memset(at, value, n); return cudaSuccess; }
inline cudaError cudaMemcpy(void* to, const void* from, size_t n, int) { std::memcpy(to, from, n); return cudaSuccess; }
template<class T> cudaError cudaMemcpyToSymbol(T& to, const void* from, size_t n) { std::memcpy(&to, from, n); return cudaSuccess; }
template<class F> cudaError cudaFuncGetAttributes(cudaFuncAttributes* a, F) { *a = {}; return cudaSuccess; }
template<class F> cudaError cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, F, int, size_t)
{
    *blocks = 1;
    return cudaSuccess;
}
template<class F> cudaError cudaOccupancyMaxPotentialBlockSize(int* least, int* threads, F, size_t, int)
{
    *least = 1;
    *threads = 64;
    return cudaSuccess;
}

// Random numbers: none of our code draws any.
enum curandStatus_t { CURAND_STATUS_SUCCESS };
inline const char* _curandGetErrorEnum(curandStatus_t) { return ""; }
enum { CURAND_RNG_PSEUDO_DEFAULT };
typedef int curandGenerator_t;
struct curandState {};
template<class... A> curandStatus_t curandCreateGenerator(A...) { return CURAND_STATUS_SUCCESS; }
template<class... A> curandStatus_t curandSetPseudoRandomGeneratorSeed(A...) { return CURAND_STATUS_SUCCESS; }
template<class... A> curandStatus_t curandSetGeneratorOffset(A...) { return CURAND_STATUS_SUCCESS; }
template<class... A> curandStatus_t curandDestroyGenerator(A...) { return CURAND_STATUS_SUCCESS; }
template<class... A> curandStatus_t curandGenerateUniform(A...) { std::abort(); }
template<class... A> curandStatus_t curandGenerateUniformDouble(A...) { std::abort(); }
template<class... A> curandStatus_t curandGenerateNormal(A...) { std::abort(); }
template<class... A> curandStatus_t curandGenerateNormalDouble(A...) { std::abort(); }
template<class... A> curandStatus_t curandGeneratePoisson(A...) { std::abort(); }
template<class... A> void curand_init(A...) { std::abort(); }

namespace thrust {
template<class T> struct device_vector : std::vector<T>
{
    using std::vector<T>::vector;
    using std::vector<T>::operator=;
    device_vector& operator=(const std::vector<T>& from) { std::vector<T>::operator=(from); return *this; }
};
template<class T> using host_vector = device_vector<T>;
template<class T> T* raw_pointer_cast(T* pointer) { return pointer; }
using std::copy;
}
